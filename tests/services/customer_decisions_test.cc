#include "services/customer/customer_decisions.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "records/events/v1/contact.pb.h"
#include "services/errors/errors.h"
#include "tests/services/contact_examples.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
using eventstore::Expectation;
using ::testing::ElementsAre;
using testing::GoodPerson;
using testing::GoodTenancy;

const absl::Time kNow = absl::FromCivil(absl::CivilDay(2026, 11, 22), absl::UTCTimeZone());

CustomerTarget Customer() {
  return {{*eventstore::SubjectId::FromBytes(std::string(16, 's')),
           *eventstore::RootId::FromBytes(std::string(16, 'r'))},
          "landlord"};
}

std::vector<std::string> FieldsOf(const absl::Status& status) {
  std::vector<std::string> fields;
  for (const auto& field : DetailsOf(status).fields) fields.push_back(field.field);
  return fields;
}

template <typename Event>
const Event& Only(const Step& step) {
  EXPECT_EQ(step.facts.size(), 1u);
  return dynamic_cast<const Event&>(*step.facts.at(0).message);
}

void SetDate(ev::Date* date, int year, int month, int day) {
  date->set_year(year);
  date->set_month(month);
  date->set_day(day);
}

// CR-1.5.1
TEST(CustomerDecisionsTest, ACustomerHasAContractOfOneOfThreeTenures) {
  for (int tenure = -1; tenure <= ev::Tenure_MAX + 1; ++tenure) {
    auto tenancy = GoodTenancy();
    tenancy.set_tenure(static_cast<ev::Tenure>(tenure));
    const bool of_three = tenure >= ev::TENURE_RENT && tenure <= ev::TENURE_OUTRIGHT_SALE;
    const absl::Status status = CheckRegistration(GoodPerson("R1"), tenancy, kNow);
    EXPECT_EQ(status.ok(), of_three) << tenure;
    if (of_three) continue;
    EXPECT_THAT(FieldsOf(status), ElementsAre("tenancy.tenure"));
  }
  auto tenancy = GoodTenancy("");
  EXPECT_THAT(FieldsOf(CheckRegistration(GoodPerson("R1"), tenancy, kNow)),
              ElementsAre("tenancy.contract_reference"));
}

// CR-1.5.1, CR-3.4.1b
TEST(CustomerDecisionsTest, ARegistrationWithoutAnythingNamesAllThatIsMissing) {
  EXPECT_THAT(FieldsOf(CheckRegistration({}, {}, kNow)),
              ElementsAre("person.reference", "person.name", "person.date_of_birth",
                          "tenancy.tenure", "tenancy.contract_reference"));
}

TEST(CustomerDecisionsTest, NobodyIsBornInTheFuture) {
  auto person = GoodPerson("R1");
  SetDate(person.mutable_date_of_birth(), 2026, 11, 22);
  EXPECT_TRUE(CheckRegistration(person, GoodTenancy(), kNow).ok());
  SetDate(person.mutable_date_of_birth(), 2026, 11, 23);
  EXPECT_THAT(FieldsOf(CheckRegistration(person, GoodTenancy(), kNow)),
              ElementsAre("person.date_of_birth"));
}

TEST(CustomerDecisionsTest, EachLimitHoldsAtTheLimitAndNotOneBeyond) {
  const struct {
    const char* field;
    size_t limit;
    std::function<void(ev::PersonDetails&, ev::TenancyDetails&, std::string)> set;
  } kLimits[] = {
      {"person.reference", 64, [](auto& p, auto&, auto text) { p.set_reference(text); }},
      {"person.name", 200, [](auto& p, auto&, auto text) { p.set_name(text); }},
      {"tenancy.contract_reference", 64,
       [](auto&, auto& t, auto text) { t.set_contract_reference(text); }},
      {"tenancy.property_reference", 64,
       [](auto&, auto& t, auto text) { t.set_property_reference(text); }},
      {"tenancy.property_address", 300,
       [](auto&, auto& t, auto text) { t.set_property_address(text); }},
  };
  for (const auto& limit : kLimits) {
    const auto check = [&limit](size_t length) {
      auto person = GoodPerson("R1");
      auto tenancy = GoodTenancy();
      limit.set(person, tenancy, std::string(length, 'x'));
      return FieldsOf(CheckRegistration(person, tenancy, kNow));
    };
    EXPECT_THAT(check(limit.limit - 1), ElementsAre());
    EXPECT_THAT(check(limit.limit), ElementsAre());
    EXPECT_THAT(check(limit.limit + 1), ElementsAre(limit.field));
  }
}

