// What a reader of the log's topic believes, and the place that it can go on from.

#include "eventstore/bus/topic_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/topic_board.h"
#include "tests/eventstore/log_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::StartsWith;
using testing_support::AppendTo;
using testing_support::MemoryLog;
using testing_support::ReadAll;
using testing_support::RootIn;
using testing_support::Stream;

constexpr uint32_t kPartition = 2;

class TopicChainTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(log_.AppendAndWait(AppendTo(Stream(RootIn(kPartition)))).ok());
    }
    for (const StoredEvent& event : ReadAll(log_, kPartition)) {
      records_.push_back(LogRecord("records", log_.store_id(), event));
      records_.back().offset = static_cast<int64_t>(2 * records_.size());
    }
  }

  // A chain that has taken the first `taken` records.
  TopicChain ChainAfter(size_t taken) {
    TopicChain chain(log_.store_id(), log_.partition_count(), {.partition = kPartition});
    for (size_t i = 0; i < taken; ++i) EXPECT_TRUE(chain.Take(records_[i]).ok());
    return chain;
  }

  // What a chain that has taken two records says of this one; it goes on with the third after that.
  std::string Refusal(const BusRecord& record) {
    TopicChain chain = ChainAfter(2);
    const absl::Status status = chain.Take(record).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_EQ(chain.last(), (Position{kPartition, 2}));
    EXPECT_TRUE(chain.Take(records_[2]).ok());
    return std::string(status.message());
  }

  static void SetHeader(BusRecord& record, const std::string& name, const std::string& value) {
    for (auto& [header, text] : record.headers) {
      if (header == name) text = value;
    }
  }

  MemoryLog files_{4};
  EventLog& log_ = files_.Open();
  std::vector<BusRecord> records_;
};

TEST_F(TopicChainTest, RecordsInTheirOrderAreTheEventsOfTheLog) {
  TopicChain chain = ChainAfter(0);
  const auto events = ReadAll(log_, kPartition);
  for (size_t i = 0; i < records_.size(); ++i) {
    const auto event = chain.Take(records_[i]);
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(event->bytes, events[i].bytes);
    EXPECT_EQ(event->position, events[i].position);
  }
}

TEST_F(TopicChainTest, AGapIsNamed) {
  EXPECT_THAT(Refusal(records_[3]), StartsWith("EVENT_MISSING"));
}

TEST_F(TopicChainTest, ARepeatIsNamed) {
  EXPECT_THAT(Refusal(records_[1]), StartsWith("EVENT_REPEATED"));
  EXPECT_THAT(Refusal(records_[0]), StartsWith("EVENT_REPEATED"));
}

TEST_F(TopicChainTest, ARecordOfAnotherLogIsNamed) {
  BusRecord record = records_[2];
  SetHeader(record, "ce_source", "/records/" + StoreId({9, 9}).ToHex());
  EXPECT_THAT(Refusal(record), StartsWith("OTHER_LOG"));
  SetHeader(record, "ce_source", "elsewhere");
  EXPECT_THAT(Refusal(record), StartsWith("OTHER_LOG"));
}

TEST_F(TopicChainTest, WhatDiffersIsNamed) {
  BusRecord record = records_[2];
  SetHeader(record, "records_previous", "2/1");
  EXPECT_THAT(Refusal(record), StartsWith("TOPIC_DIFFERS"));
  record = records_[2];
  SetHeader(record, "records_position", "1/3");
  EXPECT_THAT(Refusal(record), StartsWith("TOPIC_DIFFERS"));
  record = records_[2];
  record.partition = 1;
  EXPECT_THAT(Refusal(record), StartsWith("TOPIC_DIFFERS"));
  record = records_[2];
  record.headers.clear();
  EXPECT_THAT(Refusal(record), StartsWith("OTHER_LOG"));
}

TEST_F(TopicChainTest, AValueThatIsNotThatEventIsNamed) {
  BusRecord record = records_[2];
  record.value = records_[3].value;
  EXPECT_THAT(Refusal(record), StartsWith("TOPIC_DIFFERS"));
  record.value = "no event";
  EXPECT_THAT(Refusal(record), StartsWith("TOPIC_DIFFERS"));
  record.value.reset();
  EXPECT_THAT(Refusal(record), StartsWith("TOPIC_DIFFERS"));
}

class TopicPlaceTest : public TopicChainTest {
 protected:
  TopicPlace PlaceAfter(size_t events) {
    TopicPlace place{.position = {.partition = kPartition}};
    for (size_t i = 0; i < events; ++i) {
      place.Advance({kPartition, i + 1}, records_[i].offset, HashLeaf(*records_[i].value));
    }
    return place;
  }
  PartitionCheckpoint CheckpointOf(const TopicPlace& place) {
    return {log_.store_id(), place.position, place.frontier.Root(), EncodeResume(place)};
  }
};

