// The log read from its topic on a real broker, held against the log itself.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "absl/time/clock.h"
#include "eventstore/bus/topic_log.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/log_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_support::AppendTo;
using testing_support::kBrokerTimeout;
using testing_support::MakeAnew;
using testing_support::MakeTopics;
using testing_support::MemoryLog;
using testing_support::ReadAll;
using testing_support::ReadTopic;
using testing_support::RootIn;
using testing_support::Stream;
using Kind = FollowMessage::Kind;

constexpr uint32_t kPartitions = 4;

class TopicLogBrokerTest : public testing_support::BrokerTest {
 protected:
  void SetUp() override {
    MakeTopics(broker_->settings(), prefix_, kPartitions);
    StartRelay();
  }

  void StartRelay() {
    relay_ = std::make_unique<Relay>(log_, Options());
    relay_->Start();
  }

  void Append(int events) {
    for (int i = 0; i < events; ++i) {
      const auto done = log_.AppendAndWait(AppendTo(Stream(RootIn(number_++ % kPartitions))));
      ASSERT_TRUE(done.ok()) << done.status();
    }
  }
  void Publish(int events) {
    Append(events);
    WaitForAll(*relay_);
  }

  TopicLogOptions TopicOptions() {
    return {.settings = broker_->settings(),
            .prefix = prefix_,
            .broker_timeout = absl::Seconds(60),
            .retry_wait_max = absl::Milliseconds(500)};
  }

  std::unique_ptr<TopicLog> OpenTopic(std::optional<StoreId> expected = std::nullopt) {
    const auto open = [&] {
      TopicLogOptions options = TopicOptions();
      options.log = expected;
      return TopicLog::Open(options);
    };
    auto topic = open();
    // A topic that was just made is not known at once everywhere.
    const absl::Time deadline = absl::Now() + kBrokerTimeout;
    while (absl::IsNotFound(topic.status()) && absl::Now() < deadline) topic = open();
    EXPECT_TRUE(topic.ok()) << topic.status();
    return *std::move(topic);
  }

  // Follows until what keeps followers of a partition from reading is, or is no more.
  static void WaitForHealth(const TopicLog& topic, Follower& follower, absl::StatusCode code,
                            uint32_t partition = 0) {
    const absl::Time deadline = absl::Now() + kBrokerTimeout;
    while (topic.ReadHealth(partition).code() != code && absl::Now() < deadline) {
      const auto message = follower.Next(absl::Milliseconds(100));
      ASSERT_TRUE(message.ok()) << message.status();
      ASSERT_NE(message->kind, Kind::kEvent);
    }
    EXPECT_EQ(topic.ReadHealth(partition).code(), code) << topic.ReadHealth(partition);
  }

  // Clients of librdkafka that this process has: each has a main thread.
  static size_t CountClients() {
    size_t clients = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream file(task.path() / "comm");
      std::string name;
      if (std::getline(file, name) && name == "rdk:main") ++clients;
    }
    return clients;
  }

  // The next event, or the error that stands in its place.
  static absl::StatusOr<StoredEvent> NextEvent(Follower& follower) {
    const absl::Time deadline = absl::Now() + kBrokerTimeout;
    while (absl::Now() < deadline) {
      auto message = follower.Next(absl::Seconds(1));
      if (!message.ok()) return message.status();
      if (message->kind == Kind::kEvent) return std::move(message->event);
    }
    return absl::DeadlineExceededError("no event came");
  }

  // Follows to the log's head, event by event as the log has them.
  void ExpectFollows(Follower& follower, uint32_t partition, uint64_t after) {
    const auto events = ReadAll(log_, partition);
    for (uint64_t i = after; i < events.size(); ++i) {
      const auto event = NextEvent(follower);
      ASSERT_TRUE(event.ok()) << event.status();
      ASSERT_EQ(event->position, events[i].position);
      ASSERT_EQ(event->bytes, events[i].bytes);
    }
  }

  // What a follower from the start says once it has given what is good.
  std::string Refusal() {
    const auto topic = OpenTopic();
    const auto follower = *topic->Follow({.after = {.partition = 0}});
    ExpectFollows(*follower, 0, 0);
    const absl::Status status = NextEvent(*follower).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    if (!absl::IsDataLoss(status)) return "";
    EXPECT_EQ(NextEvent(*follower).status(), status);  // and does not go past it
    EXPECT_EQ(topic->ReadHealth(0), status);
    return std::string(status.message());
  }

  MemoryLog files_{kPartitions};
  EventLog& log_ = files_.Open();
  std::unique_ptr<Relay> relay_;
  uint32_t number_ = 0;
};

