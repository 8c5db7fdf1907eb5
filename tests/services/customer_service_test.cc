// Customers through the server: who they are, their household, needs and authorities.

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/service_fixture.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
namespace api = records::api::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NewRequestId;
using testing::Shown;
using testing::Who;

class CustomerServiceTest : public testing::ServiceTest {
 protected:
  CustomerServiceTest() { server_.Register(amy_, "R1"); }

  template <typename Response, typename Request>
  testing::Answer<Response> Command(const std::string& method, Request request) {
    if (request.request_id().empty()) request.set_request_id(NewRequestId());
    return server_.Send<Response>(amy_, "CustomerService/" + method, request);
  }
  api::TimelineHeader Header(const Who& who, const std::string& reference = "R1") {
    const auto timeline = server_.Timeline(who, reference);
    EXPECT_TRUE(timeline.ok()) << timeline.status;
    return timeline.reply.header();
  }
};

// CR-1.5.1
TEST_F(CustomerServiceTest, AReferenceIsRegisteredOnceAndARetryGetsTheFirstReply) {
  api::RegisterCustomerRequest request;
  request.set_request_id(NewRequestId());
  *request.mutable_person() = testing::GoodPerson("R2", "Sam Poe");
  *request.mutable_tenancy() = testing::GoodTenancy("T-2");
  const auto send = [&] {
    return server_.Send<api::RegisterCustomerResponse>(amy_, "CustomerService/RegisterCustomer",
                                                       request);
  };
  const auto first = send();
  ASSERT_TRUE(first.ok()) << first.status;
  const auto again = send();
  EXPECT_EQ(again.reply.SerializeAsString(), first.reply.SerializeAsString());
  request.mutable_person()->set_name("Somebody Else");
  EXPECT_EQ(send().reason(), "REQUEST_ID_REUSED");
  request.set_request_id(NewRequestId());
  EXPECT_EQ(send().reason(), "CUSTOMER_EXISTS");
  EXPECT_EQ(Header(amy_, "R2").person().name(), "Sam Poe");
}

// CR-1.5.1
TEST_F(CustomerServiceTest, WithoutTenureAndContractThereIsNoCustomer) {
  api::RegisterCustomerRequest request;
  request.set_request_id(NewRequestId());
  *request.mutable_person() = testing::GoodPerson("R9");
  const auto refused = Command<api::RegisterCustomerResponse>("RegisterCustomer", request);
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(refused.status).fields.size(), 2u);
  EXPECT_EQ(server_.Timeline(amy_, "R9").status.code(), absl::StatusCode::kPermissionDenied);
}

// CR-2.4c
TEST_F(CustomerServiceTest, ACorrectionIsANewEventAndShownAtOnce) {
  const auto root = server_.Customer("R1").root;
  const auto before = server_.BytesUnder(root);
  api::CorrectCustomerDetailsRequest request;
  request.set_customer("R1");
  *request.mutable_person() = testing::GoodPerson("", "Pat Smith");
  request.set_reason("married");
  const auto corrected =
      Command<api::CorrectCustomerDetailsResponse>("CorrectCustomerDetails", request);
  ASSERT_TRUE(corrected.ok()) << corrected.status;
  const auto timeline = server_.Timeline(amy_, "R1", corrected.reply.token());
  ASSERT_TRUE(timeline.ok()) << timeline.status;
  EXPECT_EQ(timeline.reply.header().person().name(), "Pat Smith");
  EXPECT_EQ(timeline.reply.header().tenancy().contract_reference(), "T-1");
  EXPECT_FALSE(absl::StrContains(timeline.reply.DebugString(), "Pat Doe")) << "C55";
  const auto after = server_.BytesUnder(root);
  ASSERT_EQ(after.size(), before.size() + 1);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin())) << "nothing was changed";
}

