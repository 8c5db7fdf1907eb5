#include "services/access/role_decisions.h"

#include <string>

#include "gtest/gtest.h"
#include "records/events/v1/access.pb.h"
#include "services/errors/errors.h"
#include "services/policy/register.h"
#include "services/runtime/tracer.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;

const records::policy::v1::Register& Policy() {
  static const auto& policy = *new records::policy::v1::Register(*EmbeddedRegister());
  return policy;
}

absl::Status Checked(const RoleChange& change,
                     const std::string& caller = "issuer\nadministrator") {
  return CheckRoleChange(change, caller, Policy(), {"issuer", "other"});
}

// CR-3.1.2a
TEST(RoleDecisionsTest, EveryRoleOfTheRegisterCanBeGrantedAndNoOther) {
  for (const auto& role : Policy().roles()) {
    EXPECT_TRUE(Checked({.subject = "amy", .issuer = "issuer", .role = role.id()}).ok());
  }
  for (const char* role : {"", "superuser", "Contact-Officer", "contact-officer "}) {
    const absl::Status status = Checked({.subject = "amy", .issuer = "issuer", .role = role});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << role;
    EXPECT_EQ(DetailsOf(status).fields.at(0).field, "role");
  }
}

// CR-3.1.2a
TEST(RoleDecisionsTest, NobodyChangesTheirOwnRoles) {
  for (bool grant : {true, false}) {
    const RoleChange own{
        .subject = "administrator", .issuer = "issuer", .role = "auditor", .grant = grant};
    EXPECT_EQ(ReasonOf(Checked(own)), "OWN_ROLE");
  }
  // The same name at another issuer is somebody else.
  EXPECT_TRUE(Checked({.subject = "administrator", .issuer = "other", .role = "auditor"}).ok());
}

TEST(RoleDecisionsTest, AGrantThatNoTokenCouldEverUseIsRefused) {
  EXPECT_FALSE(Checked({.subject = "amy", .issuer = "a future one", .role = "auditor"}).ok());
  EXPECT_FALSE(Checked({.subject = "amy ", .issuer = "issuer", .role = "auditor"}).ok());
}

TEST(RoleDecisionsTest, ASubjectOfTwoLinesCannotStandForSomebodyElse) {
  EXPECT_FALSE(
      Checked({.subject = "a\nadministrator", .issuer = "issuer", .role = "auditor"}).ok());
  EXPECT_FALSE(Checked({.subject = "amy", .issuer = "issuer\na", .role = "auditor"}).ok());
  EXPECT_FALSE(Checked({.subject = "", .issuer = "issuer", .role = "auditor"}).ok());
  // The directory's limit is for issuer, line feed and subject together.
  EXPECT_TRUE(
      Checked({.subject = std::string(249, 'a'), .issuer = "issuer", .role = "auditor"}).ok());
  EXPECT_FALSE(
      Checked({.subject = std::string(250, 'a'), .issuer = "issuer", .role = "auditor"}).ok());
}

// CR-3.1.2a
TEST(RoleDecisionsTest, AGrantAndARevocationAreEventsUnderTheMemberOfStaff) {
  const eventstore::DirectoryEntry staff{*eventstore::SubjectId::FromBytes(std::string(16, 's')),
                                         *eventstore::RootId::FromBytes(std::string(16, 'r'))};
  const absl::Time now = absl::FromUnixSeconds(1'794'000'000);
  const RoleChange grant{.subject = "amy", .issuer = "issuer", .role = "auditor"};
  const Step granted = DecideRoleChange(grant, staff, "landlord", now);
  ASSERT_EQ(granted.facts.size(), 1u);
  EXPECT_EQ(dynamic_cast<const ev::RoleGranted&>(*granted.facts[0].message).role(), "auditor");
  EXPECT_EQ(granted.facts[0].stream.collection, kStaff);
  EXPECT_EQ(granted.facts[0].stream.root, staff.root);
  const RoleChange revoke{.subject = "amy", .issuer = "issuer", .role = "auditor", .grant = false};
  const Step revoked = DecideRoleChange(revoke, staff, "landlord", now);
  EXPECT_EQ(dynamic_cast<const ev::RoleRevoked&>(*revoked.facts[0].message).role(), "auditor");
}

}  // namespace
}  // namespace records::services