TEST_F(TopicLogBrokerTest, GivesTheEventsOfTheLogAndItsTreeRoots) {
  Publish(400);
  const auto topic = OpenTopic();
  EXPECT_EQ(topic->store_id(), log_.store_id());
  EXPECT_EQ(topic->partition_count(), kPartitions);
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    const auto follower = *topic->Follow({.after = {.partition = partition}});
    ExpectFollows(*follower, partition, 0);
    for (const uint64_t back : {0, 1}) {
      const Position position{partition, 100 - back};
      const auto own = log_.CheckpointAt(Ledger::kEvents, position);
      const auto checkpoint = topic->CheckpointAt(Ledger::kEvents, position);
      ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
      EXPECT_EQ(checkpoint->root, own->root);
      EXPECT_EQ(checkpoint->store, own->store);
    }
    EXPECT_EQ(topic->Head(Ledger::kEvents, partition), log_.Head(Ledger::kEvents, partition));
  }
  const auto elsewhere = topic->CheckpointAt(Ledger::kEvents, {0, 50});
  EXPECT_TRUE(absl::IsOutOfRange(elsewhere.status())) << elsewhere.status();
}

TEST_F(TopicLogBrokerTest, SaysThatItHasCaughtUpAndWakesForWhatComes) {
  Publish(40);
  const auto topic = OpenTopic();
  const auto follower = *topic->Follow({.after = {.partition = 1}});
  ExpectFollows(*follower, 1, 0);
  absl::StatusOr<FollowMessage> message = FollowMessage{};
  while (message.ok() && message->kind == Kind::kHeartbeat) {
    message = follower->Next(absl::Seconds(1));
  }
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->kind, Kind::kCaughtUp);
  const uint64_t seen = topic->WaitForBatch(Ledger::kEvents, 1'000'000, absl::ZeroDuration());
  Publish(4);
  EXPECT_GT(topic->WaitForBatch(Ledger::kEvents, seen, kBrokerTimeout), seen);
  ExpectFollows(*follower, 1, 10);
  EXPECT_EQ(topic->Head(Ledger::kEvents, 1), log_.Head(Ledger::kEvents, 1));
}

TEST_F(TopicLogBrokerTest, HearsOfAHeadWithoutAFollowerWhenAsked) {
  Publish(40);
  const auto topic = OpenTopic();
  EXPECT_EQ(topic->Head(Ledger::kEvents, 3).sequence, 0u);
  const auto head = topic->FindHead(Ledger::kEvents, 3);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(*head, log_.Head(Ledger::kEvents, 3));
}

TEST_F(TopicLogBrokerTest, TypesThatAreNotAskedForArePassed) {
  for (int i = 0; i < 30; ++i) {
    const std::string type =
        i % 3 == 2 ? "records.events.v1.CustomerRegistered" : std::string(testing_support::kType);
    ASSERT_TRUE(log_.AppendAndWait(AppendTo(Stream(RootIn(0)), {.type = type})).ok());
  }
  WaitForAll(*relay_);
  const auto topic = OpenTopic();
  const auto follower = *topic->Follow(
      {.after = {.partition = 0}, .types = {"records.events.v1.CustomerRegistered"}});
  Position passed{.partition = 0};
  const absl::Time deadline = absl::Now() + kBrokerTimeout;
  for (uint64_t sequence = 3; sequence <= 30 && absl::Now() < deadline;) {
    const auto message = follower->Next(absl::Seconds(1));
    ASSERT_TRUE(message.ok()) << message.status();
    // ViewFold may hold an event back: then it asks for the place of the message before.
    const auto own = log_.CheckpointAt(Ledger::kEvents, passed);
    const auto checkpoint = topic->CheckpointAt(Ledger::kEvents, passed);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ(checkpoint->root, own->root);
    passed = message->checkpoint;
    if (message->kind != Kind::kEvent) continue;
    EXPECT_EQ(message->event.position.sequence, sequence);
    sequence += 3;
  }
  EXPECT_EQ(passed.sequence, 30u);
}

