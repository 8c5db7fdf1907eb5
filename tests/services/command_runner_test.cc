#include "services/runtime/command.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/contact/contact_decisions.h"
#include "services/errors/errors.h"
#include "tests/services/contact_examples.h"
#include "tests/services/test_store.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
using eventstore::Expectation;
using eventstore::Ledger;
using eventstore::RequestKey;
using ::testing::ElementsAre;

constexpr char kRequestId[] = "8c5b3a2e-5a43-4be0-9c1d-2f61b27a9d10";

class CommandRunnerTest : public ::testing::Test {
 protected:
  Authorised CallerNamed(const std::string& subject, const std::string& method = "Method") {
    Authorised caller;
    caller.caller.issuer = "issuer";
    caller.caller.subject = subject;
    caller.caller.purpose = "service-delivery";
    caller.method = method;
    caller.staff = store_.Staff("issuer", subject);
    return caller;
  }

  eventstore::DirectoryEntry Claimed(const std::string& reference) {
    return *store_.keys.Claim(testing::kOrganisation, kCustomerReferences, reference);
  }

  Fact ContactFact(const eventstore::DirectoryEntry& customer, const std::string& summary) {
    auto recorded = std::make_unique<ev::ContactRecorded>();
    *recorded->mutable_contact() = testing::GoodContact();
    recorded->mutable_contact()->set_summary(summary);
    return Fact{.stream = StreamOf(*store_.runtime, kCustomers, customer.root, kContactsSubStream),
                .subject = customer.subject,
                .message = std::move(recorded),
                .occurred_at = store_.clock.Now()};
  }

  Step StepOf(const eventstore::DirectoryEntry& customer, const std::string& summary) {
    Step step;
    step.digest_subject = customer.subject;
    step.facts.push_back(ContactFact(customer, summary));
    return step;
  }

  // One step under each of the customers, in their order.
  Planner Plans(std::vector<eventstore::DirectoryEntry> customers, std::string summary = "called") {
    return [this, customers, summary](const RequestKey&) -> absl::StatusOr<Plan> {
      Plan plan;
      for (const auto& customer : customers) plan.steps.push_back(StepOf(customer, summary));
      return plan;
    };
  }

  Command CommandOf(const Authorised& caller, Planner planner, std::string canonical = "content",
                    std::string request_id = kRequestId) {
    return {.caller = caller,
            .request_id = std::move(request_id),
            .canonical = std::move(canonical),
            .planner = std::move(planner)};
  }

  absl::StatusOr<Outcome> Run(Command command) {
    std::promise<absl::StatusOr<Outcome>> outcome;
    runner_.Run(std::move(command),
                [&outcome](absl::StatusOr<Outcome> done) { outcome.set_value(std::move(done)); });
    return outcome.get_future().get();
  }

  std::string Token(const Authorised& caller, const absl::StatusOr<Outcome>& outcome) {
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *runner_.WriteToken(caller, *outcome) : "";
  }

  testing::TestStore store_;
  CommandRunner runner_{*store_.runtime};
  const Authorised amy_ = CallerNamed("amy");
  const eventstore::DirectoryEntry pat_ = Claimed("R1");
};

TEST_F(CommandRunnerTest, TheSameRequestFromManyThreadsHasOneEffectAndOneReply) {
  constexpr int kThreads = 16;
  std::vector<std::string> tokens(kThreads);
  std::atomic<int> first{0};
  absl::Notification go;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      go.WaitForNotification();
      const auto outcome = Run(CommandOf(amy_, Plans({pat_})));
      tokens[i] = Token(amy_, outcome);
      if (outcome.ok() && !outcome->repeated) ++first;
    });
  }
  go.Notify();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(store_.BytesUnder(pat_.root).size(), 1u);
  EXPECT_EQ(first, 1);
  for (const std::string& token : tokens) EXPECT_EQ(token, tokens[0]);
}

