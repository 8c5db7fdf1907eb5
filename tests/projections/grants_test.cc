#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

#include "eventstore/memory_storage.h"
#include "projections/grants/grants_projection.h"
#include "projections/grants/grants_rows.h"
#include "projections/grants/grants_view.h"
#include "projections/view_rows.h"
#include "records/events/v1/access.pb.h"
#include "records/events/v1/erasure.pb.h"
#include "tests/seed.h"

namespace records::projections {
namespace {

namespace events = records::events::v1;
using eventstore::RootId;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const RootId kAmy({1});
const RootId kBen({2});

eventstore::StoredEvent StaffEvent(const RootId& root, const google::protobuf::Message& message) {
  eventstore::StoredEvent stored;
  stored.event.mutable_stream()->set_organisation("landlord");
  stored.event.mutable_stream()->set_collection("staff");
  stored.event.mutable_stream()->set_root(std::string(root.bytes()));
  stored.event.set_type(message.GetDescriptor()->full_name());
  stored.event.set_facts(message.SerializeAsString());
  return stored;
}

eventstore::StoredEvent Granted(const RootId& root, const std::string& role) {
  events::RoleGranted message;
  message.set_role(role);
  return StaffEvent(root, message);
}

eventstore::StoredEvent Revoked(const RootId& root, const std::string& role) {
  events::RoleRevoked message;
  message.set_role(role);
  return StaffEvent(root, message);
}

class GrantsTest : public testing::Test {
 protected:
  // Folds one event and writes what came of it, as the runner does.
  absl::Status Fold(const eventstore::StoredEvent& event) {
    ViewBatch batch(storage_);
    const absl::Status status = projection_.Apply(event, batch);
    if (!status.ok()) return status;
    batch.Keep();
    eventstore::StorageBatch out;
    batch.MoveKeptInto(out);
    return storage_.Write(out, eventstore::Storage::Durability::kUnsynced);
  }

  absl::flat_hash_set<std::string> RolesOf(const RootId& root) const {
    const auto roles = GrantsView(storage_).RolesOf(root);
    EXPECT_TRUE(roles.ok()) << roles.status();
    return roles.ok() ? *roles : absl::flat_hash_set<std::string>();
  }

