// The timeline folded from the log's topic on a real broker is the one folded from the log itself,
// byte for byte, whatever dies on the way.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <random>

#include "absl/time/clock.h"
#include "eventstore/bus/topic_log.h"
#include "projections/runner.h"
#include "projections/view.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/temp_folder.h"
#include "tests/projections/note_projection.h"
#include "tests/projections/timeline_log.h"
#include "tests/seed.h"

namespace records::projections {
namespace {

using eventstore::EventLog;
using eventstore::Ledger;
using eventstore::MemoryStorage;
using eventstore::Position;
using eventstore::Relay;
using eventstore::TopicLog;
using eventstore::testing_support::BrokerDeadline;
using eventstore::testing_support::FullCounts;
using eventstore::testing_support::kBrokerTimeout;
using eventstore::testing_support::MakeAnew;
using eventstore::testing_support::MakeTopics;

constexpr uint32_t kPartitions = TimelineLog::kPartitions;

class TopicFoldTest : public eventstore::testing_support::BrokerTest {
 protected:
  void SetUp() override {
    random_.seed(SeedOfRun());
    MakeTopics(broker_->settings(), prefix_, kPartitions);
    StartRelay();
  }

  void StartRelay() {
    relay_ = std::make_unique<Relay>(events_.log(), Options());
    relay_->Start();
  }

  void Publish(int events) {
    events_.Append(events, random_);
    WaitForAll(*relay_);
  }

  std::unique_ptr<TopicLog> OpenTopic() {
    const auto open = [&] {
      return TopicLog::Open({.settings = broker_->settings(),
                             .prefix = prefix_,
                             .log = events_.log().store_id(),
                             .retry_wait_max = absl::Milliseconds(500)});
    };
    auto topic = open();
    // A topic that was just made is not known at once everywhere.
    const absl::Time deadline = absl::Now() + kBrokerTimeout;
    while (absl::IsNotFound(topic.status()) && absl::Now() < deadline) topic = open();
    EXPECT_TRUE(topic.ok()) << topic.status();
    return *std::move(topic);
  }

  // How many positions a fold has come to.
  static uint64_t Folded(const ViewFold& fold) {
    uint64_t events = 0;
    for (uint32_t i = 0; i < kPartitions; ++i) events += fold.Applied(i).sequence;
    return events;
  }

  // Folds until `events` are in the view, at least; or the fold fails.
  absl::Status FoldTo(const EventLog& log, ViewFold& fold, uint64_t events) {
    const absl::Time deadline = BrokerDeadline();
    while (Folded(fold) < events) {
      if (absl::Now() > deadline) return absl::DeadlineExceededError("the topic does not go on");
      const uint64_t seen = log.WaitForBatch(Ledger::kEvents, ~uint64_t{0}, absl::ZeroDuration());
      const auto progress = fold.FoldBatch();
      if (!progress.ok()) return progress.status();
      if (!progress->stalled.ok()) return progress->stalled;
      if (!progress->moved) log.WaitForBatch(Ledger::kEvents, seen, absl::Milliseconds(100));
    }
    return absl::OkStatus();
  }

  static void WaitForView(const Runner& runner, const EventLog& log) {
    for (uint32_t i = 0; i < kPartitions; ++i) {
      const absl::Status status = runner.WaitFor(log.Head(Ledger::kEvents, i), BrokerDeadline());
      ASSERT_TRUE(status.ok()) << status;
    }
  }

