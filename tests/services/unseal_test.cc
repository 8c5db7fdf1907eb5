// What subscribers of work streams open, and what they do not.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/work_fixture.h"

namespace records::services::testing {
namespace {

namespace api = records::api::v1;
namespace ev = records::events::v1;
using eventstore::Ledger;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

template <typename Event>
Event EventOf(const api::UnsealResult& result) {
  Event event;
  EXPECT_TRUE(result.opened().event().UnpackTo(&event)) << result.opened().type();
  return event;
}

class UnsealTest : public WorkTest {
 protected:
  UnsealTest() {
    server_.Register(amy_, "R1");
    server_.Register(amy_, "R2", "Sam Roe", "T-2");
  }

  api::UnsealState StateOf(const Who& who, const std::string& stream,
                           const std::string& reference) const {
    const auto answer = Unseal(who, stream, {reference});
    EXPECT_TRUE(answer.ok()) << answer.status;
    return answer.reply.results_size() == 1 ? answer.reply.results(0).state()
                                            : api::UNSEAL_STATE_UNSPECIFIED;
  }
  size_t Traces() const { return server_.AllEvents(Ledger::kAccess).size(); }
  // Ends the key that a category of a customer has this year.
  void EndKey(const std::string& customer, const std::string& category) {
    const eventstore::KeyPurpose purpose{
        .subject = server_.Customer(customer).subject,
        .category = server_.categories.Find(category)->number,
        .scope = {.kind = eventstore::KeyScopeKind::kYear, .epoch = 2026, .root = {}}};
    ASSERT_TRUE(server_.keys.EndKey(purpose).ok());
  }
};

// CR-3.3.5
TEST_F(UnsealTest, TheRepairsSystemOpensItsWork) {
  RaiseReport("R1");
  RaiseRepair("R2", "tap drips");
  const auto records = RecordsOf(repairs_, "repairs.v1");
  ASSERT_THAT(records, SizeIs(2));
  const auto answer =
      Unseal(repairs_, "repairs.v1", {records[0].reference(), records[1].reference()});
  ASSERT_TRUE(answer.ok()) << answer.status;
  ASSERT_EQ(answer.reply.results_size(), 2);
  std::set<std::string> descriptions;
  for (int i = 0; i < 2; ++i) {
    const api::UnsealResult& result = answer.reply.results(i);
    EXPECT_EQ(result.state(), api::UNSEAL_STATE_OPENED);
    EXPECT_EQ(result.opened().type(), "records.events.v1.ServiceRequestRaised");
    EXPECT_EQ(result.opened().subject(), records[static_cast<size_t>(i)].subject());
    EXPECT_GT(result.opened().occurred_at_us(), 0);
    EXPECT_GT(result.opened().recorded_at_us(), 0);
    const auto raised = EventOf<ev::ServiceRequestRaised>(result);
    EXPECT_THAT(raised.vulnerabilities(), ElementsAre("two children under 5"));
    descriptions.insert(raised.request().description());
  }
  EXPECT_THAT(descriptions, UnorderedElementsAre("boiler does not light", "tap drips"));
}

// CR-3.3.5, CR-3.1.3
TEST_F(UnsealTest, TheAsbSystemOpensReportsAndTheirTraceIsWithTheCaseNotWithTheCustomer) {
  RaiseReport("R1", /*anonymous=*/true);
  const auto references = ReferencesOf(asb_, "asb.v1");
  const auto answer = Unseal(asb_, "asb.v1", references);
  ASSERT_EQ(answer.reply.results_size(), 1) << answer.status;
  const auto report = EventOf<ev::AsbReported>(answer.reply.results(0));
  EXPECT_EQ(report.report().kind(), "noise");
  EXPECT_TRUE(report.anonymous());
  EXPECT_EQ(report.reporter(), "");
  EXPECT_THAT(server_.TracesOf(server_.Customer("R1").root), IsEmpty());
  bool traced = false;
  for (const auto& stored : server_.AllEvents()) {
    const auto opened = server_.Open(stored);
    if (opened.type != "records.events.v1.AsbReported") continue;
    const auto root = *eventstore::RootId::FromBytes(stored.event.stream().root());
    for (const auto& trace : server_.TracesOf(root)) {
      traced = true;
      EXPECT_EQ(trace.role(), "asb-system");
      EXPECT_THAT(trace.categories(), ElementsAre("asb"));
    }
  }
  EXPECT_TRUE(traced);
}

// CR-3.1.2b, DP-E4
TEST_F(UnsealTest, WhatTheCallerMayNotReadIsLeftOut) {
  RaiseRepair("R1");
  Erase("R1");
  const auto answer = Unseal(dora_, "rights.v1", ReferencesOf(dora_, "rights.v1"));
  ASSERT_EQ(answer.reply.results_size(), 2) << answer.status;
  int decisions = 0;
  for (const auto& result : answer.reply.results()) {
    EXPECT_EQ(result.state(), api::UNSEAL_STATE_OPENED);
    if (!result.opened().event().Is<ev::SubjectErasureDecided>()) continue;
    ++decisions;
    const auto decided = EventOf<ev::SubjectErasureDecided>(result);
    EXPECT_THAT(decided.erasure(), SizeIs(16));
    EXPECT_FALSE(decided.has_work_subjects()) << "what the person was called is for nobody";
  }
  EXPECT_EQ(decisions, 1);
  // About nobody's data: traced with who read it.
  const auto traces = server_.TracesOf(server_.StaffOf("dora").root);
  ASSERT_FALSE(traces.empty());
  EXPECT_EQ(traces.back().method(), "records.api.v1.LedgerService.Unseal");
  EXPECT_EQ(traces.back().events_opened(), 2u);
}

// DP-B4, CR-3.5.1a
TEST_F(UnsealTest, EachPersonHasOneTraceOfWhatWasOpened) {
  RaiseRepair("R1");
  RaiseRepair("R1");
  RaiseRepair("R2");
  const auto references = ReferencesOf(repairs_, "repairs.v1");
  const size_t before = Traces();
  ASSERT_TRUE(Unseal(repairs_, "repairs.v1", references).ok());
  EXPECT_EQ(Traces(), before + 2);
  const std::pair<const char*, uint32_t> expected[] = {{"R1", 2}, {"R2", 1}};
  for (const auto& [customer, events] : expected) {
    const auto traces = server_.TracesOf(server_.Customer(customer).root);
    ASSERT_THAT(traces, SizeIs(1)) << customer;
    EXPECT_EQ(traces[0].events_opened(), events) << customer;
    EXPECT_EQ(traces[0].method(), "records.api.v1.LedgerService.Unseal");
    EXPECT_EQ(traces[0].purpose(), "service-delivery");
    EXPECT_EQ(traces[0].role(), "repairs-system");
    EXPECT_EQ(traces[0].reader(), server_.StaffOf("repairs").subject.bytes());
    EXPECT_THAT(traces[0].categories(), UnorderedElementsAre("service-request", "vulnerability"));
  }
}

// DP-B4
TEST_F(UnsealTest, TheAnswerWaitsForTheLastTrace) {
  RaiseRepair("R1");
  RaiseRepair("R2");
  const auto references = ReferencesOf(repairs_, "repairs.v1");
  // One trace is let through, the other held until nothing else is left to do.
  const std::string held_root(server_.Customer("R2").root.bytes());
  absl::Mutex mutex;
  std::function<void()> held;
  bool other_durable = false;
  server_.log->set_hook([&](eventstore::Append append, eventstore::AppendCallback done,
                            const InterceptedLog::Pass& pass) {
    if (append.events[0].stream.root.bytes() != held_root) {
      return pass(std::move(append), [&, done = std::move(done)](auto result) mutable {
        done(std::move(result));
        absl::MutexLock lock(&mutex);
        other_durable = true;
      });
    }
    auto kept = std::make_shared<std::pair<eventstore::Append, eventstore::AppendCallback>>(
        std::move(append), std::move(done));
    absl::MutexLock lock(&mutex);
    held = [kept, pass] { pass(std::move(kept->first), std::move(kept->second)); };
  });
  std::atomic<bool> answered = false;
  std::thread caller([&] {
    EXPECT_TRUE(Unseal(repairs_, "repairs.v1", references).ok());
    answered = true;
  });
  {
    absl::MutexLock lock(&mutex);
    const auto one_of_each = [&] { return other_durable && held != nullptr; };
    mutex.Await(absl::Condition(&one_of_each));
    // An answer that did not wait would come now.
    EXPECT_FALSE(mutex.AwaitWithTimeout(
        absl::Condition(
            +[](std::atomic<bool>* done) { return done->load(); }, &answered),
        absl::Milliseconds(200)));
  }
  server_.log->set_hook(nullptr);
  held();
  caller.join();
}

// DP-B4
TEST_F(UnsealTest, WithoutATraceThereIsNoAnswer) {
  RaiseRepair("R1");
  RaiseRepair("R2");
  const auto references = ReferencesOf(repairs_, "repairs.v1");
  // The trace of one of the two is lost.
  const std::string lost(server_.Customer("R2").root.bytes());
  server_.log->set_hook([lost](eventstore::Append append, eventstore::AppendCallback done,
                               const InterceptedLog::Pass& pass) {
    if (append.events[0].stream.root.bytes() != lost) {
      return pass(std::move(append), std::move(done));
    }
    done(absl::UnavailableError("the log takes no writes"));
  });
  const auto answer = Unseal(repairs_, "repairs.v1", references);
  server_.log->set_hook(nullptr);
  EXPECT_EQ(answer.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(answer.reply.ByteSizeLong(), 0u);
}

// DP-C4, DP-E4
TEST_F(UnsealTest, OldReferencesOfAnErasedPersonSayErased) {
  RaiseRepair("R1", "no hot water");
  const auto references = ReferencesOf(repairs_, "repairs.v1");
  ASSERT_THAT(references, SizeIs(1));
  ASSERT_EQ(StateOf(repairs_, "repairs.v1", references[0]), api::UNSEAL_STATE_OPENED);
  const size_t before = Traces();
  ASSERT_TRUE(server_.keys.Fence(server_.Customer("R1").subject).ok());
  EXPECT_EQ(StateOf(repairs_, "repairs.v1", references[0]), api::UNSEAL_STATE_ERASED) << "fenced";
  EXPECT_EQ(Traces(), before);
}

// DP-C4, C59
TEST_F(UnsealTest, TheRecordThatTellsOfAnErasureSaysErasedAsTheOldOnesDo) {
  RaiseRepair("R1");
  RaiseRepair("R2");
  const auto old = RecordsOf(repairs_, "repairs.v1");
  Erase("R1");
  const auto records = RecordsOf(repairs_, "repairs.v1");
  ASSERT_THAT(records, SizeIs(2)) << "that of R2, and that R1 was erased";
  std::set<std::string> erased_subjects;
  for (const auto& record : records) {
    EXPECT_EQ(StateOf(repairs_, "repairs.v1", record.reference()),
              record.erased() ? api::UNSEAL_STATE_ERASED : api::UNSEAL_STATE_OPENED);
    if (record.erased()) erased_subjects.insert(record.subject());
  }
  ASSERT_THAT(erased_subjects, SizeIs(1));
  for (const auto& record : old) {
    EXPECT_EQ(StateOf(repairs_, "repairs.v1", record.reference()),
              erased_subjects.contains(record.subject()) ? api::UNSEAL_STATE_ERASED
                                                         : api::UNSEAL_STATE_OPENED);
  }
}

// DP-C4: also at the last moment, and nobody else's answer is lost by it.
TEST_F(UnsealTest, WhoIsFencedBeforeTheTraceIsErasedAndTheOthersAreAnswered) {
  RaiseRepair("R1", "of R1");
  RaiseRepair("R2", "of R2");
  const auto references = ReferencesOf(repairs_, "repairs.v1");
  const auto leaving = server_.Customer("R1");
  server_.log->set_hook([this, leaving](eventstore::Append append, eventstore::AppendCallback done,
                                        const InterceptedLog::Pass& pass) {
    if (append.events[0].stream.root == leaving.root) {
      EXPECT_TRUE(server_.keys.Fence(leaving.subject).ok());
    }
    pass(std::move(append), std::move(done));
  });
  const auto answer = Unseal(repairs_, "repairs.v1", references);
  server_.log->set_hook(nullptr);
  ASSERT_EQ(answer.reply.results_size(), 2) << answer.status;
  int opened = 0;
  for (const auto& result : answer.reply.results()) {
    if (result.state() == api::UNSEAL_STATE_ERASED) continue;
    ++opened;
    EXPECT_EQ(EventOf<ev::ServiceRequestRaised>(result).request().description(), "of R2");
  }
  EXPECT_EQ(opened, 1);
}

// DP-N1
TEST_F(UnsealTest, AnEventOfWhichAllKeysHaveEndedIsErasedAndOneWithAKeyLeftIsNot) {
  RaiseRepair("R1");
  const auto references = ReferencesOf(repairs_, "repairs.v1");
  EndKey("R1", "vulnerability");
  const auto half = Unseal(repairs_, "repairs.v1", references);
  ASSERT_EQ(half.reply.results_size(), 1) << half.status;
  const auto raised = EventOf<ev::ServiceRequestRaised>(half.reply.results(0));
  EXPECT_EQ(raised.request().description(), "no hot water");
  EXPECT_THAT(raised.vulnerabilities(), IsEmpty());
  EndKey("R1", "service-request");
  EXPECT_EQ(StateOf(repairs_, "repairs.v1", references[0]), api::UNSEAL_STATE_ERASED);
}

// CR-3.1.2b: nothing tells a real reference of another stream from noise.
TEST_F(UnsealTest, AReferenceOfAnotherStreamIsAsNoReferenceAtAll) {
  RaiseReport("R1");
  const std::string own = ReferencesOf(repairs_, "repairs.v1").at(0);
  const std::string foreign = ReferencesOf(asb_, "asb.v1").at(0);
  const size_t before = Traces();
  std::string flipped = own;
  flipped[flipped.size() / 2] ^= 1;
  const auto noise = Unseal(repairs_, "repairs.v1", {"noise"});
  ASSERT_TRUE(noise.ok()) << noise.status;
  EXPECT_EQ(noise.reply.results(0).state(), api::UNSEAL_STATE_NOT_READABLE);
  for (const std::string& reference :
       {foreign, flipped, std::string(), std::string(foreign.size(), 'A'), own + own,
        std::string(100'000, 'A'), own.substr(1), std::string("\xff\x00\xfe", 3)}) {
    const auto answer = Unseal(repairs_, "repairs.v1", {reference});
    EXPECT_EQ(answer.reply.SerializeAsString(), noise.reply.SerializeAsString())
        << reference.substr(0, 200);
  }
  EXPECT_EQ(Traces(), before);
  EXPECT_EQ(StateOf(repairs_, "repairs.v1", own), api::UNSEAL_STATE_OPENED);
}

// CR-3.1.2a, CR-3.1.2b
TEST_F(UnsealTest, AStreamThatIsNotTheCallersIsRefusedAsOneThatNeverWas) {
  RaiseReport("R1");
  const std::string report = ReferencesOf(asb_, "asb.v1").at(0);
  const std::string absent = BytesOf(Unseal(repairs_, "no-such.v1", {"noise"}).raw);
  Who asb_purpose = repairs_;
  asb_purpose.purpose = "asb-casework";
  const std::vector<std::pair<std::string, grpc::Status>> refusals = {
      {"its reference", Unseal(repairs_, "asb.v1", {report}).raw},
      {"another purpose", Unseal(asb_purpose, "asb.v1", {report}).raw},
      {"noise", Unseal(repairs_, "asb.v1", {"noise"}).raw},
      {"no reference", Unseal(repairs_, "asb.v1", {}).raw},
      {"no stream", Unseal(repairs_, "", {report}).raw},
      {"a long name", Unseal(repairs_, std::string(5000, 'a'), {report}).raw},
      {"the officer", Unseal(amy_, "repairs.v1", {report}).raw},
      {"a follow", WorkFollower(server_, repairs_, "asb.v1", "", true).Finish()},
      {"a follow of none", WorkFollower(server_, repairs_, "no-such.v1", "", true).Finish()},
      {"a follow by the officer", WorkFollower(server_, amy_, "repairs.v1", "", true).Finish()},
      {"the ASB system, repairs", Unseal(asb_, "repairs.v1", {report}).raw},
      {"the DPO, ASB", Unseal(dora_, "asb.v1", {report}).raw},
  };
  for (const auto& [what, status] : refusals) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << what;
    EXPECT_EQ(BytesOf(status), absent) << what;
  }
  const auto traces = server_.TracesOf(server_.StaffOf("repairs").root);
  ASSERT_FALSE(traces.empty());
  for (const auto& trace : traces) EXPECT_TRUE(trace.refused());
  EXPECT_EQ(traces.front().asked_for(), "no-such.v1");
}

TEST_F(UnsealTest, MoreThanAHundredReferencesOrNoneAreAFieldThatIsWrong) {
  for (const size_t count : {size_t{0}, size_t{101}}) {
    const auto answer = Unseal(repairs_, "repairs.v1", std::vector<std::string>(count, "noise"));
    EXPECT_EQ(answer.status.code(), absl::StatusCode::kInvalidArgument) << count;
    EXPECT_EQ(answer.reason(), "FIELD_INVALID") << count;
  }
  EXPECT_EQ(
      Unseal(repairs_, "repairs.v1", std::vector<std::string>(100, "noise")).reply.results_size(),
      100);
}

// Clients take 4 MiB by default.
TEST_F(UnsealTest, ALongAnswerIsCutAndOnlyWhatWasAnsweredIsTraced) {
  std::string longest;
  for (int i = 0; i < 4'000; ++i) longest += "\xF0\x9F\x94\xA5";  // four bytes a character
  RaiseRepair("R1", longest);
  const std::string reference = ReferencesOf(repairs_, "repairs.v1").at(0);
  const auto answer = Unseal(repairs_, "repairs.v1", std::vector<std::string>(100, reference));
  ASSERT_TRUE(answer.ok()) << answer.status;
  EXPECT_LT(answer.reply.results_size(), 100);
  EXPECT_GT(answer.reply.results_size(), 50);
  EXPECT_LT(answer.reply.ByteSizeLong(), size_t{3} << 20);
  const auto traces = server_.TracesOf(server_.Customer("R1").root);
  ASSERT_THAT(traces, SizeIs(1));
  EXPECT_EQ(traces[0].events_opened(), static_cast<uint32_t>(answer.reply.results_size()));
}

}  // namespace
}  // namespace records::services::testing
