#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/contact/contact_decisions.h"
#include "services/errors/errors.h"
#include "services/runtime/tracer.h"
#include "tests/services/contact_examples.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
using ::testing::ElementsAre;
using testing::GoodSplit;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'794'000'000);

CustomerTarget Customer() {
  return {{*eventstore::SubjectId::FromBytes(std::string(16, 's')),
           *eventstore::RootId::FromBytes(std::string(16, 'r'))},
          "landlord"};
}

SensitiveTarget Report() {
  return {{*eventstore::RootId::FromBytes(std::string(16, 'q')),
           *eventstore::SubjectId::FromBytes(std::string(16, 'p'))},
          "landlord"};
}

// What the split leaves under the customer.
absl::StatusOr<Step> Own(const api::v1::SplitMessageRequest& request) {
  const CustomerTarget customer = Customer();
  return DecideSplitForCustomer(request, customer, Report().ids.root,
                                {.recorder = "amy", .now = kNow});
}

std::vector<std::string> TypesOf(const Step& step) {
  std::vector<std::string> types;
  for (const Fact& fact : step.facts) types.push_back(fact.message->GetDescriptor()->name());
  return types;
}

std::string AllText(const Step& step) {
  std::string text;
  for (const Fact& fact : step.facts) text += fact.message->ShortDebugString();
  return text;
}

api::v1::SplitMessageRequest Anonymous() {
  auto request = GoodSplit();
  request.set_anonymous(true);
  request.clear_advice();
  return request;
}

api::v1::SplitMessageRequest Whole() {
  auto request = GoodSplit();
  request.clear_contact();
  request.clear_service_requests();
  request.mutable_best_fit()->set_chosen_by("Amy, contact centre");
  request.mutable_best_fit()->set_reason("one sentence holds both");
  return request;
}

// CR-3.3.5, CR-NEVER-SENSITIVE-HALF
TEST(SplitDecisionsTest, TheReportGoesToARootOfItsOwnAndTheRestStaysWithTheCustomer) {
  const auto request = GoodSplit();
  ASSERT_TRUE(CheckSplit(request, kNow).ok());
  const CustomerTarget customer = Customer();
  const Step report =
      DecideAsbReport(request.asb_report(), Report(), &customer, false, nullptr, kNow);
  ASSERT_THAT(TypesOf(report), ElementsAre("AsbReported"));
  EXPECT_EQ(report.facts[0].stream.collection, kCases);
  EXPECT_EQ(report.facts[0].stream.root, Report().ids.root);
  EXPECT_EQ(report.facts[0].subject, Report().ids.subject);
  const auto& reported = dynamic_cast<const ev::AsbReported&>(*report.facts[0].message);
  EXPECT_EQ(reported.reporter(), customer.entry.root.bytes());
  EXPECT_FALSE(reported.anonymous());

  const auto own = Own(request);
  ASSERT_TRUE(own.ok());
  EXPECT_THAT(TypesOf(*own), ElementsAre("ContactRecorded", "ServiceRequestRaised",
                                         "SeparateSubmissionAdvised", "AsbReportLinked"));
  for (const Fact& fact : own->facts) EXPECT_EQ(fact.stream.root, customer.entry.root);
  // The repair part does not reveal the report.
  EXPECT_EQ(AllText(*own).find(request.asb_report().description()), std::string::npos);
  EXPECT_EQ(AllText(*own).find(request.asb_report().place()), std::string::npos);
}

// CR-3.1.3, CR-3.1.4b, CR-NEVER-ANONYMOUS-CONCERN
TEST(SplitDecisionsTest, AnAnonymousReportNamesNobodyAndLeavesNothingWithTheReporter) {
  const auto request = Anonymous();
  ASSERT_TRUE(CheckSplit(request, kNow).ok()) << CheckSplit(request, kNow);
  const CustomerTarget customer = Customer();
  const Step report =
      DecideAsbReport(request.asb_report(), Report(), &customer, true, nullptr, kNow);
  const Fact& fact = report.facts[0];
  const auto& reported = dynamic_cast<const ev::AsbReported&>(*fact.message);
  EXPECT_TRUE(fact.cut_to_day);
  EXPECT_TRUE(reported.anonymous());
  EXPECT_TRUE(reported.reporter().empty());
  EXPECT_FALSE(fact.causation.has_value());
  EXPECT_EQ(report.digest_subject, Report().ids.subject);
  EXPECT_FALSE(absl::StrContains(reported.SerializeAsString(), customer.entry.root.bytes()));

  const auto own = Own(request);
  ASSERT_TRUE(own.ok());
  // What recording a contact leaves, so that not even the shape of the append tells. A split
  // without a report is no model: it has advice beside it.
  EXPECT_THAT(TypesOf(*own), ElementsAre("ContactRecorded", "ServiceRequestRaised"));
}