TEST_F(TopicLogBrokerTest, GoesOnFromACheckpoint) {
  Publish(200);
  const Position position{2, 30};
  PartitionCheckpoint checkpoint;
  {
    const auto topic = OpenTopic();
    const auto follower = *topic->Follow({.after = {.partition = 2}});
    for (uint64_t i = 1; i <= position.sequence; ++i) ASSERT_TRUE(NextEvent(*follower).ok());
    checkpoint = *topic->CheckpointAt(Ledger::kEvents, position);
  }
  const auto topic = OpenTopic(log_.store_id());
  const absl::Status verified = topic->VerifyCheckpoint(Ledger::kEvents, checkpoint);
  ASSERT_TRUE(verified.ok()) << verified;
  const auto follower = *topic->Follow({.after = position});
  EXPECT_TRUE(topic->CheckpointAt(Ledger::kEvents, position).ok());
  ExpectFollows(*follower, 2, position.sequence);
  const auto at_end = topic->CheckpointAt(Ledger::kEvents, {2, 50});
  ASSERT_TRUE(at_end.ok()) << at_end.status();
  EXPECT_EQ(at_end->root, log_.CheckpointAt(Ledger::kEvents, {2, 50})->root);
}

TEST_F(TopicLogBrokerTest, WithoutACheckpointItReadsFromTheStartAndDeliversWhatIsOwed) {
  Publish(200);
  const auto topic = OpenTopic();
  ASSERT_TRUE(topic->FindHead(Ledger::kEvents, 2).ok());
  const auto follower = *topic->Follow({.after = {2, 30}});
  ExpectFollows(*follower, 2, 30);
  EXPECT_EQ(topic->CheckpointAt(Ledger::kEvents, {2, 50})->root,
            log_.CheckpointAt(Ledger::kEvents, {2, 50})->root);
  EXPECT_TRUE(absl::IsOutOfRange(topic->Follow({.after = {2, 51}}).status()));
}

TEST_F(TopicLogBrokerTest, ReadsWhatAReplayNeeds) {
  for (int round = 0; round < 10; ++round) Publish(20);  // transactions of several sizes
  const auto topic = OpenTopic();
  for (const uint64_t sequence : {1, 2, 17, 49, 50}) {
    const auto event = topic->ReadAt(Ledger::kEvents, {1, sequence});
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(event->bytes, log_.ReadAt(Ledger::kEvents, {1, sequence})->bytes);
  }
  EXPECT_TRUE(absl::IsNotFound(topic->ReadAt(Ledger::kEvents, {1, 51}).status()));
  const RootId root = RootIn(1);
  const auto all = topic->ReadRoot(Ledger::kEvents, root, 40, {});
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 10u);
  EXPECT_EQ(all->front().position, (Position{1, 41}));
  EXPECT_EQ(topic->ReadRoot(Ledger::kEvents, root, 0, {.events = 7})->size(), 7u);
  EXPECT_EQ(topic->ReadRoot(Ledger::kEvents, RootIn(1, 2), 0, {})->size(), 0u);
  EXPECT_EQ(topic->ReadRoot(Ledger::kEvents, root, 50, {})->size(), 0u);
  const auto page =
      topic->ReadPartition(Ledger::kEvents, {3, 11}, ReadDirection::kForward, {.events = 5}, {});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->size(), 5u);
  EXPECT_EQ(page->front().position, (Position{3, 11}));
}

