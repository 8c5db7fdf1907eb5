// What a refusal tells: nothing about anybody else (CR-3.1.2a).

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/generic_server.h"
#include "tests/services/service_fixture.h"
#include "tests/services/token_factory.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using testing::BytesOf;
using testing::Metadata;
using testing::Who;

class RefusalsTest : public testing::ServiceTest {
 protected:
  RefusalsTest() { server_.Register(amy_, "R1"); }

  std::string TimelineRefusal(const Who& who, const std::string& reference) {
    const auto answer = server_.Timeline(who, reference);
    EXPECT_FALSE(answer.ok());
    return BytesOf(answer.raw);
  }

  // All methods of all services, as "/package.Service/Method".
  static std::vector<std::string> AllMethods() {
    std::vector<std::string> methods;
    for (const auto* file : ApiFiles()) {
      for (int s = 0; s < file->service_count(); ++s) {
        for (int m = 0; m < file->service(s)->method_count(); ++m) {
          methods.push_back(absl::StrCat("/", file->service(s)->full_name(), "/",
                                         file->service(s)->method(m)->name()));
        }
      }
    }
    return methods;
  }

  static Metadata MetadataOf(const Who& who) {
    Metadata metadata = {{"purpose", who.purpose}};
    if (!who.token.empty()) metadata.insert({"authorization", "Bearer " + who.token});
    return metadata;
  }

  std::string ReasonFor(const std::string& token) {
    const auto reply = testing::Call(
        server_.Channel(), "/records.api.v1.TimelineService/GetTimeline", MetadataOf({token}));
    EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
    return ReasonOf(FromGrpcStatus(reply.status));
  }
};

// CR-3.1.2a
TEST_F(RefusalsTest, AbsentForbiddenAndRevokedAreTheSameBytes) {
  const std::string absent = TimelineRefusal(amy_, "R-nobody");
  const Who analyst = server_.Officer("ann", {"analyst"}, "equality-statistics");
  const Who stranger{server_.Token("stranger", {"contact-officer"})};
  Who wrong_purpose = amy_;
  wrong_purpose.purpose = "audit";
  Who no_purpose_of_ours = amy_;
  no_purpose_of_ours.purpose = "curiosity";
  const std::vector<std::pair<std::string, std::string>> refusals = {
      {"analyst, customer there", TimelineRefusal(analyst, "R1")},
      {"analyst, customer absent", TimelineRefusal(analyst, "R-nobody")},
      {"wrong purpose", TimelineRefusal(wrong_purpose, "R1")},
      {"unknown purpose", TimelineRefusal(no_purpose_of_ours, "R1")},
      {"role never granted", TimelineRefusal(stranger, "R1")},
      {"role not offered", TimelineRefusal({server_.Token("amy", {"auditor"})}, "R1")},
      {"no reference", TimelineRefusal(amy_, "")},
      {"an over-long reference", TimelineRefusal(amy_, std::string(300, 'x'))},
  };
  for (const auto& [what, bytes] : refusals) EXPECT_EQ(bytes, absent) << what;

  const Who root = server_.Officer("root", {"system-administrator"}, "system-operation");
  api::RevokeRoleRequest revoke;
  revoke.set_request_id(testing::NewRequestId());
  revoke.set_subject("amy");
  revoke.set_role("contact-officer");
  ASSERT_TRUE(server_.Send<api::RevokeRoleResponse>(root, "AccessService/RevokeRole", revoke).ok());
  EXPECT_EQ(TimelineRefusal(amy_, "R1"), absent) << "revoked";
}