  std::mt19937_64 random_;
  TimelineLog events_;
  std::unique_ptr<Relay> relay_;
};

TEST_F(TopicFoldTest, TheViewIsTheOneOfTheLogItself) {
  Publish(500);
  MemoryStorage storage(kTimelineLogTables);
  const auto topic = OpenTopic();
  const auto fold = ViewFold::Create(*topic, events_.projection(), storage, {});
  ASSERT_TRUE(fold.ok()) << fold.status();
  const absl::Status folded = FoldTo(*topic, **fold, events_.size());
  ASSERT_TRUE(folded.ok()) << folded;
  EXPECT_EQ(ComparableRows(storage, kTimelineLogTables), events_.FreshRows());
}

// The process dies before or after any write of the view, and goes on from what the disk has.
TEST_F(TopicFoldTest, AViewThatDiesAnywhereGoesOnWhereItsRowsStand) {
  MemoryStorage storage(kTimelineLogTables);
  uint64_t until_death = ~uint64_t{0};
  bool after_write = false;
  const auto die = [&](bool after) {
    if (after != after_write || until_death-- > 0) return absl::OkStatus();
    return absl::InternalError("killed");
  };
  storage.set_before_write([&] { return die(false); });
  storage.set_after_write([&] { return die(true); });
  int deaths = 0;
  const int lives = FullCounts() ? 100 : 12;
  for (int life = 0; life < lives; ++life) {
    events_.Append(60, random_);
    until_death = random_() % 4;
    after_write = random_() % 2 == 0;
    const auto topic = OpenTopic();
    const auto fold = ViewFold::Create(*topic, events_.projection(), storage,
                                       {.batch_events = 1 + random_() % 40});
    ASSERT_TRUE(fold.ok()) << fold.status();
    if (FoldTo(*topic, **fold, events_.size()).code() == absl::StatusCode::kInternal) ++deaths;
  }
  EXPECT_GT(deaths, 0);
  until_death = ~uint64_t{0};
  const auto topic = OpenTopic();
  const auto fold = ViewFold::Create(*topic, events_.projection(), storage, {});
  ASSERT_TRUE(fold.ok()) << fold.status();
  const absl::Status folded = FoldTo(*topic, **fold, events_.size());
  ASSERT_TRUE(folded.ok()) << folded;
  EXPECT_EQ(ComparableRows(storage, kTimelineLogTables), events_.FreshRows());
}

TEST_F(TopicFoldTest, ABrokerThatHangsOrDiesIsWaitedForAndTheViewGoesOn) {
  MemoryStorage storage(kTimelineLogTables);
  const auto topic = OpenTopic();
  const auto runner = Runner::Create(*topic, events_.projection(), storage, {});
  ASSERT_TRUE(runner.ok()) << runner.status();
  (*runner)->Start();
  Publish(100);
  WaitForView(**runner, events_.log());
  broker_->Signal(SIGSTOP);
  events_.Append(100, random_);
  EXPECT_EQ((*runner)->GetStatus().state, RunnerStatus::State::kRunning);
  broker_->Signal(SIGCONT);
  WaitForView(**runner, events_.log());
  broker_->Kill();
  events_.Append(100, random_);
  broker_->Start();
  WaitForView(**runner, events_.log());
  (*runner)->Stop();
  EXPECT_EQ(ComparableRows(storage, kTimelineLogTables), events_.FreshRows());
}

TEST_F(TopicFoldTest, AViewIsFoldedAnewBesideItselfWhileEventsCome) {
  eventstore::testing_support::TempFolder folder;
  const auto topic = OpenTopic();
  const auto opened =
      View::Open(*topic, events_.projection(),
                 {.folder = folder / "timeline", .open_storage = RocksViewStorage(1 << 20)});
  ASSERT_TRUE(opened.ok()) << opened.status();
  View& view = **opened;
  Publish(200);
  std::atomic<bool> stop = false;
  std::thread load([&] {
    while (!stop) Publish(5);
  });
  const absl::Status rebuilt = view.Rebuild(BrokerDeadline());
  const uint64_t copy = view.live()->id.number;
  const absl::Status undone = view.Undo(BrokerDeadline());
  stop = true;
  load.join();
  ASSERT_TRUE(rebuilt.ok()) << rebuilt;
  EXPECT_EQ(copy, 2u);
  ASSERT_TRUE(undone.ok()) << undone;
  EXPECT_EQ(view.live()->id.number, 1u);
  WaitForView(*view.live()->runner, events_.log());
  EXPECT_EQ(ComparableRows(*view.live()->storage, kTimelineLogTables), events_.FreshRows());
  ASSERT_TRUE(view.Undo(BrokerDeadline()).ok());
  WaitForView(*view.live()->runner, events_.log());
  EXPECT_EQ(ComparableRows(*view.live()->storage, kTimelineLogTables), events_.FreshRows());
}

TEST_F(TopicFoldTest, AParkedRootIsReplayedFromTheTopic) {
  const eventstore::RootId root = eventstore::testing_support::RootIn(1);
  const auto append = [&](std::string type) {
    ASSERT_TRUE(events_.log()
                    .AppendAndWait(eventstore::testing_support::AppendTo(
                        eventstore::testing_support::Stream(root), {.type = std::move(type)}))
                    .ok());
  };
  for (int i = 0; i < 300; ++i) append(i == 100 ? "bad" : "good");
  WaitForAll(*relay_);
  NoteProjection notes;
  MemoryStorage storage(kNoteTables);
  const auto topic = OpenTopic();
  const auto fold = ViewFold::Create(*topic, notes, storage, {});
  ASSERT_TRUE(fold.ok()) << fold.status();
  ASSERT_TRUE(FoldTo(*topic, **fold, 300).ok());
  EXPECT_EQ((*fold)->parked().size(), 1u);
  notes.mended = true;
  const absl::Status replayed = (*fold)->Replay(root);
  ASSERT_TRUE(replayed.ok()) << replayed;
  MemoryStorage fresh(kNoteTables);
  const auto again = ViewFold::Create(events_.log(), notes, fresh, {});
  ASSERT_TRUE(FoldTo(events_.log(), **again, 300).ok());
  EXPECT_EQ(ComparableRows(storage, kNoteTables), ComparableRows(fresh, kNoteTables));
}

TEST_F(TopicFoldTest, AViewOnATopicThatWasMadeAnewIsRefused) {
  Publish(100);
  MemoryStorage storage(kTimelineLogTables);
  {
    const auto topic = OpenTopic();
    const auto fold = ViewFold::Create(*topic, events_.projection(), storage, {});
    ASSERT_TRUE(FoldTo(*topic, **fold, events_.size()).ok());
  }
  relay_.reset();
  MakeAnew(broker_->settings(),
           {.name = eventstore::LogTopic(prefix_), .partitions = static_cast<int>(kPartitions)});
  const auto topic = OpenTopic();
  const auto fold = ViewFold::Create(*topic, events_.projection(), storage, {});
  EXPECT_TRUE(absl::IsOutOfRange(fold.status())) << fold.status();
}

}  // namespace
}  // namespace records::projections
