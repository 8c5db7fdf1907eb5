#include "projections/runner.h"

#include <atomic>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "eventstore/memory_storage.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "projections/view_rows.h"
#include "tests/projections/fake_log.h"
#include "tests/projections/note_projection.h"

namespace records::projections {
namespace {

using eventstore::MemoryStorage;
using eventstore::Position;
using eventstore::RootId;
using eventstore::StoreId;
using State = RunnerStatus::State;

constexpr absl::Duration kPatience = absl::Seconds(30);
absl::Time Deadline() { return absl::Now() + kPatience; }

class RunnerTest : public testing::Test {
 protected:
  std::unique_ptr<Runner> Open() {
    auto runner =
        Runner::Create(log_, notes_, storage_,
                       {.idle_wait = absl::Milliseconds(5), .retry_wait = absl::Milliseconds(5)});
    EXPECT_TRUE(runner.ok()) << runner.status();
    return *std::move(runner);
  }
  std::string Note(const RootId& root) {
    return storage_.Get(ViewTable(0), root.bytes())->value_or("");
  }
  // Waits on a condition that only the runner's thread can bring about.
  template <typename Condition>
  static void WaitUntil(Condition condition) {
    const absl::Time deadline = Deadline();
    while (!condition() && absl::Now() < deadline) std::this_thread::yield();
    EXPECT_TRUE(condition());
  }

  FakeLog log_{16, StoreId({1, 1})};
  NoteProjection notes_;
  MemoryStorage storage_{kNoteTables};
};

TEST_F(RunnerTest, AWaitForOnesOwnWriteReturnsWhenTheViewContainsIt) {
  const auto runner = Open();
  runner->Start();
  for (int i = 0; i < 50; ++i) {
    const RootId root = TestRoot(i % 16, 1 + i / 16);
    const Position position = log_.Add(NoteEvent(root, "a"));
    ASSERT_TRUE(runner->WaitFor(position, Deadline()).ok());
    EXPECT_THAT(Note(root), testing::HasSubstr(absl::StrCat("a", position.sequence, ";")));
  }
  EXPECT_EQ(runner->GetStatus().lag_events, 0u);
  EXPECT_EQ(runner->GetStatus().events_folded, 50u);
}

// What came of WhenApplied(), for a test that waits for it.
struct Told {
  absl::Notification told;
  absl::Status outcome;
  absl::AnyInvocable<void(absl::Status)> Callback() {
    return [this](absl::Status status) {
      outcome = std::move(status);
      told.Notify();
    };
  }
};

TEST_F(RunnerTest, WhoWaitsWithoutAThreadIsToldOnceTheViewContainsTheWrite) {
  const auto runner = Open();
  std::vector<std::unique_ptr<Told>> waiting;
  for (int i = 0; i < 50; ++i) {
    const Position position = log_.Add(NoteEvent(TestRoot(i % 16, 1), "a"));
    waiting.push_back(std::make_unique<Told>());
    runner->WhenApplied(position, Deadline(), waiting.back()->Callback());
  }
  EXPECT_FALSE(waiting[0]->told.HasBeenNotified());
  runner->Start();
  for (const auto& told : waiting) {
    ASSERT_TRUE(told->told.WaitForNotificationWithTimeout(kPatience));
    EXPECT_TRUE(told->outcome.ok()) << told->outcome;
  }
  Told at_once;
  runner->WhenApplied({1, 1}, absl::InfinitePast(), at_once.Callback());
  EXPECT_TRUE(at_once.told.HasBeenNotified());
  EXPECT_TRUE(at_once.outcome.ok());
}

TEST_F(RunnerTest, ConcurrentWritersAndWaitersAllSeeTheirWrites) {
  const auto runner = Open();
  runner->Start();
  std::vector<std::thread> writers;
  std::atomic<int> seen = 0;
  for (uint8_t writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < 200; ++i) {
        const Position position = log_.Add(NoteEvent(TestRoot(i % 16, 1 + writer), "a"));
        if (runner->WaitFor(position, Deadline()).ok()) ++seen;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(seen, 800);
  runner->Stop();
  MemoryStorage fresh(kNoteTables);
  const auto fold = ViewFold::Create(log_, notes_, fresh, {});
  ASSERT_TRUE((*fold)->FoldBatch().ok());
  EXPECT_EQ(AllRows(storage_, kNoteTables), AllRows(fresh, kNoteTables));
}

TEST_F(RunnerTest, ASubscriberHearsOfItsRootOnlyAndNoMoreOnceItHasLeft) {
  const auto runner = Open();
  std::atomic<uint64_t> last = 0, calls_after_end = 0;
  auto subscription = runner->Subscribe(TestRoot(1, 1), [&](Position at) { last = at.sequence; });
  auto ended = runner->Subscribe(TestRoot(1, 1), [&](Position) { ++calls_after_end; });
  ASSERT_TRUE(subscription.ok() && ended.ok());
  ended->reset();
  runner->Start();
  log_.Add(NoteEvent(TestRoot(1, 1), "a"));
  const Position other = log_.Add(NoteEvent(TestRoot(1, 2), "a"));
  ASSERT_TRUE(runner->WaitFor(other, Deadline()).ok());
  WaitUntil([&] { return last == 1; });
  const Position second = log_.Add(NoteEvent(TestRoot(1, 1), "b"));
  WaitUntil([&] { return last == second.sequence; });
  EXPECT_EQ(calls_after_end, 0u);
}

TEST_F(RunnerTest, AParkedRootIsReplayedOnDemandAndItsListenerIsTold) {
  const RootId bad = TestRoot(2, 1);
  const auto runner = Open();
  std::atomic<int> calls = 0;
  auto subscription = runner->Subscribe(bad, [&](Position) { ++calls; });
  runner->Start();
  log_.Add(NoteEvent(bad, "bad"));
  const Position last = log_.Add(NoteEvent(bad, "b"));
  ASSERT_TRUE(runner->WaitFor(last, Deadline()).ok());
  EXPECT_TRUE(absl::IsUnavailable(CheckNotParked(storage_, bad)));
  ASSERT_EQ(runner->ParkedRoots().size(), 1u);
  EXPECT_EQ(runner->ParkedRoots()[0].root, bad);
  EXPECT_EQ(runner->GetStatus().parked_roots, 1u);
  EXPECT_TRUE(absl::IsInvalidArgument(runner->GetStatus().last_parked_error));
  notes_.mended = true;
  EXPECT_TRUE(runner->Replay(bad).ok());
  EXPECT_EQ(Note(bad), "bad1;b2;");
  EXPECT_TRUE(runner->ParkedRoots().empty());
  WaitUntil([&] { return calls > 0; });
}

// Error paths.

TEST_F(RunnerTest, AWaitEndsAtItsDeadline) {
  const auto runner = Open();
  runner->Start();
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(runner->WaitFor({1, 5}, absl::Now() + absl::Milliseconds(1))));
  EXPECT_TRUE(absl::IsInvalidArgument(runner->WaitFor({16, 1}, Deadline())));
}

TEST_F(RunnerTest, StoppingWakesWhoeverWaits) {
  const auto runner = Open();
  runner->Start();
  absl::Status result;
  std::thread waiter([&] { result = runner->WaitFor({1, 5}, absl::InfiniteFuture()); });
  runner->Stop();
  waiter.join();
  EXPECT_TRUE(absl::IsUnavailable(result));
  EXPECT_EQ(runner->GetStatus().state, State::kStopped);
  EXPECT_TRUE(absl::IsUnavailable(runner->Replay(TestRoot(1, 1))));
}

TEST_F(RunnerTest, WhoWaitsWithoutAThreadIsToldOfTheDeadlineTheStopAndThatTooManyWait) {
  const auto runner = Open();
  Told late, unknown, stopped, too_many;
  runner->WhenApplied({16, 1}, Deadline(), unknown.Callback());
  EXPECT_TRUE(absl::IsInvalidArgument(unknown.outcome));
  runner->Start();
  runner->WhenApplied({1, 5}, absl::Now() + absl::Milliseconds(1), late.Callback());
  ASSERT_TRUE(late.told.WaitForNotificationWithTimeout(kPatience));
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.outcome));
  runner->WhenApplied({1, 5}, absl::InfiniteFuture(), stopped.Callback());
  std::atomic<size_t> told = 0;
  for (size_t i = 1; i < kAppliedWaitersMax; ++i) {
    runner->WhenApplied({1, 5}, absl::InfiniteFuture(), [&](const absl::Status&) { ++told; });
  }
  runner->WhenApplied({1, 5}, absl::InfiniteFuture(), too_many.Callback());
  EXPECT_TRUE(absl::IsResourceExhausted(too_many.outcome));
  EXPECT_EQ(told, 0u);
  runner->Stop();
  EXPECT_TRUE(absl::IsUnavailable(stopped.outcome));
  EXPECT_EQ(told, kAppliedWaitersMax - 1);
}