  GrantsProjection projection_;
  eventstore::MemoryStorage storage_{StorageTables(GrantsProjection()).size()};
};

// CR-3.1.2a
TEST_F(GrantsTest, AGrantedRoleStandsForThatMemberOfStaffOnly) {
  ASSERT_TRUE(Fold(Granted(kAmy, "contact-officer")).ok());
  EXPECT_THAT(RolesOf(kAmy), UnorderedElementsAre("contact-officer"));
  EXPECT_THAT(RolesOf(kBen), IsEmpty());
}

// CR-3.1.2a
TEST_F(GrantsTest, ARevokedRoleNoLongerStandsAndTheOthersDo) {
  ASSERT_TRUE(Fold(Granted(kAmy, "contact-officer")).ok());
  ASSERT_TRUE(Fold(Granted(kAmy, "auditor")).ok());
  ASSERT_TRUE(Fold(Revoked(kAmy, "contact-officer")).ok());
  EXPECT_THAT(RolesOf(kAmy), UnorderedElementsAre("auditor"));
  ASSERT_TRUE(Fold(Granted(kAmy, "contact-officer")).ok());
  EXPECT_THAT(RolesOf(kAmy), UnorderedElementsAre("auditor", "contact-officer"));
}

// DP-E4
TEST_F(GrantsTest, AFencedMemberOfStaffHasNoRolesAndTheOthersKeepTheirs) {
  ASSERT_TRUE(Fold(Granted(kAmy, "auditor")).ok());
  ASSERT_TRUE(Fold(Granted(kBen, "auditor")).ok());
  ASSERT_TRUE(Fold(StaffEvent(kAmy, events::SubjectFenced())).ok());
  EXPECT_FALSE(storage_.Get(ViewTable(0), kAmy.bytes())->has_value());
  EXPECT_THAT(RolesOf(kBen), UnorderedElementsAre("auditor"));
}

TEST_F(GrantsTest, TheLastRevocationLeavesNoRow) {
  ASSERT_TRUE(Fold(Granted(kAmy, "auditor")).ok());
  ASSERT_TRUE(Fold(Revoked(kAmy, "auditor")).ok());
  EXPECT_THAT(RolesOf(kAmy), IsEmpty());
  EXPECT_EQ(storage_.Get(ViewTable(0), kAmy.bytes())->has_value(), false);
}

TEST_F(GrantsTest, ARevocationBeforeAGrantDoesNotUndoTheGrant) {
  ASSERT_TRUE(Fold(Revoked(kAmy, "auditor")).ok());
  EXPECT_THAT(RolesOf(kAmy), IsEmpty());
  ASSERT_TRUE(Fold(Granted(kAmy, "auditor")).ok());
  EXPECT_THAT(RolesOf(kAmy), UnorderedElementsAre("auditor"));
}

TEST_F(GrantsTest, OneRevocationEndsARoleHoweverOftenItWasGranted) {
  ASSERT_TRUE(Fold(Granted(kAmy, "auditor")).ok());
  ASSERT_TRUE(Fold(Granted(kAmy, "auditor")).ok());
  ASSERT_TRUE(Fold(Revoked(kAmy, "auditor")).ok());
  EXPECT_THAT(RolesOf(kAmy), IsEmpty());
}

TEST_F(GrantsTest, EventsOfOtherTypesChangeNothing) {
  eventstore::StoredEvent contact = Granted(kAmy, "auditor");
  contact.event.set_type("records.events.v1.ContactRecorded");
  EXPECT_TRUE(Fold(contact).ok());
  contact.event.set_type("records.events.v1.Restricted");
  contact.event.set_facts("\xFF not a message");
  EXPECT_TRUE(Fold(contact).ok());
  contact.event.set_type("");
  EXPECT_TRUE(Fold(contact).ok());
  EXPECT_THAT(RolesOf(kAmy), IsEmpty());
}

TEST_F(GrantsTest, RandomGrantsAndRevocationsLeaveTheRolesThatWereLastGranted) {
  std::mt19937_64 generator(SeedOfRun());
  const std::vector<std::string> names = {"a", "b", "c", "d-e"};
  std::map<RootId, std::map<std::string, bool>> last;
  for (int i = 0; i < 500; ++i) {
    const RootId& root = generator() % 2 == 0 ? kAmy : kBen;
    const std::string& role = names[generator() % names.size()];
    last[root][role] = generator() % 2 == 0;
    ASSERT_TRUE(Fold(last[root][role] ? Granted(root, role) : Revoked(root, role)).ok());
    for (const RootId& staff : {kAmy, kBen}) {
      absl::flat_hash_set<std::string> expected;
      for (const auto& [name, stands] : last[staff]) {
        if (stands) expected.insert(name);
      }
      ASSERT_EQ(RolesOf(staff), expected);
    }
  }
}

TEST_F(GrantsTest, AnEventThatCannotBeUnderstoodIsRefusedSoThatItsRootIsParked) {
  eventstore::StoredEvent damaged = Granted(kAmy, "auditor");
  damaged.event.set_facts("\xFF\xFF");
  EXPECT_EQ(Fold(damaged).code(), absl::StatusCode::kDataLoss);
  for (const std::string& role :
       {std::string(), std::string("a\nb"), std::string("Auditor"), std::string(33, 'a')}) {
    EXPECT_EQ(Fold(Granted(kAmy, role)).code(), absl::StatusCode::kInvalidArgument) << role;
  }
  eventstore::StoredEvent customer = Revoked(kAmy, "auditor");
  customer.event.mutable_stream()->set_collection("customers");
  EXPECT_EQ(Fold(customer).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(RolesOf(kAmy), IsEmpty());
}

TEST_F(GrantsTest, AParkedMemberOfStaffHasNoAnswer) {
  ASSERT_TRUE(Fold(Granted(kAmy, "auditor")).ok());
  eventstore::StorageBatch batch;
  batch.Put(kRunnerTable, ParkedKey(kAmy), EncodeParked({.partition = 1, .sequence = 7}));
  ASSERT_TRUE(storage_.Write(batch, eventstore::Storage::Durability::kUnsynced).ok());
  EXPECT_EQ(GrantsView(storage_).RolesOf(kAmy).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(RolesOf(kBen), IsEmpty());
}

TEST_F(GrantsTest, ADamagedRowIsNamedAndGivesNoRole) {
  for (const char* row : {"auditor", "b\na\n", "a\na\n", "\na\n", "A\n", "a\n\n"}) {
    EXPECT_EQ(DecodeRoles(row).status().code(), absl::StatusCode::kDataLoss) << row;
    eventstore::StorageBatch batch;
    batch.Put(ViewTable(0), std::string(kAmy.bytes()), row);
    ASSERT_TRUE(storage_.Write(batch, eventstore::Storage::Durability::kUnsynced).ok());
    EXPECT_EQ(GrantsView(storage_).RolesOf(kAmy).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(Fold(Granted(kAmy, "auditor")).code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace records::projections