// CR-1.5.1
TEST(CustomerDecisionsTest, ARegistrationIsTheFirstEventOfItsStream) {
  const Step step = DecideRegistration(Customer(), GoodPerson("R1"), GoodTenancy(), true, kNow);
  const auto& registered = Only<ev::CustomerRegistered>(step);
  EXPECT_EQ(registered.person().name(), "Pat Doe");
  EXPECT_EQ(registered.tenancy().contract_reference(), "T-1");
  EXPECT_TRUE(registered.synthetic());
  ASSERT_EQ(step.expectations.size(), 1u);
  EXPECT_EQ(step.expectations[0].kind, Expectation::Kind::kNoStream);
  EXPECT_EQ(step.expectations[0].stream.root, Customer().entry.root);
  EXPECT_EQ(step.digest_subject, Customer().entry.subject);
}

TEST(CustomerDecisionsTest, APlaceInATenancyStandsUnderTheTenancyAndEndsWithTheCustomersKey) {
  const auto tenancy = *eventstore::RootId::FromBytes(std::string(16, 't'));
  const Step step = DecideTenancyJoined(Customer(), tenancy, kNow);
  EXPECT_EQ(Only<ev::TenancyJoined>(step).customer(), Customer().entry.root.bytes());
  EXPECT_EQ(step.facts[0].stream.root, tenancy);
  EXPECT_EQ(step.facts[0].subject, Customer().entry.subject);
  EXPECT_TRUE(step.expectations.empty());
}

// CR-2.4c
TEST(CustomerDecisionsTest, ACorrectionHoldsTheWholeNewValueAndTheReason) {
  api::v1::CorrectCustomerDetailsRequest request;
  request.set_customer("R1");
  *request.mutable_person() = GoodPerson("", "Pat Smith");
  request.set_reason("married");
  const auto step = DecideCorrection(Customer(), request, kNow);
  ASSERT_TRUE(step.ok()) << step.status();
  const auto& corrected = Only<ev::CustomerDetailsCorrected>(*step);
  EXPECT_EQ(corrected.person().name(), "Pat Smith");
  EXPECT_EQ(corrected.person().reference(), "R1");
  EXPECT_FALSE(corrected.has_tenancy());
  EXPECT_EQ(corrected.reason(), "married");
  EXPECT_EQ(step->expectations.at(0).kind, Expectation::Kind::kStreamExists);
}

// CR-2.4c
TEST(CustomerDecisionsTest, ACorrectionOfNothingOrOfTheReferenceIsRefused) {
  api::v1::CorrectCustomerDetailsRequest nothing;
  nothing.set_customer("R1");
  EXPECT_THAT(FieldsOf(DecideCorrection(Customer(), nothing, kNow).status()),
              ElementsAre("person", "reason"));
  api::v1::CorrectCustomerDetailsRequest renamed;
  renamed.set_customer("R1");
  renamed.set_reason("mistyped");
  *renamed.mutable_person() = GoodPerson("R2");
  EXPECT_THAT(FieldsOf(DecideCorrection(Customer(), renamed, kNow).status()),
              ElementsAre("person.reference"));
  renamed.mutable_person()->set_reference("R1");
  EXPECT_TRUE(DecideCorrection(Customer(), renamed, kNow).ok());
}

// CR-2.4a
TEST(CustomerDecisionsTest, NeedsAreSetAsAWholeAndEmptyOnesSayThatThereAreNone) {
  api::v1::SetCommunicationNeedsRequest request;
  EXPECT_THAT(FieldsOf(DecideNeeds(Customer(), request, kNow).status()), ElementsAre("needs"));
  request.mutable_needs();
  EXPECT_TRUE(DecideNeeds(Customer(), request, kNow).ok());
  request.mutable_needs()->set_interpreter_needed(true);
  EXPECT_THAT(FieldsOf(DecideNeeds(Customer(), request, kNow).status()),
              ElementsAre("needs.language"));
  request.mutable_needs()->set_language("so");
  const auto step = DecideNeeds(Customer(), request, kNow);
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(Only<ev::CommunicationNeedsSet>(*step).needs().language(), "so");
}

TEST(CustomerDecisionsTest, NeedsOfNoListAndOverTheLimitAreRefused) {
  api::v1::SetCommunicationNeedsRequest request;
  request.mutable_needs()->set_preferred_channel(static_cast<ev::Channel>(99));
  request.mutable_needs()->set_format(static_cast<ev::CommunicationFormat>(99));
  request.mutable_needs()->set_language(std::string(36, 'l'));
  for (int i = 0; i < 21; ++i) request.mutable_needs()->add_access_needs("ramp");
  EXPECT_THAT(FieldsOf(DecideNeeds(Customer(), request, kNow).status()),
              ElementsAre("needs.preferred_channel", "needs.format", "needs.language",
                          "needs.access_needs"));
}

