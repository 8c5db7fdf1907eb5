// The tail of a log as it lies on a real broker, and a log that is made whole from it.

#include "eventstore/bus/log_topic_tail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <random>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "eventstore/bus/relay.h"
#include "eventstore/log_tail.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_support::AppendOf;
using testing_support::AppendTo;
using testing_support::kBrokerTimeout;
using testing_support::MakeAnew;
using testing_support::MakeEvent;
using testing_support::MakeTopics;
using testing_support::MemoryLog;
using testing_support::ReadAll;
using testing_support::ReadTopic;
using testing_support::RootIn;
using testing_support::Stream;
using testing_support::WithRequest;

constexpr uint32_t kPartitions = 4;
// Each look takes seconds on the slowest machine, and one in a few meets a transaction halfway.
constexpr absl::Duration kSettleMax = absl::Seconds(60);

class LogTopicTailTest : public testing_support::BrokerTest {
 protected:
  void SetUp() override { MakeTopics(broker_->settings(), prefix_, kPartitions); }

  // The same again makes the same log.
  static void AppendSome(EventLog& log, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; ++i) {
      std::vector<NewEvent> events;
      const RootId root = RootIn(i % kPartitions, 1 + i % 7);
      for (uint32_t n = 0; n <= i % 3; ++n) {
        NewEvent event = MakeEvent(Stream(root));
        records::log::v1::Event body;
        ASSERT_TRUE(body.ParseFromString(event.body));
        body.set_id(absl::StrCat(1'000'000'000 + i, "-", 10'000 + n));
        event.body = body.SerializeAsString();
        events.push_back(std::move(event));
      }
      const auto done = log.AppendAndWait(WithRequest(AppendOf(std::move(events)), i));
      ASSERT_TRUE(done.ok()) << done.status();
    }
  }

  // Publishes all in small transactions.
  void Publish() {
    RelayOptions options = Options();
    options.batch_events = 1;
    Relay relay(log_, options);
    relay.Start();
    WaitForAll(relay);
  }

  std::unique_ptr<TailSource> OpenTail(const KafkaSettings& settings,
                                       absl::Duration timeout = kBrokerTimeout) {
    auto tail = OpenLogTopicTail(settings, prefix_, timeout);
    EXPECT_TRUE(tail.ok()) << tail.status();
    return *std::move(tail);
  }
  std::unique_ptr<TailSource> OpenTail() { return OpenTail(broker_->settings()); }

  MemoryLog files_{kPartitions};
  EventLog& log_ = files_.Open();
};

TEST_F(LogTopicTailTest, ATailIsReadFromAnyPositionToTheEnd) {
  AppendSome(log_, 0, 400);
  Publish();
  const auto tail = OpenTail();
  const auto ends = tail->FindEnds();
  ASSERT_TRUE(ends.ok()) << ends.status();
  ASSERT_EQ(ends->size(), kPartitions);
  std::mt19937 random(SeedOfRun());
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    const std::vector<StoredEvent> events = ReadAll(log_, partition);
    const TailPartition& end = (*ends)[partition];
    EXPECT_EQ(end.last, events.size());
    EXPECT_TRUE(log_.VerifyCheckpoint(Ledger::kEvents, end.published).ok());
    for (const uint64_t from : {uint64_t{1}, 1 + random() % events.size(), events.size()}) {
      ASSERT_TRUE(tail->Seek({partition, from}).ok());
      uint64_t sequence = from;
      while (sequence <= events.size()) {
        const auto page = tail->NextPage();
        ASSERT_TRUE(page.ok()) << page.status();
        ASSERT_FALSE(page->empty());
        for (const TailEvent& event : *page) {
          ASSERT_EQ(event.position, (Position{partition, sequence}));
          ASSERT_EQ(event.previous, (Position{partition, sequence - 1}));
          ASSERT_EQ(event.log, log_.store_id());
          ASSERT_EQ(event.bytes, events[sequence++ - 1].bytes);
        }
      }
      EXPECT_TRUE(tail->NextPage()->empty());
    }
  }
}