// CR-2.4a
TEST_F(CustomerServiceTest, NeedsSafetyAndAuthoritiesAreInTheHeaderAtFirstRead) {
  api::SetCommunicationNeedsRequest needs;
  needs.set_customer("R1");
  needs.mutable_needs()->set_format(ev::COMMUNICATION_FORMAT_LARGE_PRINT);
  needs.mutable_needs()->set_interpreter_needed(true);
  needs.mutable_needs()->set_language("so");
  needs.mutable_needs()->add_access_needs("extra time to reach the door");
  ASSERT_TRUE(Command<api::SetCommunicationNeedsResponse>("SetCommunicationNeeds", needs).ok());
  api::SetContactSafetyRequest safety;
  safety.set_customer("R1");
  safety.mutable_safety()->set_safe_to_call(true);
  safety.mutable_safety()->set_note("never after 18:00");
  ASSERT_TRUE(Command<api::SetContactSafetyResponse>("SetContactSafety", safety).ok());
  api::SetConfidentialAddressRequest address;
  address.set_customer("R1");
  address.set_address("c/o the refuge");
  ASSERT_TRUE(Command<api::SetConfidentialAddressResponse>("SetConfidentialAddress", address).ok());

  const auto header = Header(amy_);
  EXPECT_EQ(header.needs().SerializeAsString(), needs.needs().SerializeAsString());
  EXPECT_EQ(header.safety().SerializeAsString(), safety.safety().SerializeAsString());
  EXPECT_EQ(header.confidential_address(), "c/o the refuge");
  // The repairs system sees how to knock and not where else the customer lives.
  const auto repairs = Header(server_.Officer("repairs", {"repairs-system"}));
  EXPECT_EQ(repairs.needs().access_needs(0), "extra time to reach the door");
  EXPECT_EQ(repairs.safety().note(), "never after 18:00");
  EXPECT_EQ(repairs.confidential_address(), "");
  EXPECT_FALSE(repairs.has_person());

  address.clear_address();
  ASSERT_TRUE(Command<api::SetConfidentialAddressResponse>("SetConfidentialAddress", address).ok());
  EXPECT_EQ(Header(amy_).confidential_address(), "") << "ended";
}

class AuthorityTest : public CustomerServiceTest {
 protected:
  // Records an authority that ends in `lifetime`; returns the third party.
  std::string Authorise(absl::Duration lifetime) {
    api::RecordThirdPartyAuthorityRequest request;
    request.set_customer("R1");
    request.set_name("Alex Advocate");
    request.mutable_authority()->add_scope("rent account");
    request.mutable_authority()->set_expires_at_us(
        absl::ToUnixMicros(server_.clock.Now() + lifetime));
    request.mutable_authority()->set_evidence("letter of 1 March");
    const auto answer =
        Command<api::RecordThirdPartyAuthorityResponse>("RecordThirdPartyAuthority", request);
    EXPECT_TRUE(answer.ok()) << answer.status;
    return answer.reply.third_party();
  }
  // Records that something was disclosed to them.
  testing::Answer<api::RecordContactResponse> Disclose(const std::string& third_party,
                                                       absl::Duration ago = absl::ZeroDuration(),
                                                       const std::string& customer = "R1") {
    auto request = testing::GoodRecordContact();
    request.set_request_id(NewRequestId());
    request.set_customer(customer);
    request.set_occurred_at_us(absl::ToUnixMicros(server_.clock.Now() - ago));
    request.mutable_contact()->set_channel(ev::CHANNEL_THIRD_PARTY);
    request.mutable_contact()->set_third_party(third_party);
    auto& identity = *request.mutable_contact()->mutable_identity_check();
    identity.set_method(ev::IDENTITY_CHECK_METHOD_SECURITY_QUESTIONS);
    identity.set_passed(true);
    identity.set_disclosed(true);
    return server_.Send<api::RecordContactResponse>(amy_, "ContactService/RecordContact", request);
  }
};

// CR-CHANNEL-THIRD-PARTY, CR-2.4a
TEST_F(AuthorityTest, AnAuthorityCountsUntilTheInstantItEndsAndForItsCustomerOnly) {
  const std::string advocate = Authorise(absl::Minutes(30));
  ASSERT_EQ(advocate.size(), 16u);
  EXPECT_TRUE(Disclose(advocate).ok());
  EXPECT_EQ(Header(amy_).authorities_size(), 1);
  EXPECT_EQ(Header(amy_).authorities(0).name(), "Alex Advocate");
  server_.Register(amy_, "R2", "Sam Poe", "T-2");
  EXPECT_EQ(Disclose(advocate, absl::ZeroDuration(), "R2").reason(), "AUTHORITY_NOT_IN_FORCE");
  EXPECT_EQ(Disclose(std::string(16, 'x')).reason(), "AUTHORITY_NOT_IN_FORCE");

  server_.clock.Advance(absl::Minutes(30) - absl::Microseconds(1));
  EXPECT_TRUE(Disclose(advocate).ok());
  server_.clock.Advance(absl::Microseconds(1));
  EXPECT_EQ(Disclose(advocate).reason(), "AUTHORITY_NOT_IN_FORCE");
  EXPECT_EQ(Header(amy_).authorities_size(), 0) << "judged by the clock at the read";
  EXPECT_TRUE(Disclose(advocate, absl::Minutes(5)).ok()) << "it stood when they spoke";
}