TEST_F(CommandRunnerTest, TheSameRequestIdWithOtherContentIsRefused) {
  ASSERT_TRUE(Run(CommandOf(amy_, Plans({pat_}))).ok());
  const auto other = Run(CommandOf(amy_, Plans({pat_}), "other content"));
  EXPECT_EQ(other.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReasonOf(other.status()), "REQUEST_ID_REUSED");
  EXPECT_EQ(store_.BytesUnder(pat_.root).size(), 1u);
}

TEST_F(CommandRunnerTest, OtherContentThatCameAtTheSameTimeIsRefusedForTheSameReason) {
  // The first is held until the second was looked up and found nothing.
  const auto second = CommandOf(amy_, Plans({pat_}), "other content");
  std::atomic<bool> raced{false};
  absl::StatusOr<Outcome> first = absl::UnknownError("not run");
  store_.log->set_hook([&](eventstore::Append append, eventstore::AppendCallback done,
                           const testing::InterceptedLog::Pass& pass) {
    if (!raced.exchange(true)) first = Run(CommandOf(amy_, Plans({pat_})));
    pass(std::move(append), std::move(done));
  });
  const auto outcome = Run(second);
  EXPECT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(ReasonOf(outcome.status()), "REQUEST_ID_REUSED") << outcome.status();
}

TEST_F(CommandRunnerTest, ARequestIdIsScopedByCallerAndMethod) {
  ASSERT_TRUE(Run(CommandOf(amy_, Plans({pat_}), "a")).ok());
  EXPECT_TRUE(Run(CommandOf(CallerNamed("ben"), Plans({pat_}), "b")).ok());
  EXPECT_TRUE(Run(CommandOf(CallerNamed("amy", "OtherMethod"), Plans({pat_}), "c")).ok());
  // Names that are alike when written one after the other.
  EXPECT_TRUE(Run(CommandOf(CallerNamed("am", "yMethod"), Plans({pat_}), "d")).ok());
  EXPECT_EQ(store_.BytesUnder(pat_.root).size(), 4u);
}

TEST_F(CommandRunnerTest, WhatIsNoUuidIsNoRequestId) {
  for (const char* id :
       {"", "1", "00000000-0000-0000-0000-000000000000", "8c5b3a2e5a434be09c1d2f61b27a9d10"}) {
    const auto outcome = Run(CommandOf(amy_, Plans({pat_}), "content", id));
    EXPECT_EQ(outcome.status().code(), absl::StatusCode::kInvalidArgument) << id;
    EXPECT_EQ(DetailsOf(outcome.status()).fields.at(0).field, "request_id");
  }
  EXPECT_TRUE(Run(CommandOf(amy_, Plans({pat_}))).ok());
  // Upper case is the same id.
  EXPECT_TRUE(Run(CommandOf(amy_, Plans({pat_}), "content", "8C5B3A2E-5A43-4BE0-9C1D-2F61B27A9D10"))
                  ->repeated);
}

TEST_F(CommandRunnerTest, ARetryAfterACrashBetweenTheStepsCompletesThem) {
  const auto kim = Claimed("R2");
  for (size_t lost : {0u, 1u}) {
    const std::string id = lost == 0 ? kRequestId : "8c5b3a2e-5a43-4be0-9c1d-2f61b27a9d99";
    const size_t before = store_.BytesUnder(kim.root).size();
    std::atomic<size_t> step{0};
    // The append of one step never comes back: written (1) or not (0), then the process is gone.
    store_.log->set_hook([&](eventstore::Append append, eventstore::AppendCallback done,
                             const testing::InterceptedLog::Pass& pass) {
      if (step++ != lost) return pass(std::move(append), std::move(done));
      done(absl::UnavailableError("the process is gone"));
    });
    EXPECT_FALSE(Run(CommandOf(amy_, Plans({pat_, kim}), "content", id)).ok());
    EXPECT_EQ(store_.BytesUnder(kim.root).size(), before);
    store_.log->set_hook(nullptr);
    const auto retry = Run(CommandOf(amy_, Plans({pat_, kim}), "content", id));
    ASSERT_TRUE(retry.ok()) << retry.status();
    EXPECT_EQ(retry->event_ids.size(), 1u);
    const auto again = Run(CommandOf(amy_, Plans({pat_, kim}), "content", id));
    EXPECT_EQ(Token(amy_, again), Token(amy_, retry));
    EXPECT_EQ(store_.BytesUnder(kim.root).size(), before + 1);
  }
  EXPECT_EQ(store_.BytesUnder(pat_.root).size(), 2u) << "each first step once";
}