TEST_F(RunnerTest, AStalledViewSaysSoLagsAndRecovers) {
  notes_.unavailable = true;
  const auto runner = Open();
  runner->Start();
  const Position position = log_.Add(NoteEvent(TestRoot(1, 1), "a"));
  WaitUntil([&] { return runner->GetStatus().state == State::kStalled; });
  EXPECT_EQ(runner->GetStatus().lag_events, 1u);
  EXPECT_TRUE(absl::IsUnavailable(runner->GetStatus().error));
  notes_.unavailable = false;
  EXPECT_TRUE(runner->WaitFor(position, Deadline()).ok());
  WaitUntil([&] { return runner->GetStatus().state == State::kRunning; });
}

TEST_F(RunnerTest, AFailedWriteStopsTheViewAndIsNamed) {
  storage_.set_before_write([] { return absl::InternalError("broken"); });
  const auto runner = Open();
  runner->Start();
  const Position position = log_.Add(NoteEvent(TestRoot(1, 1), "a"));
  EXPECT_TRUE(absl::IsUnavailable(runner->WaitFor(position, absl::InfiniteFuture())));
  EXPECT_EQ(runner->GetStatus().state, State::kFailed);
  EXPECT_THAT(runner->GetStatus().error.message(), testing::HasSubstr("view notes"));
}

TEST_F(RunnerTest, SubscribersAreBounded) {
  RootListeners listeners;
  std::vector<std::unique_ptr<RootListeners::Subscription>> standing;
  for (size_t i = 0; i < kRootListenersMax; ++i) {
    auto subscription = listeners.Add(TestRoot(1, i % 200), [](Position) {});
    ASSERT_TRUE(subscription.ok());
    standing.push_back(*std::move(subscription));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(listeners.Add(TestRoot(1, 1), [](Position) {}).status()));
  standing.pop_back();
  EXPECT_TRUE(listeners.Add(TestRoot(1, 1), [](Position) {}).ok());
}

}  // namespace
}  // namespace records::projections