// DP-A4
TEST_F(CustomerServiceTest, AMemberOfTheHouseholdIsShownWithoutATimelineOfTheirOwn) {
  api::AddHouseholdMemberRequest request;
  request.set_customer("R1");
  request.set_name("Kim Doe");
  request.set_relation("child");
  request.set_request_id(NewRequestId());
  const auto first = Command<api::AddHouseholdMemberResponse>("AddHouseholdMember", request);
  ASSERT_TRUE(first.ok()) << first.status;
  const auto again = Command<api::AddHouseholdMemberResponse>("AddHouseholdMember", request);
  EXPECT_EQ(again.reply.SerializeAsString(), first.reply.SerializeAsString());
  const auto timeline = server_.Timeline(amy_, "R1");
  EXPECT_THAT(Shown(timeline.reply),
              ElementsAre("ENTRY_KIND_HOUSEHOLD", "ENTRY_KIND_REGISTRATION"));
  EXPECT_EQ(timeline.reply.entries(0).household().name(), "Kim Doe");
  EXPECT_EQ(server_.Timeline(amy_, "Kim Doe").status.code(), absl::StatusCode::kPermissionDenied);
}

class JointTenantsTest : public CustomerServiceTest {
 protected:
  testing::Answer<api::ListJointTenantsResponse> List(const std::string& reference) {
    api::ListJointTenantsRequest request;
    request.set_customer(reference);
    return server_.Send<api::ListJointTenantsResponse>(amy_, "CustomerService/ListJointTenants",
                                                       request);
  }
};

TEST_F(JointTenantsTest, TheySeeReferenceAndNameAndNeverTheConfidentialAddress) {
  server_.Register(amy_, "R2", "Kim Doe", "T-1");
  server_.Register(amy_, "R3", "Sam Poe", "T-3");
  api::SetConfidentialAddressRequest address;
  address.set_customer("R2");
  address.set_address("c/o the refuge");
  ASSERT_TRUE(Command<api::SetConfidentialAddressResponse>("SetConfidentialAddress", address).ok());

  const auto tenants = List("R1");
  ASSERT_TRUE(tenants.ok()) << tenants.status;
  ASSERT_EQ(tenants.reply.joint_tenants_size(), 1);
  EXPECT_EQ(tenants.reply.joint_tenants(0).reference(), "R2");
  EXPECT_EQ(tenants.reply.joint_tenants(0).name(), "Kim Doe");
  EXPECT_FALSE(absl::StrContains(tenants.reply.SerializeAsString(), "refuge"));
  EXPECT_FALSE(absl::StrContains(server_.Timeline(amy_, "R1").reply.SerializeAsString(), "refuge"));
  // Who was named was read.
  EXPECT_EQ(server_.TracesOf(server_.Customer("R2").root).size(), 1u);
  EXPECT_THAT(server_.TracesOf(server_.Customer("R3").root), IsEmpty());
  EXPECT_THAT(List("R3").reply.joint_tenants(), IsEmpty());
}

// CR-2.4c
TEST_F(JointTenantsTest, WhoMovedToAnotherContractIsNoLongerNamed) {
  server_.Register(amy_, "R2", "Kim Doe", "T-1");
  server_.Register(amy_, "R3", "Sam Poe", "T-3");
  api::CorrectCustomerDetailsRequest moved;
  moved.set_customer("R2");
  *moved.mutable_tenancy() = testing::GoodTenancy("T-3");
  moved.set_reason("moved");
  ASSERT_TRUE(Command<api::CorrectCustomerDetailsResponse>("CorrectCustomerDetails", moved).ok());
  EXPECT_THAT(List("R1").reply.joint_tenants(), IsEmpty());
  ASSERT_EQ(List("R3").reply.joint_tenants_size(), 1);
  EXPECT_EQ(List("R3").reply.joint_tenants(0).reference(), "R2");
}

}  // namespace
}  // namespace records::services