// CR-3.1.2a
TEST_F(RefusalsTest, EveryCommandAndQueryRefusesAnAbsentCustomerAsAForbiddenOne) {
  const Who analyst = server_.Officer("ann", {"analyst"}, "equality-statistics");
  const std::string expected = TimelineRefusal(analyst, "R1");
  const auto refused = [&](const std::string& method, auto request) {
    request.set_customer("R-nobody");
    const auto answer = server_.Send<api::RecordContactResponse>(amy_, method, request);
    EXPECT_EQ(BytesOf(answer.raw), expected) << method << answer.status;
  };
  const auto with_id = [](auto request) {
    request.set_request_id(testing::NewRequestId());
    return request;
  };
  refused("ContactService/RecordContact", with_id(testing::GoodRecordContact()));
  refused("ContactService/SplitMessage", with_id(testing::GoodSplit()));
  refused("ContactService/CorrectContact", with_id(api::CorrectContactRequest()));
  refused("ContactService/IndexDocument", with_id(api::IndexDocumentRequest()));
  refused("CustomerService/CorrectCustomerDetails", with_id(api::CorrectCustomerDetailsRequest()));
  refused("CustomerService/AddHouseholdMember", with_id(api::AddHouseholdMemberRequest()));
  refused("CustomerService/SetCommunicationNeeds", with_id(api::SetCommunicationNeedsRequest()));
  refused("CustomerService/SetContactSafety", with_id(api::SetContactSafetyRequest()));
  refused("CustomerService/SetConfidentialAddress", with_id(api::SetConfidentialAddressRequest()));
  refused("CustomerService/RecordThirdPartyAuthority",
          with_id(api::RecordThirdPartyAuthorityRequest()));
  refused("CustomerService/ListJointTenants", api::ListJointTenantsRequest());
  refused("TimelineService/FollowTimeline", api::FollowTimelineRequest());
  // The auditor reads traces: of a customer who is not there none.
  const Who auditor = server_.Officer("olive", {"auditor"}, "audit");
  api::ListAccessRequest list;
  list.set_customer("R-nobody");
  EXPECT_EQ(
      BytesOf(server_.Send<api::ListAccessResponse>(auditor, "AccessService/ListAccess", list).raw),
      expected);
}

// CR-3.1.2a
TEST_F(RefusalsTest, NoMethodAnswersWhoHasNoRoleForItOrNoToken) {
  const Who analyst = server_.Officer("ann", {"analyst"}, "service-delivery");
  std::set<std::string> refusals;
  const auto methods = AllMethods();
  EXPECT_GE(methods.size(), 20u);
  // What only services may call is refused at the port, which cannot send details, before anybody's
  // record is asked for.
  const auto services = server_.methods.ServicePaths();
  for (const std::string& method : methods) {
    const auto denied = testing::Call(server_.Channel(), method, MetadataOf(analyst));
    EXPECT_EQ(denied.status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << method;
    if (!services.contains(method)) refusals.insert(BytesOf(denied.status));
    const auto nobody = testing::Call(server_.Channel(), method, {{"purpose", "service-delivery"}});
    EXPECT_EQ(nobody.status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << method;
    EXPECT_EQ(ReasonOf(FromGrpcStatus(nobody.status)), "TOKEN_MISSING") << method;
  }
  EXPECT_EQ(refusals.size(), 1u) << "one refusal for all";
  // Each of the others left its trace, and nobody's left none.
  const size_t traced = methods.size() - services.size();
  EXPECT_EQ(server_.TracesOf(server_.StaffOf("ann").root).size(), traced);
  EXPECT_EQ(server_.AllEvents(eventstore::Ledger::kAccess).size(), traced);
}

TEST_F(RefusalsTest, UnauthenticatedSaysWhatIsWrongWithTheToken) {
  const absl::Time now = server_.clock.Now();
  EXPECT_EQ(ReasonFor(""), "TOKEN_MISSING");
  EXPECT_EQ(ReasonFor("not a token"), "TOKEN_MALFORMED");
  const testing::TestKey key = testing::TestKey::Es256("unknown-key");
  auto claims = testing::GoodClaims(kDevelopmentIssuerName, now);
  EXPECT_EQ(ReasonFor(key.Sign(claims)), "TOKEN_KEY_UNKNOWN");
  EXPECT_EQ(ReasonFor(testing::Compact(R"({"alg":"none","typ":"JWT"})", claims.dump(), "")),
            "TOKEN_ALGORITHM_REFUSED");
  EXPECT_EQ(ReasonFor(key.Sign(testing::GoodClaims("https://elsewhere.example", now))),
            "TOKEN_ISSUER_UNKNOWN");
  // The same key, asked for another audience.
  TokenVerifierOptions other{.issuers = {server_.issuer->AsTokenIssuer()}, .audience = "payroll"};
  EXPECT_EQ(ReasonOf((*TokenVerifier::Create(other, server_.clock))->Verify(amy_.token).status()),
            "TOKEN_AUDIENCE_WRONG");
  const std::string token = server_.Token("amy", {"contact-officer"}, absl::Minutes(5));
  server_.clock.Advance(absl::Minutes(6));
  EXPECT_EQ(ReasonFor(token), "TOKEN_EXPIRED");
}

TEST_F(RefusalsTest, ACallThatDoesNotSayWhatItIsForIsRefused) {
  EXPECT_EQ(server_.Timeline({amy_.token, ""}, "R1").reason(), "PURPOSE_MISSING");
  EXPECT_EQ(server_.Timeline({amy_.token, "Service Delivery"}, "R1").reason(), "PURPOSE_INVALID");
}

}  // namespace
}  // namespace records::services