TEST(CustomerDecisionsTest, SafetyAndConfidentialAddressStandWithTheNeeds) {
  api::v1::SetContactSafetyRequest safety;
  EXPECT_THAT(FieldsOf(DecideSafety(Customer(), safety, kNow).status()), ElementsAre("safety"));
  safety.mutable_safety()->set_safe_to_write(true);
  const auto set = DecideSafety(Customer(), safety, kNow);
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->facts[0].stream.sub_stream, kSealedSubStream);
  EXPECT_TRUE(Only<ev::ContactSafetySet>(*set).safety().safe_to_write());

  api::v1::SetConfidentialAddressRequest address;
  address.set_address(std::string(300, 'a'));
  EXPECT_TRUE(DecideConfidentialAddress(Customer(), address, kNow).ok());
  address.set_address(std::string(301, 'a'));
  EXPECT_FALSE(DecideConfidentialAddress(Customer(), address, kNow).ok());
  address.clear_address();
  EXPECT_TRUE(DecideConfidentialAddress(Customer(), address, kNow).ok()) << "empty ends it";
}

// DP-A4
TEST(CustomerDecisionsTest, AMemberOfTheHouseholdIsASubjectWithoutAStreamOfTheirOwn) {
  const auto member = *eventstore::SubjectId::FromBytes(std::string(16, 'm'));
  api::v1::AddHouseholdMemberRequest request;
  request.set_name("Kim Doe");
  request.set_relation("child");
  const auto step = DecideHouseholdMember(Customer(), request, member, kNow);
  ASSERT_TRUE(step.ok());
  const auto& added = Only<ev::HouseholdMemberAdded>(*step);
  EXPECT_EQ(added.member(), member.bytes());
  EXPECT_FALSE(added.has_date_of_birth());
  EXPECT_EQ(step->facts[0].stream.root, Customer().entry.root);
  EXPECT_EQ(step->facts[0].subject, Customer().entry.subject);
  request.clear_name();
  EXPECT_THAT(FieldsOf(DecideHouseholdMember(Customer(), request, member, kNow).status()),
              ElementsAre("name"));
}

api::v1::RecordThirdPartyAuthorityRequest Authority(absl::Time expires_at) {
  api::v1::RecordThirdPartyAuthorityRequest request;
  request.set_name("Alex Advocate");
  request.mutable_authority()->add_scope("rent account");
  request.mutable_authority()->set_expires_at_us(absl::ToUnixMicros(expires_at));
  request.mutable_authority()->set_evidence("letter of 1 March");
  return request;
}

TEST(CustomerDecisionsTest, AnAuthorityHasAScopeEvidenceAndAnEndInTheFuture) {
  const auto third_party = *eventstore::SubjectId::FromBytes(std::string(16, 'a'));
  const auto decide = [&](const auto& request) {
    return DecideAuthority(Customer(), request, third_party, kNow);
  };
  const auto good = decide(Authority(kNow + absl::Microseconds(1)));
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(Only<ev::ThirdPartyAuthorityRecorded>(*good).third_party(), third_party.bytes());
  EXPECT_EQ(Only<ev::ThirdPartyAuthorityRecorded>(*good).name(), "Alex Advocate");
  EXPECT_THAT(FieldsOf(decide(Authority(kNow)).status()), ElementsAre("authority.expires_at_us"));
  auto empty = Authority(kNow + absl::Hours(1));
  empty.clear_name();
  empty.mutable_authority()->clear_scope();
  empty.mutable_authority()->clear_evidence();
  EXPECT_THAT(FieldsOf(decide(empty).status()),
              ElementsAre("name", "authority.scope", "authority.evidence"));
}

// CR-2.4c
TEST(CustomerDetailsTest, TheLatestValueOfEachPartStands) {
  CustomerDetails details;
  EXPECT_EQ(details.revisions, 0u);
  ev::CustomerRegistered registered;
  *registered.mutable_person() = GoodPerson("R1");
  *registered.mutable_tenancy() = GoodTenancy("T-1");
  details = Evolve(details, registered);
  ev::CustomerDetailsCorrected moved;
  *moved.mutable_tenancy() = GoodTenancy("T-2");
  details = Evolve(details, moved);
  EXPECT_EQ(details.person.name(), "Pat Doe");
  EXPECT_EQ(details.tenancy.contract_reference(), "T-2");
  details = Evolve(details, ev::ContactRecorded());
  EXPECT_EQ(details.revisions, 2u);
}

}  // namespace
}  // namespace records::services