TEST_F(TopicLogBrokerTest, WhatATopicCannotAnswerIsSaid) {
  Publish(4);
  const auto topic = OpenTopic();
  EXPECT_TRUE(absl::IsUnimplemented(topic->AppendAndWait(AppendTo(Stream(RootIn(1)))).status()));
  EXPECT_TRUE(absl::IsUnimplemented(topic->FindRequest({}).status()));
  EXPECT_TRUE(
      absl::IsUnimplemented(topic->StreamHead(Ledger::kEvents, Stream(RootIn(1))).status()));
  EXPECT_TRUE(absl::IsUnimplemented(topic->Follow({.ledger = Ledger::kAccess}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(topic->Follow({.after = {.partition = 4}}).status()));
  EXPECT_FALSE(topic->WriteHealth().ok());
}

TEST_F(TopicLogBrokerTest, ATopicThatHasNothingYetOrIsNotThereIsSaid) {
  const auto empty = TopicLog::Open(TopicOptions());
  EXPECT_TRUE(absl::IsUnavailable(empty.status())) << empty.status();
  EXPECT_THAT(std::string(empty.status().message()), HasSubstr("TOPIC_EMPTY"));
  TopicLogOptions absent = TopicOptions();
  absent.prefix += "-absent";
  EXPECT_TRUE(absl::IsNotFound(TopicLog::Open(absent).status()));
  // Whoever knows the log can wait for its first event.
  const auto topic = OpenTopic(log_.store_id());
  const auto follower = *topic->Follow({.after = {.partition = 0}});
  Publish(1);
  ExpectFollows(*follower, 0, 0);
}

TEST_F(TopicLogBrokerTest, ATopicOfAnotherLogIsRefused) {
  Publish(4);
  TopicLogOptions options = TopicOptions();
  options.log = StoreId({7, 7});
  const auto topic = TopicLog::Open(options);
  EXPECT_TRUE(absl::IsFailedPrecondition(topic.status())) << topic.status();
  EXPECT_THAT(std::string(topic.status().message()), StartsWith("OTHER_LOG"));
}

TEST_F(TopicLogBrokerTest, ARepeatInTheTopicIsNamedAndNotPassed) {
  Publish(40);
  relay_.reset();
  Intrude({ReadTopic(broker_->settings(), LogTopic(prefix_), 0).back()});
  EXPECT_THAT(Refusal(), StartsWith("EVENT_REPEATED"));
}

TEST_F(TopicLogBrokerTest, AGapInTheTopicIsNamedAndNotPassed) {
  Publish(40);
  relay_.reset();
  const auto last = *log_.ReadAt(Ledger::kEvents, {0, 10});
  // An event of the log as it would be, two further on.
  records::log::v1::Event event = last.event;
  event.mutable_position()->set_sequence(12);
  Intrude({LogRecord(prefix_, log_.store_id(), {{0, 12}, event, event.SerializeAsString()})});
  EXPECT_THAT(Refusal(), StartsWith("EVENT_MISSING"));
}

TEST_F(TopicLogBrokerTest, ARecordOfAnotherLogIsNamedAndNotPassed) {
  Publish(40);
  relay_.reset();
  records::log::v1::Event event = log_.ReadAt(Ledger::kEvents, {0, 10})->event;
  event.mutable_position()->set_sequence(11);
  Intrude({LogRecord(prefix_, StoreId({7, 7}), {{0, 11}, event, event.SerializeAsString()})});
  EXPECT_THAT(Refusal(), StartsWith("OTHER_LOG"));
}

TEST_F(TopicLogBrokerTest, ACheckpointOnATopicThatWasMadeAnewIsRefused) {
  Publish(100);
  std::vector<PartitionCheckpoint> checkpoints;
  {
    const auto topic = OpenTopic();
    const auto follower = *topic->Follow({.after = {.partition = 0}});
    for (uint64_t i = 1; i <= 25; ++i) {
      ASSERT_TRUE(NextEvent(*follower).ok());
      if (i == 2 || i == 25) {
        checkpoints.push_back(*topic->CheckpointAt(Ledger::kEvents, {0, i}));
      }
    }
  }
  relay_.reset();
  MakeAnew(broker_->settings(), {.name = LogTopic(prefix_), .partitions = kPartitions});
  const auto topic = OpenTopic(log_.store_id());
  EXPECT_TRUE(absl::IsOutOfRange(topic->VerifyCheckpoint(Ledger::kEvents, checkpoints[1])));
  // Other events under the same log's name.
  std::vector<BusRecord> records;
  for (uint64_t sequence = 1; sequence <= 25; ++sequence) {
    records::log::v1::Event event = log_.ReadAt(Ledger::kEvents, {0, sequence})->event;
    event.set_facts("other facts");
    records.push_back(
        LogRecord(prefix_, log_.store_id(), {{0, sequence}, event, event.SerializeAsString()}));
  }
  Intrude(records);
  EXPECT_TRUE(absl::IsDataLoss(topic->VerifyCheckpoint(Ledger::kEvents, checkpoints[0])));
  PartitionCheckpoint other = checkpoints[0];
  other.store = StoreId({7, 7});
  EXPECT_TRUE(absl::IsFailedPrecondition(topic->VerifyCheckpoint(Ledger::kEvents, other)));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      topic->VerifyCheckpoint(Ledger::kEvents, *log_.CheckpointAt(Ledger::kEvents, {0, 2}))));
}