TEST_F(LogTopicTailTest, ALogFromBeforeWhatItPublishedIsMadeWholeAndItsRelayGoesOn) {
  AppendSome(log_, 0, 300);
  Publish();
  MemoryLog older(kPartitions);
  older.Open();
  AppendSome(*older.log, 0, 120);
  older.log.reset();
  auto stepped = OpenSteppedLogOn(
      {&older.storage, &older.anchor_files, older.checkpoint_files.get()}, older.options);
  ASSERT_TRUE(stepped.ok()) << stepped.status();
  const auto tail = OpenTail();
  const auto appended = AppendTail(*tail, *stepped->log, *stepped->writer, {});
  ASSERT_TRUE(appended.ok()) << appended.status();
  EXPECT_GT(appended->events, 0u);
  stepped->log.reset();
  EventLog& restored = older.Open();
  AppendSome(restored, 300, 350);
  Relay relay(restored, Options());
  relay.Start();
  WaitForAll(relay);
  EXPECT_EQ(relay.GetStatus().events_republished, 0u);
  relay.Stop();
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    const auto records =
        ReadTopic(broker_->settings(), LogTopic(prefix_), static_cast<int32_t>(partition));
    const auto events = ReadAll(restored, partition);
    ASSERT_EQ(records.size(), events.size()) << "partition " << partition;
    for (size_t i = 0; i < events.size(); ++i) ASSERT_EQ(records[i].value, events[i].bytes);
  }
}

// As in a drill beside a server that runs: what was published when it was asked, and confirmed.
TEST_F(LogTopicTailTest, EndsThatMoveAreToldAsTheyWereAtOneTime) {
  Relay relay(log_, Options());
  relay.Start();
  // Each round lets it go so much further: the relay is never far behind.
  constexpr uint32_t kAppendsOfARound = 300;
  constexpr uint32_t kNoMore = std::numeric_limits<uint32_t>::max();
  std::atomic<uint32_t> appends_max = 0;
  std::thread writer([&] {
    uint32_t appended = 0;
    for (uint32_t most; (most = appends_max) != kNoMore; appends_max.wait(most)) {
      for (; appended < most && !HasFailure(); ++appended) AppendSome(log_, appended, appended + 1);
    }
  });
  const absl::Cleanup end_writer = [&] {
    appends_max = kNoMore;
    appends_max.notify_one();
    writer.join();
  };
  for (int round = 0; round < 10; ++round) {
    appends_max += kAppendsOfARound;
    appends_max.notify_one();
    const auto tail = OpenLogTopicTail(broker_->settings(), prefix_, kBrokerTimeout, kSettleMax);
    ASSERT_TRUE(tail.ok()) << tail.status();
    const auto ends = (*tail)->FindEnds();
    ASSERT_TRUE(ends.ok()) << ends.status();
    for (const TailPartition& end : *ends) {
      EXPECT_EQ(end.last, end.published.position.sequence);
      EXPECT_TRUE(log_.VerifyCheckpoint(Ledger::kEvents, end.published).ok());
    }
  }
}

// An append is in a log whole or not at all, and so it is on its topic: between its events no
// transaction ends, which would take an offset.
TEST_F(LogTopicTailTest, AnAppendIsPublishedInOneTransaction) {
  AppendSome(log_, 0, 60);
  Publish();
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    const auto records =
        ReadTopic(broker_->settings(), LogTopic(prefix_), static_cast<int32_t>(partition));
    const auto events = ReadAll(log_, partition);
    ASSERT_EQ(records.size(), events.size());
    for (size_t i = 1; i < events.size(); ++i) {
      const bool in_append = events[i].event.append().index() > 0;
      EXPECT_EQ(records[i].offset == records[i - 1].offset + 1, in_append) << partition << "/" << i;
    }
  }
}

TEST_F(LogTopicTailTest, TopicsWithoutRecordsHaveNoTail) {
  const auto ends = OpenTail()->FindEnds();
  ASSERT_TRUE(ends.ok()) << ends.status();
  EXPECT_TRUE(ends->empty());
}

TEST_F(LogTopicTailTest, RecordsWithoutProgressAreNamed) {
  AppendSome(log_, 0, 20);
  Publish();
  MakeAnew(broker_->settings(), {.name = ProgressTopic(prefix_),
                                 .partitions = 1,
                                 .configuration = {{"cleanup.policy", "compact"}}});
  const absl::Status status = OpenTail()->FindEnds().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), StartsWith("PROGRESS_LOST"));
}

TEST_F(LogTopicTailTest, ATopicThatLostItsRecordsIsShort) {
  AppendSome(log_, 0, 20);
  Publish();
  MakeAnew(broker_->settings(), {.name = LogTopic(prefix_), .partitions = kPartitions});
  MemoryLog older(kPartitions);
  auto stepped = OpenSteppedLogOn(
      {&older.storage, &older.anchor_files, older.checkpoint_files.get()}, older.options);
  const auto tail = OpenTail();
  const absl::Status status = AppendTail(*tail, *stepped->log, *stepped->writer, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), StartsWith("TOPIC_SHORT"));
}

TEST_F(LogTopicTailTest, ABrokerThatIsAwayIsToldSo) {
  const auto settings = KafkaSettings::FromAddress("127.0.0.1:1");
  const absl::Status status = OpenTail(*settings, absl::Seconds(1))->FindEnds().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no broker answers"));
}

}  // namespace
}  // namespace records::eventstore