TEST_F(CommandRunnerTest, ARetryOfACutCommandWithOtherContentIsRefused) {
  const auto kim = Claimed("R2");
  std::atomic<int> step{0};
  store_.log->set_hook([&](eventstore::Append append, eventstore::AppendCallback done,
                           const testing::InterceptedLog::Pass& pass) {
    if (step++ == 0) return pass(std::move(append), std::move(done));
    done(absl::UnavailableError("the process is gone"));
  });
  EXPECT_FALSE(Run(CommandOf(amy_, Plans({pat_, kim}))).ok());
  store_.log->set_hook(nullptr);
  const auto other = Run(CommandOf(amy_, Plans({pat_, kim}, "else"), "other content"));
  EXPECT_EQ(ReasonOf(other.status()), "REQUEST_ID_REUSED");
  EXPECT_TRUE(store_.BytesUnder(kim.root).empty());
}

TEST_F(CommandRunnerTest, AConflictIsPlannedAnewAndSoOftenAndNoMore) {
  int planned = 0;
  const Planner planner = [&](const RequestKey&) -> absl::StatusOr<Plan> {
    ++planned;
    Plan plan;
    plan.steps.push_back(StepOf(pat_, "called"));
    plan.steps[0].expectations.push_back(
        {.stream = plan.steps[0].facts[0].stream, .kind = Expectation::Kind::kStreamExists});
    return plan;
  };
  const auto conflict = Run(CommandOf(amy_, planner));
  EXPECT_EQ(conflict.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(conflict.status()), "CONFLICT");
  EXPECT_TRUE(DetailsOf(conflict.status()).retry_after.has_value());
  EXPECT_EQ(planned, CommandRunner::kAttempts);

  // Another writer makes it hold before the third try.
  planned = 0;
  const Planner with_help = [&](const RequestKey& key) {
    const std::string helper = "8c5b3a2e-5a43-4be0-9c1d-2f61b27a9d12";
    EXPECT_TRUE(planned != 2 || Run(CommandOf(amy_, Plans({pat_}), "x", helper)).ok());
    return planner(key);
  };
  EXPECT_TRUE(Run(CommandOf(amy_, with_help)).ok());
  EXPECT_EQ(planned, 3);
}

TEST_F(CommandRunnerTest, TheDigestIsFoundInEventsOfSeveralSubjectsAndOfNone) {
  const auto household = [this](const RequestKey& key) -> absl::StatusOr<Plan> {
    auto added = std::make_unique<ev::HouseholdMemberAdded>();
    added->set_member(std::string(runner_.Derive(key, "member").subject.bytes()));
    added->set_name("Kim Doe");
    Plan plan;
    plan.steps.emplace_back();
    plan.steps[0].digest_subject = pat_.subject;
    plan.steps[0].facts.push_back(
        {.stream = StreamOf(*store_.runtime, kCustomers, pat_.root, kSealedSubStream),
         .subject = pat_.subject,
         .message = std::move(added),
         .occurred_at = store_.clock.Now()});
    return plan;
  };
  ASSERT_TRUE(Run(CommandOf(amy_, household)).ok());
  EXPECT_TRUE(Run(CommandOf(amy_, household))->repeated);
  EXPECT_FALSE(Run(CommandOf(amy_, household, "other content")).ok());

  const auto grant = [this](const RequestKey&) -> absl::StatusOr<Plan> {
    auto granted = std::make_unique<ev::RoleGranted>();
    granted->set_role("auditor");
    Plan plan;
    plan.steps.emplace_back();
    plan.steps[0].facts.push_back({.stream = StreamOf(*store_.runtime, kStaff, amy_.staff.root, ""),
                                   .subject = amy_.staff.subject,
                                   .message = std::move(granted),
                                   .occurred_at = store_.clock.Now()});
    return plan;
  };
  const std::string id = "8c5b3a2e-5a43-4be0-9c1d-2f61b27a9d13";
  ASSERT_TRUE(Run(CommandOf(amy_, grant, "grant", id)).ok());
  const auto again = Run(CommandOf(amy_, grant, "grant", id));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(ReasonOf(Run(CommandOf(amy_, grant, "other", id)).status()), "REQUEST_ID_REUSED");
}