// CR-3.1.4b, CR-3.3.7
TEST(SplitDecisionsTest, AdviceIsRequiredAndBesideAnAnonymousReportRefused) {
  auto without = GoodSplit();
  without.clear_advice();
  EXPECT_EQ(DetailsOf(CheckSplit(without, kNow)).fields.at(0).field, "advice");
  auto beside = Anonymous();
  beside.set_advice("told to send separate messages");
  EXPECT_EQ(DetailsOf(CheckSplit(beside, kNow)).fields.at(0).field, "advice");
  auto longest = GoodSplit();
  longest.set_advice(std::string(200, 'a'));
  EXPECT_TRUE(CheckSplit(longest, kNow).ok());
  longest.set_advice(std::string(201, 'a'));
  EXPECT_FALSE(CheckSplit(longest, kNow).ok());
}

// CR-3.3.7
TEST(SplitDecisionsTest, TheAdviceGivenIsOnTheRecord) {
  const auto own = Own(GoodSplit());
  ASSERT_TRUE(own.ok());
  EXPECT_EQ(dynamic_cast<const ev::SeparateSubmissionAdvised&>(*own->facts[2].message).advice(),
            "told by telephone to send separate messages");
}

// CR-3.3.6
TEST(SplitDecisionsTest, AMessageThatCannotBeSplitGoesWholeToTheSensitiveSystemWithWhoAndWhy) {
  const auto request = Whole();
  ASSERT_TRUE(CheckSplit(request, kNow).ok()) << CheckSplit(request, kNow);
  const CustomerTarget customer = Customer();
  const Step report =
      DecideAsbReport(request.asb_report(), Report(), &customer, false, &request.best_fit(), kNow);
  const auto& reported = dynamic_cast<const ev::AsbReported&>(*report.facts[0].message);
  EXPECT_EQ(reported.best_fit().chosen_by(), "Amy, contact centre");
  EXPECT_EQ(reported.best_fit().reason(), "one sentence holds both");
  // Beside it there is the advice and the link, nothing of the message.
  const auto own = Own(request);
  ASSERT_TRUE(own.ok());
  EXPECT_THAT(TypesOf(*own), ElementsAre("SeparateSubmissionAdvised", "AsbReportLinked"));
}

// CR-3.3.6, CR-3.1.4b
TEST(SplitDecisionsTest, AWholeMessageMadeAnonymouslyLeavesNothingAtAllWithTheReporter) {
  auto request = Whole();
  request.set_anonymous(true);
  request.clear_advice();
  ASSERT_TRUE(CheckSplit(request, kNow).ok());
  const auto own = Own(request);
  ASSERT_TRUE(own.ok());
  EXPECT_THAT(TypesOf(*own), IsEmpty());
}

// CR-3.3.5, CR-3.3.6
TEST(SplitDecisionsTest, EachRefusalOfAMixedMessageNamesItsField) {
  const struct {
    std::string field;
    std::function<void(api::v1::SplitMessageRequest&)> change;
  } kRefusals[] = {
      {"contact", [](auto& r) { r.clear_contact(); }},
      {"anonymous",
       [](auto& r) {
         r.set_anonymous(true);
         r.clear_asb_report();
         r.clear_advice();
       }},
      {"best_fit", [](auto& r) { *r.mutable_best_fit() = Whole().best_fit(); }},
      {"best_fit.chosen_by",
       [](auto& r) {
         r = Whole();
         r.mutable_best_fit()->clear_chosen_by();
       }},
      {"best_fit.reason",
       [](auto& r) {
         r = Whole();
         r.mutable_best_fit()->set_reason(std::string(501, 'w'));
       }},
      {"asb_report.description", [](auto& r) { r.mutable_asb_report()->clear_description(); }},
      {"service_requests",
       [](auto& r) {
         while (r.service_requests_size() < 6) *r.add_service_requests() = testing::GoodRepair();
       }},
      {"service_requests",
       [](auto& r) {
         r = Anonymous();
         *r.add_service_requests() = testing::GoodRepair();
       }},
      {"occurred_at_us",
       [](auto& r) { r.set_occurred_at_us(absl::ToUnixMicros(kNow + absl::Hours(1))); }},
  };
  for (const auto& refusal : kRefusals) {
    auto request = GoodSplit();
    refusal.change(request);
    const ErrorDetails details = DetailsOf(CheckSplit(request, kNow));
    ASSERT_EQ(details.fields.size(), 1u) << refusal.field;
    EXPECT_EQ(details.fields[0].field, refusal.field);
  }
}

// CR-3.2.1g
TEST(SplitDecisionsTest, WhatIsNeverRecordedIsNotSplitEither) {
  auto request = GoodSplit();
  request.mutable_contact()->set_channel(ev::CHANNEL_WALKABOUT);
  EXPECT_TRUE(CheckSplit(request, kNow).ok());
  request.clear_service_requests();
  EXPECT_EQ(ReasonOf(CheckSplit(request, kNow)), "WALKABOUT_WITHOUT_REQUEST");
}

}  // namespace
}  // namespace records::services