TEST_F(TopicLogBrokerTest, AFollowerWaitsForABrokerThatHangsOrDiesAndGoesOn) {
  Publish(100);
  const auto topic = OpenTopic();
  const auto follower = *topic->Follow({.after = {.partition = 0}});
  ExpectFollows(*follower, 0, 0);
  broker_->Signal(SIGSTOP);
  Append(100);
  const auto silent = follower->Next(absl::Milliseconds(500));
  ASSERT_TRUE(silent.ok()) << silent.status();
  EXPECT_NE(silent->kind, Kind::kEvent);
  broker_->Signal(SIGCONT);
  ExpectFollows(*follower, 0, 25);
  broker_->Kill();
  Append(100);
  EXPECT_TRUE(follower->Next(absl::Milliseconds(500)).ok());
  broker_->Start();
  ExpectFollows(*follower, 0, 50);
  EXPECT_EQ(topic->CheckpointAt(Ledger::kEvents, {0, 75})->root,
            log_.CheckpointAt(Ledger::kEvents, {0, 75})->root);
}

// A client may have lost all its brokers for good, and says nothing: from outside it looks like one
// whose broker hangs.
TEST_F(TopicLogBrokerTest, AFollowerToWhomNothingComesSaysThatBrokersAreAwayAndBeginsAnew) {
  Publish(20);
  TopicLogOptions options = TopicOptions();
  options.silence_max = absl::Seconds(1);
  const auto topic = TopicLog::Open(options);
  ASSERT_TRUE(topic.ok()) << topic.status();
  const auto follower = (*topic)->Follow({.ledger = Ledger::kEvents});
  ASSERT_TRUE(follower.ok()) << follower.status();
  ExpectFollows(**follower, 0, 0);
  broker_->Signal(SIGSTOP);
  WaitForHealth(**topic, **follower, absl::StatusCode::kUnavailable);
  broker_->Signal(SIGCONT);
  WaitForHealth(**topic, **follower, absl::StatusCode::kOk);
  Publish(20);
  ExpectFollows(**follower, 0, 5);
}

TEST_F(TopicLogBrokerTest, FollowersOfAllPartitionsShareAClient) {
  Publish(100);
  relay_.reset();  // its sessions have clients, too
  const auto topic = OpenTopic();
  std::vector<std::unique_ptr<Follower>> followers;
  followers.push_back(*topic->Follow({.after = {.partition = 0}}));
  ExpectFollows(*followers[0], 0, 0);
  const size_t clients = CountClients();
  EXPECT_GE(clients, 1u);
  for (uint32_t partition = 1; partition < kPartitions; ++partition) {
    followers.push_back(*topic->Follow({.after = {.partition = partition}}));
    ExpectFollows(*followers[partition], partition, 0);
  }
  EXPECT_EQ(CountClients(), clients);
}