// CR-3.1.3, CR-NEVER-ANONYMOUS-CONCERN
TEST_F(CommandRunnerTest, OfAnAnonymousReportTheEnvelopeTellsTheDayAndNothingElse) {
  const Planner report = [this](const RequestKey& key) -> absl::StatusOr<Plan> {
    const CustomerTarget reporter{pat_, testing::kOrganisation};
    Plan plan;
    plan.steps.push_back(DecideAsbReport(
        testing::GoodReport(), {runner_.Derive(key, "asb-report"), testing::kOrganisation},
        &reporter, true, nullptr, store_.clock.Now() - absl::Minutes(7)));
    return plan;
  };
  ASSERT_TRUE(Run(CommandOf(amy_, report)).ok());
  const auto events = store_.AllEvents();
  ASSERT_EQ(events.size(), 1u);
  const auto& event = events[0].event;
  const int64_t day =
      absl::ToUnixMicros(absl::FromCivil(absl::CivilDay(2026, 11, 22), absl::UTCTimeZone()));
  EXPECT_EQ(event.occurred_at_us(), day);
  EXPECT_EQ(event.recorded_at_us(), day);
  EXPECT_EQ(event.time_precision(), records::log::v1::TIME_PRECISION_DAY);
  EXPECT_EQ(event.type(), "records.events.v1.Restricted");
  EXPECT_TRUE(event.actor().empty());
  EXPECT_TRUE(event.purpose().empty());
  EXPECT_TRUE(event.lawful_basis().empty());
  EXPECT_TRUE(event.causation().empty());
  EXPECT_TRUE(event.correlation().empty());
  EXPECT_TRUE(event.facts().empty());
  // The reporter's ids stand nowhere, not even among what can be opened.
  const auto opened = store_.Open(events[0]);
  for (const std::string& bytes : {events[0].bytes, opened.message->SerializeAsString()}) {
    EXPECT_FALSE(absl::StrContains(bytes, pat_.root.bytes()));
    EXPECT_FALSE(absl::StrContains(bytes, pat_.subject.bytes()));
  }
  EXPECT_FALSE(absl::StrContains(opened.message->SerializeAsString(), "R1"));
  EXPECT_FALSE(absl::StrContains(events[0].bytes, amy_.staff.subject.bytes()));
}

// CR-3.1.3
TEST_F(CommandRunnerTest, DerivedIdsAreTheSameForARetryAndLeadNowhereWithoutTheKeyStore) {
  RequestKey key{};
  key.fill(1);
  RequestKey other = key;
  other[31] = 2;
  const DerivedIds ids = runner_.Derive(key, "asb-report");
  EXPECT_EQ(ids.root, runner_.Derive(key, "asb-report").root);
  EXPECT_EQ(ids.subject, runner_.Derive(key, "asb-report").subject);
  EXPECT_NE(ids.root, runner_.Derive(other, "asb-report").root);
  EXPECT_NE(ids.root, runner_.Derive(key, "document").root);
  EXPECT_NE(ids.root.bytes(), ids.subject.bytes());
  // Another store, which has other secrets, comes to other ids.
  testing::TestStore elsewhere;
  EXPECT_NE(ids.root, CommandRunner(*elsewhere.runtime).Derive(key, "asb-report").root);
}

}  // namespace
}  // namespace records::services
