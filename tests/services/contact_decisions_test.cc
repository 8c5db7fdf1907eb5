#include "services/contact/contact_decisions.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/errors/errors.h"
#include "services/runtime/tracer.h"
#include "tests/services/contact_examples.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
using eventstore::Expectation;
using ::testing::ElementsAre;
using testing::GoodRecordContact;

const absl::Time kNow = absl::FromUnixSeconds(1'794'000'000);  // 2026-11

template <typename Id>
Id IdOf(char letter) {
  return *Id::FromBytes(std::string(16, letter));
}

CustomerTarget Customer() {
  return {{IdOf<eventstore::SubjectId>('s'), IdOf<eventstore::RootId>('r')}, "landlord"};
}

ContactTarget UnderCustomer() {
  const CustomerTarget customer = Customer();
  return {customer.entry, customer.Stream(kContactsSubStream), customer.Stream()};
}

ContactState State(std::vector<std::string> authorised = {}) {
  return {.recorder = "amy", .authorised_third_parties = std::move(authorised), .now = kNow};
}

template <typename Event>
const Event& As(const Fact& fact) {
  return dynamic_cast<const Event&>(*fact.message);
}

std::vector<std::string> TypesOf(const Step& step) {
  std::vector<std::string> types;
  for (const Fact& fact : step.facts) types.push_back(fact.message->GetDescriptor()->name());
  return types;
}

// CR-3.1a, CR-3.2.2
TEST(ContactDecisionsTest, AContactIsOneFactUnderACustomerWhoMustExist) {
  const auto step = DecideContact(GoodRecordContact(), UnderCustomer(), State());
  ASSERT_TRUE(step.ok()) << step.status();
  ASSERT_THAT(TypesOf(*step), ElementsAre("ContactRecorded"));
  const Fact& fact = step->facts[0];
  EXPECT_EQ(fact.stream.sub_stream, kContactsSubStream);
  EXPECT_EQ(fact.subject, Customer().entry.subject);
  EXPECT_EQ(fact.occurred_at, kNow);
  EXPECT_FALSE(fact.cut_to_day);
  ASSERT_EQ(step->expectations.size(), 1u);
  EXPECT_EQ(step->expectations[0].kind, Expectation::Kind::kStreamExists);
  EXPECT_EQ(step->expectations[0].stream.root, Customer().entry.root);
  EXPECT_EQ(step->digest_subject, Customer().entry.subject);
}

// CR-3.2.2
TEST(ContactDecisionsTest, AnActionWithoutAnOwnerIsTheRecorders) {
  auto request = GoodRecordContact();
  request.mutable_contact()->set_no_further_action(false);
  request.mutable_contact()->add_actions()->set_description("book an engineer");
  auto* owned = request.mutable_contact()->add_actions();
  owned->set_description("call back");
  owned->set_owner("ben");
  const auto step = DecideContact(request, UnderCustomer(), State());
  ASSERT_TRUE(step.ok());
  const auto& actions = As<ev::ContactRecorded>(step->facts[0]).contact().actions();
  EXPECT_EQ(actions[0].owner(), "amy");
  EXPECT_EQ(actions[1].owner(), "ben");
}

// CR-3.2.1g, CR-3.3.3
TEST(ContactDecisionsTest, AServiceRequestFollowsItsContactInTheSameAppend) {
  auto request = GoodRecordContact();
  *request.mutable_service_request() = testing::GoodRepair();
  request.set_occurred_at_us(absl::ToUnixMicros(kNow - absl::Hours(3)));
  const auto step = DecideContact(request, UnderCustomer(), State());
  ASSERT_TRUE(step.ok());
  ASSERT_THAT(TypesOf(*step), ElementsAre("ContactRecorded", "ServiceRequestRaised"));
  const auto& raised = As<ev::ServiceRequestRaised>(step->facts[1]);
  EXPECT_EQ(raised.request().hazards(0), ev::HAZARD_EXCESS_COLD);
  EXPECT_EQ(raised.vulnerabilities(0), "two children under 5");
  for (const Fact& fact : step->facts) EXPECT_EQ(fact.occurred_at, kNow - absl::Hours(3));
}

// CR-2.3
TEST(ContactDecisionsTest, AVerbatimTextIsKeptWithItsReason) {
  auto request = GoodRecordContact();
  request.mutable_verbatim()->set_text("I said it twice");
  request.mutable_verbatim()->set_reason(ev::VERBATIM_REASON_COMPLAINT);
  ASSERT_TRUE(CheckRecordContact(request, kNow).ok());
  const auto step = DecideContact(request, UnderCustomer(), State());
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(As<ev::ContactRecorded>(step->facts[0]).verbatim().reason(),
            ev::VERBATIM_REASON_COMPLAINT);
}

// CR-2.3, CR-3.1b, CR-3.2.1g, CR-3.3.3
TEST(ContactDecisionsTest, EachRefusalOfAContactHasItsReason) {
  const struct {
    std::string reason;
    std::function<void(api::v1::RecordContactRequest&)> change;
  } kRefusals[] = {
      {"MASS_MAILING", [](auto& r) { r.set_mass_mailing(true); }},
      {"INTERNAL_CALL", [](auto& r) { r.set_internal(true); }},
      {"SOCIAL_MEDIA_WITHOUT_REQUEST",
       [](auto& r) {
         r.mutable_contact()->set_channel(ev::CHANNEL_SOCIAL_MEDIA);
         r.set_response_due(true);
       }},
      {"SOCIAL_MEDIA_WITHOUT_REQUEST",
       [](auto& r) {
         r.mutable_contact()->set_channel(ev::CHANNEL_SOCIAL_MEDIA);
         *r.mutable_service_request() = testing::GoodRepair();
       }},
      {"WALKABOUT_WITHOUT_REQUEST",
       [](auto& r) { r.mutable_contact()->set_channel(ev::CHANNEL_WALKABOUT); }},
      {"VERBATIM_REASON_MISSING", [](auto& r) { r.mutable_verbatim()->set_text("word for word"); }},
      {"IDENTITY_NOT_CHECKED",
       [](auto& r) { r.mutable_contact()->mutable_identity_check()->set_disclosed(true); }},
      {"FIELD_INVALID", [](auto& r) { r.mutable_contact()->clear_summary(); }},
      {"FIELD_INVALID",
       [](auto& r) { r.set_occurred_at_us(absl::ToUnixMicros(kNow) + 301'000'000); }},
      {"FIELD_INVALID", [](auto& r) { r.set_applicant("A1"); }},
      {"FIELD_INVALID", [](auto& r) { r.set_customer(std::string(65, 'r')); }},
      {"FIELD_INVALID",
       [](auto& r) {
         r.mutable_verbatim()->set_text(std::string(20'001, 'v'));
         r.mutable_verbatim()->set_reason(ev::VERBATIM_REASON_APPEAL);
       }},
  };
  EXPECT_TRUE(CheckRecordContact(GoodRecordContact(), kNow).ok());
  for (const auto& refusal : kRefusals) {
    auto request = GoodRecordContact();
    refusal.change(request);
    EXPECT_EQ(ReasonOf(CheckRecordContact(request, kNow)), refusal.reason)
        << request.ShortDebugString();
  }
}

api::v1::RecordContactRequest DisclosedTo(const std::string& third_party) {
  auto request = GoodRecordContact();
  request.mutable_contact()->set_channel(ev::CHANNEL_THIRD_PARTY);
  request.mutable_contact()->set_third_party(third_party);
  auto& identity = *request.mutable_contact()->mutable_identity_check();
  identity.set_method(ev::IDENTITY_CHECK_METHOD_SECURITY_QUESTIONS);
  identity.set_passed(true);
  identity.set_disclosed(true);
  return request;
}

// CR-CHANNEL-THIRD-PARTY
TEST(ContactDecisionsTest, DisclosingToAThirdPartyNeedsTheirAuthority) {
  const std::string advocate(16, 'a');
  const auto request = DisclosedTo(advocate);
  EXPECT_TRUE(DecideContact(request, UnderCustomer(), State({advocate})).ok());
  for (const auto& authorised : {std::vector<std::string>{}, {std::string(16, 'b')}}) {
    const auto step = DecideContact(request, UnderCustomer(), State(authorised));
    EXPECT_EQ(step.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReasonOf(step.status()), "AUTHORITY_NOT_IN_FORCE");
  }
  // Listening discloses nothing.
  auto listened = request;
  listened.mutable_contact()->mutable_identity_check()->set_disclosed(false);
  EXPECT_TRUE(DecideContact(listened, UnderCustomer(), State()).ok());
}

api::v1::CorrectContactRequest Correction() {
  api::v1::CorrectContactRequest request;
  *request.mutable_contact() = testing::GoodContact();
  request.mutable_contact()->set_summary("boiler out, one child at home");
  request.set_reason("misheard");
  return request;
}

OriginalContact Original(bool with_service_request = false) {
  return {IdOf<eventstore::EventId>('e'), kNow - absl::Hours(24 * 400), with_service_request};
}

// CR-2.4c
TEST(ContactDecisionsTest, ACorrectionIsANewEventUnderTheScopeOfWhatItCorrects) {
  const auto step = DecideContactCorrection(Correction(), Customer(), Original(), State());
  ASSERT_TRUE(step.ok()) << step.status();
  ASSERT_THAT(TypesOf(*step), ElementsAre("ContactCorrected"));
  const Fact& fact = step->facts[0];
  EXPECT_EQ(fact.causation, Original().id);
  EXPECT_EQ(fact.scope_time, Original().occurred_at);
  EXPECT_EQ(fact.occurred_at, kNow);
  EXPECT_EQ(As<ev::ContactCorrected>(fact).contact().summary(), "boiler out, one child at home");
  ASSERT_EQ(step->expectations.size(), 1u);
  EXPECT_EQ(step->expectations[0].kind, Expectation::Kind::kStreamExists);
  auto without_reason = Correction();
  without_reason.clear_reason();
  EXPECT_FALSE(DecideContactCorrection(without_reason, Customer(), Original(), State()).ok());
}

// CR-3.2.1g, CR-3.3.3, CR-NEVER-WALKABOUT, CR-NEVER-SOCIAL-MEDIA
TEST(ContactDecisionsTest, WhatIsNeverRecordedDoesNotComeInByACorrection) {
  for (const auto& [channel, reason] :
       {std::pair{ev::CHANNEL_WALKABOUT, "WALKABOUT_WITHOUT_REQUEST"},
        std::pair{ev::CHANNEL_SOCIAL_MEDIA, "SOCIAL_MEDIA_WITHOUT_REQUEST"}}) {
    auto request = Correction();
    request.mutable_contact()->set_channel(channel);
    EXPECT_EQ(ReasonOf(DecideContactCorrection(request, Customer(), Original(), State()).status()),
              reason);
    EXPECT_TRUE(DecideContactCorrection(request, Customer(), Original(true), State()).ok());
  }
  auto disclosed = Correction();
  *disclosed.mutable_contact() = DisclosedTo(std::string(16, 'a')).contact();
  EXPECT_EQ(ReasonOf(DecideContactCorrection(disclosed, Customer(), Original(), State()).status()),
            "AUTHORITY_NOT_IN_FORCE");
  disclosed.mutable_contact()->mutable_identity_check()->set_passed(false);
  EXPECT_EQ(ReasonOf(DecideContactCorrection(disclosed, Customer(), Original(), State()).status()),
            "IDENTITY_NOT_CHECKED");
}

SensitiveTarget Sensitive() {
  return {{IdOf<eventstore::RootId>('q'), IdOf<eventstore::SubjectId>('p')}, "landlord"};
}

api::v1::IndexDocumentRequest Document(ev::DocumentSystem system) {
  api::v1::IndexDocumentRequest request;
  *request.mutable_entry() = testing::GoodDocument();
  request.mutable_entry()->set_system(system);
  return request;
}

// CR-3.3.4a, CR-INDEX
TEST(ContactDecisionsTest, ADocumentGoesToTheSystemOfItsMatter) {
  const auto crm = DecideDocument(Document(ev::DOCUMENT_SYSTEM_CRM), Customer(), Sensitive(), kNow);
  ASSERT_TRUE(crm.ok());
  EXPECT_THAT(TypesOf(*crm), ElementsAre("DocumentIndexed"));
  EXPECT_EQ(crm->facts[0].stream.root, Customer().entry.root);
  EXPECT_EQ(crm->facts[0].stream.sub_stream, kDocumentsSubStream);

  const std::pair<ev::DocumentSystem, std::string> kSensitive[] = {
      {ev::DOCUMENT_SYSTEM_ASB, "AsbDocumentIndexed"},
      {ev::DOCUMENT_SYSTEM_INDEPENDENT_LIVING, "IndependentLivingDocumentIndexed"}};
  for (const auto& [system, type] : kSensitive) {
    const auto step = DecideDocument(Document(system), Customer(), Sensitive(), kNow);
    ASSERT_TRUE(step.ok());
    ASSERT_THAT(TypesOf(*step), ElementsAre(type));
    const Fact& fact = step->facts[0];
    EXPECT_EQ(fact.stream.collection, kCases) << "one name for all: it tells nothing";
    EXPECT_EQ(fact.stream.root, Sensitive().ids.root);
    EXPECT_EQ(fact.subject, Sensitive().ids.subject);
    EXPECT_EQ(step->digest_subject, Sensitive().ids.subject);
    ASSERT_EQ(step->expectations.size(), 1u);
    EXPECT_EQ(step->expectations[0].kind, Expectation::Kind::kNoStream);
  }
  EXPECT_FALSE(
      DecideDocument(Document(ev::DOCUMENT_SYSTEM_UNSPECIFIED), Customer(), Sensitive(), kNow)
          .ok());
}

// CR-3.3.4b
TEST(ContactDecisionsTest, TheHashAndTheClassOfADocumentAreKeptAsGiven) {
  auto request = Document(ev::DOCUMENT_SYSTEM_ASB);
  request.mutable_entry()->set_sensitivity(ev::SENSITIVITY_SPECIAL);
  const auto step = DecideDocument(request, Customer(), Sensitive(), kNow);
  ASSERT_TRUE(step.ok());
  const auto& entry = As<ev::AsbDocumentIndexed>(step->facts[0]).entry();
  EXPECT_EQ(entry.content_sha256(), request.entry().content_sha256());
  EXPECT_EQ(entry.sensitivity(), ev::SENSITIVITY_SPECIAL);
}

}  // namespace
}  // namespace records::services