// As while a view is rebuilt, and a replay reads besides.
TEST_F(TopicLogBrokerTest, SeveralFollowersOfAPartitionEachHaveAllOfItAtTheirOwnPace) {
  Publish(40);
  const auto topic = OpenTopic();
  const auto first = *topic->Follow({.after = {.partition = 0}});
  ASSERT_TRUE(NextEvent(*first).ok());
  auto second = *topic->Follow({.after = {.partition = 0}});
  ExpectFollows(*second, 0, 0);
  second.reset();  // in the midst of what `first` reads
  Publish(40);
  const auto third = *topic->Follow({.after = {.partition = 0}});
  ExpectFollows(*third, 0, 0);
  ExpectFollows(*first, 0, 1);
}

// Else a view that stands still would seem to have everything.
TEST_F(TopicLogBrokerTest, HowFarTheTopicGoesIsHeardWhileAFollowerIsNotAsked) {
  Publish(40);
  TopicLogOptions options = TopicOptions();
  options.head_refresh = absl::Milliseconds(50);
  const auto topic = *TopicLog::Open(options);
  const auto follower = *topic->Follow({.after = {.partition = 0}});
  // To the end, which it may say before the last events, once: brokers show them a moment later.
  bool caught_up = false;
  for (uint64_t events = 0; !caught_up || events < 10;) {
    const auto message = follower->Next(kBrokerTimeout);
    ASSERT_TRUE(message.ok()) << message.status();
    if (message->kind == Kind::kEvent) ++events;
    if (message->kind == Kind::kCaughtUp) caught_up = true;
    ASSERT_NE(message->kind, Kind::kHeartbeat) << "nothing came in time";
  }
  Publish(40);
  const Position head = log_.Head(Ledger::kEvents, 0);
  const absl::Time deadline = absl::Now() + kBrokerTimeout;
  while (topic->Head(Ledger::kEvents, 0) < head && absl::Now() < deadline) {
    topic->WaitForBatch(Ledger::kEvents, std::numeric_limits<uint64_t>::max(),
                        absl::Milliseconds(10));
  }
  EXPECT_EQ(topic->Head(Ledger::kEvents, 0), head);
}

// Its partition is free again in a client that others go on with: what the one before had not taken
// is nothing to the next.
TEST_F(TopicLogBrokerTest, AFollowerThatIsLetGoOfLeavesItsPartitionToTheNextInTheSameClient) {
  Publish(2'000);
  relay_.reset();  // its sessions have clients, too
  const auto topic = OpenTopic();
  const auto other = *topic->Follow({.after = {.partition = 1}});
  ASSERT_TRUE(NextEvent(*other).ok());
  auto before = *topic->Follow({.after = {.partition = 0}});
  ASSERT_TRUE(NextEvent(*before).ok());
  const size_t clients = CountClients();
  for (int i = 0; i < 10; ++i) {
    before.reset();
    before = *topic->Follow({.after = {.partition = 0}});
    ASSERT_TRUE(NextEvent(*before).ok());
  }
  ExpectFollows(*before, 0, 1);
  ExpectFollows(*other, 1, 1);
  EXPECT_EQ(CountClients(), clients);
}

// What ends the client of all followers lets each go on where it was.
TEST_F(TopicLogBrokerTest, FollowersGoOnTogetherAfterTheirClientWasGivenUp) {
  Publish(40);
  TopicLogOptions options = TopicOptions();
  options.silence_max = absl::Seconds(1);
  const auto topic = *TopicLog::Open(options);
  std::vector<std::unique_ptr<Follower>> followers;
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    followers.push_back(*topic->Follow({.after = {.partition = partition}}));
    ExpectFollows(*followers[partition], partition, 0);
  }
  broker_->Signal(SIGSTOP);
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    WaitForHealth(*topic, *followers[partition], absl::StatusCode::kUnavailable, partition);
  }
  broker_->Signal(SIGCONT);
  Publish(40);
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    ExpectFollows(*followers[partition], partition, 10);
    EXPECT_TRUE(topic->ReadHealth(partition).ok());
  }
}

}  // namespace
}  // namespace records::eventstore