TEST_F(TopicPlaceTest, HasTheTreeRootOfTheLogAtEachPosition) {
  for (size_t events = 1; events <= records_.size(); ++events) {
    const auto checkpoint = log_.CheckpointAt(Ledger::kEvents, {kPartition, events});
    ASSERT_TRUE(checkpoint.ok());
    EXPECT_EQ(PlaceAfter(events).frontier.Root(), checkpoint->root);
  }
}

TEST_F(TopicPlaceTest, GoesThroughACheckpointWhole) {
  const TopicPlace place = PlaceAfter(3);
  const auto again = PlaceOf(CheckpointOf(place));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->position, place.position);
  EXPECT_EQ(again->offset, place.offset);
  EXPECT_EQ(again->leaf, place.leaf);
  EXPECT_EQ(again->frontier, place.frontier);
}

TEST_F(TopicPlaceTest, OfADamagedTreeIsRefused) {
  const PartitionCheckpoint checkpoint = CheckpointOf(PlaceAfter(3));
  const size_t tree = 8 + 32;  // offset and leaf are held against the topic, not here
  for (size_t i = tree; i < checkpoint.resume.size(); ++i) {
    PartitionCheckpoint damaged = checkpoint;
    damaged.resume[i] ^= 1;
    EXPECT_FALSE(PlaceOf(damaged).ok()) << "byte " << i;
  }
  for (size_t size = 1; size < checkpoint.resume.size(); ++size) {
    PartitionCheckpoint damaged = checkpoint;
    damaged.resume.resize(size);
    EXPECT_FALSE(PlaceOf(damaged).ok()) << "size " << size;
  }
  PartitionCheckpoint other = checkpoint;
  ++other.position.sequence;
  EXPECT_TRUE(absl::IsDataLoss(PlaceOf(other).status()));
}

TEST_F(TopicPlaceTest, IsNotInACheckpointOfTheLogItself) {
  const auto checkpoint = log_.CheckpointAt(Ledger::kEvents, {kPartition, 2});
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(PlaceOf(*checkpoint).status()));
  EXPECT_TRUE(PlaceOf({.store = log_.store_id()}).ok());
}

TEST_F(TopicPlaceTest, IsRememberedWithTheLastFewOfItsPartition) {
  TopicBoard board(4);
  board.Remember(PlaceAfter(1));
  EXPECT_TRUE(board.PlaceAt({kPartition, 1}).has_value());
  EXPECT_FALSE(board.PlaceAt({kPartition, 2}).has_value());
  for (int i = 0; i < 100; ++i) board.Remember(PlaceAfter(2));
  EXPECT_FALSE(board.PlaceAt({kPartition, 1}).has_value());
  EXPECT_TRUE(board.PlaceAt({kPartition, 2}).has_value());
}

TEST(TopicBoardTest, AWaitEndsWithAnArrivalAndWithTheEnd) {
  TopicBoard board(2);
  const uint64_t seen = board.WaitForBatch(0, absl::ZeroDuration());
  std::thread other([&board] {
    board.RaiseHead({1, 7});
    board.Arrived();
  });
  EXPECT_EQ(board.WaitForBatch(seen, absl::InfiniteDuration()), seen + 1);
  other.join();
  EXPECT_EQ(board.Head(1), (Position{1, 7}));
  EXPECT_EQ(board.Head(0), (Position{0, 0}));
  board.Close();
  EXPECT_EQ(board.WaitForBatch(seen + 1, absl::InfiniteDuration()), seen + 1);
  EXPECT_TRUE(board.WaitUntilClosed(absl::InfiniteDuration()));
}

TEST(TopicBoardTest, AHeadIsOnlyRaised) {
  TopicBoard board(2);
  board.RaiseHead({1, 7});
  board.RaiseHead({1, 5});
  EXPECT_EQ(board.Head(1), (Position{1, 7}));
  EXPECT_EQ(board.Head(9), (Position{9, 0}));  // of no partition it knows
}

TEST(TopicBoardTest, APartitionIsBehindWhileSomebodyReadsItWhoHasNotHadAllOfIt) {
  struct Source : PlaceSource {
    std::optional<TopicPlace> PlaceAt(Position) const override { return std::nullopt; }
    bool AtEnd() const override { return at_end; }
    bool at_end = false;
  };
  TopicBoard board(2);
  Source first, second;
  EXPECT_FALSE(board.IsBehind(1));
  board.Add(1, &first);
  board.Add(1, &second);
  first.at_end = true;
  EXPECT_TRUE(board.IsBehind(1));
  EXPECT_FALSE(board.IsBehind(0));
  second.at_end = true;
  EXPECT_FALSE(board.IsBehind(1));
  board.SetError(1, &first, absl::UnavailableError("away"));
  board.SetError(1, &second, absl::OkStatus());
  EXPECT_FALSE(board.Error(1).ok());
  board.Remove(1, &first);
  EXPECT_TRUE(board.Error(1).ok());
  board.Remove(1, &second);
}

}  // namespace
}  // namespace records::eventstore
