// Where a work stream goes on, from what progress and broker say of it. No broker.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/relay_progress.h"
#include "tests/eventstore/bus/work_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::StartsWith;
using testing_support::WorkLog;

constexpr uint32_t kPartitions = 4;
constexpr size_t kTopicPartitions = 2;
constexpr char kTopic[] = "contacts.v1";

class StreamProgressTest : public ::testing::Test {
 protected:
  StreamProgressTest() {
    progress_.topic = kTopic;
    progress_.partitions.resize(kPartitions);
    progress_.tails.resize(kTopicPartitions);
    records_.resize(kTopicPartitions);
    for (uint32_t number = 1; number <= 24; ++number) Publish(files_.PersonNumber(number));
  }

  // A contact, as the relay publishes it.
  void Publish(const WorkLog::Person& person) {
    const StoredEvent event = files_.AppendContact(person);
    const auto items = files_.work().ItemsOf(event);
    ASSERT_TRUE(items.ok() && items->size() == 1);
    const Position position = event.position;
    const size_t partition = progress_.PartitionOf(position.partition);
    records_[partition].push_back(WorkRecord("p", files_.log().store_id(), items->front(), "",
                                             static_cast<int32_t>(partition), absl::UnixEpoch()));
    progress_.partitions[position.partition] = {position.sequence, position.sequence};
    progress_.tails[partition] = position;
  }

  absl::StatusOr<StreamProgress> Plan(const StreamProgress* known) {
    StreamRecords broker{.topic = kTopic};
    for (const auto& records : records_) {
      broker.tails.push_back(records.empty() ? std::nullopt : std::optional(records.back()));
      broker.untouched.push_back(untouched_);
    }
    broker.read_all = [this](size_t partition, const StreamRecords::Take& take) {
      ++partitions_read_;
      for (const BusRecord& record : records_[partition]) {
        if (absl::Status status = take(record); !status.ok()) return status;
      }
      return absl::OkStatus();
    };
    return PlanStream(files_.log(), files_.work(), known, broker);
  }

  WorkLog files_{kPartitions};
  StreamProgress progress_;
  std::vector<std::vector<BusRecord>> records_;  // by partition of the topic
  bool untouched_ = false;
  int partitions_read_ = 0;
};

TEST_F(StreamProgressTest, WhereBothAgreeItGoesOnWithoutReadingTheTopic) {
  const auto plan = Plan(&progress_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->partitions, progress_.partitions);
  EXPECT_EQ(plan->tails, progress_.tails);
  EXPECT_EQ(partitions_read_, 0);
}

TEST_F(StreamProgressTest, WhatABrokerLostOfTheEndIsPublishedAgainForEachPartitionOfTheLog) {
  std::vector<BusRecord> lost;
  for (int i = 0; i < 3; ++i) {
    lost.push_back(records_[0].back());
    records_[0].pop_back();
  }
  const auto plan = Plan(&progress_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(partitions_read_, 1);
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    size_t missing = 0;
    for (const BusRecord& record : lost) {
      const auto reference = files_.work().OpenReference(kTopic, *record.value);
      missing += reference->position.partition == partition ? 1 : 0;
    }
    EXPECT_EQ(plan->partitions[partition].covered + missing,
              progress_.partitions[partition].covered);
    EXPECT_EQ(plan->partitions[partition].last, plan->partitions[partition].covered);
  }
  EXPECT_EQ(plan->tails[1], progress_.tails[1]);
}

TEST_F(StreamProgressTest, WhatIsThereBeyondTheProgressIsNotPublishedAgain) {
  const StreamProgress before = progress_;
  Publish(files_.PersonNumber(30));
  const auto plan = Plan(&before);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->partitions, progress_.partitions);
}

TEST_F(StreamProgressTest, AnEventThatIsOnNoStreamStaysCoveredWhenTheTopicIsRead) {
  progress_.partitions[1].covered += 5;  // five that are on other streams
  records_[1].pop_back();                // of partition 3 of the log, by the numbers above
  const auto plan = Plan(&progress_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->partitions[1].covered + plan->partitions[3].covered,
            progress_.partitions[1].covered + progress_.partitions[3].covered - 1);
}

TEST_F(StreamProgressTest, ATopicThatWasMadeAnewIsPublishedAnewAndOneThatRetentionEmptiedIsNot) {
  for (auto& records : records_) records.clear();
  auto plan = Plan(&progress_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->partitions, progress_.partitions);
  untouched_ = true;
  plan = Plan(&progress_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  for (const auto& partition : plan->partitions) EXPECT_EQ(partition.covered, 0u);
}

TEST_F(StreamProgressTest, ATopicThatWasMadeAnewMayHaveOtherPartitionsThanBefore) {
  StreamProgress other = progress_;
  other.tails.resize(1);
  for (auto& records : records_) records.clear();
  untouched_ = true;
  const auto plan = Plan(&other);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->tails.size(), size_t{kTopicPartitions});
  for (const auto& partition : plan->partitions) EXPECT_EQ(partition.covered, 0u);
}

TEST_F(StreamProgressTest, WhatIsAtOddsIsRefusedAndNamed) {
  EXPECT_THAT(std::string(Plan(nullptr).status().message()), StartsWith("PROGRESS_LOST"));
  StreamProgress other = progress_;
  other.tails.resize(1);
  EXPECT_THAT(std::string(Plan(&other).status().message()), StartsWith("TOPIC_PARTITIONS"));
  records_[0].push_back(records_[0].back());
  records_[0].back().headers.clear();
  records_[0].back().value = "nobody's";
  EXPECT_THAT(std::string(Plan(&progress_).status().message()), StartsWith("TOPIC_DIFFERS"));
}

TEST_F(StreamProgressTest, AStreamThatIsAheadOfTheLogIsRefused) {
  WorkLog restored{kPartitions};  // with fewer events, and the same keys
  StreamRecords broker{.topic = kTopic};
  for (const auto& records : records_) broker.tails.emplace_back(records.back());
  broker.untouched.resize(kTopicPartitions);
  broker.read_all = [this](size_t partition, const StreamRecords::Take& take) {
    return take(records_[partition].back());
  };
  StreamProgress known = progress_;
  for (Position& tail : known.tails) tail.sequence -= 1;
  const auto plan = PlanStream(restored.log(), files_.work(), &known, broker);
  EXPECT_THAT(std::string(plan.status().message()), StartsWith("LOG_BEHIND_TOPICS"));
}

}  // namespace
}  // namespace records::eventstore
