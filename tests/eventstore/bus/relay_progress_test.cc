#include "eventstore/bus/relay_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventstore/bus/log_topic.h"
#include "tests/eventstore/log_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::HasSubstr;
using testing_support::AppendTo;
using testing_support::MemoryLog;
using testing_support::ReadAll;
using testing_support::RootIn;
using testing_support::Stream;

constexpr uint32_t kPartitions = 4;

class RelayProgressTest : public ::testing::Test {
 protected:
  void Append(uint32_t partition, int events) {
    for (int i = 0; i < events; ++i) {
      ASSERT_TRUE(log_.AppendAndWait(AppendTo(Stream(RootIn(partition)))).ok());
    }
  }

  RelayProgress ProgressAt(const std::vector<uint64_t>& sequences) {
    RelayProgress progress{.log = log_.store_id(), .partitions = {}};
    for (uint32_t partition = 0; partition < kPartitions; ++partition) {
      progress.partitions.push_back(
          *log_.CheckpointAt(Ledger::kEvents, {partition, sequences[partition]}));
    }
    return progress;
  }

  // The topic's last record of each partition; 0: it has none.
  std::vector<std::optional<BusRecord>> TailsAt(const std::vector<uint64_t>& sequences) {
    std::vector<std::optional<BusRecord>> tails(kPartitions);
    for (uint32_t partition = 0; partition < kPartitions; ++partition) {
      if (sequences[partition] == 0) continue;
      tails[partition] =
          LogRecord("records", log_.store_id(),
                    *log_.ReadAt(Ledger::kEvents, {partition, sequences[partition]}));
    }
    return tails;
  }

  static std::vector<uint64_t> SequencesOf(const RelayProgress& progress) {
    std::vector<uint64_t> sequences;
    for (const auto& checkpoint : progress.partitions) {
      sequences.push_back(checkpoint.position.sequence);
    }
    return sequences;
  }

  MemoryLog files_{kPartitions};
  EventLog& log_ = files_.Open();
};

TEST_F(RelayProgressTest, ProgressIsReadAsItWasWritten) {
  Append(1, 3);
  const RelayProgress progress = ProgressAt({0, 3, 0, 0});
  const auto read = DecodeProgress(EncodeProgress(progress));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->log, progress.log);
  EXPECT_EQ(SequencesOf(*read), SequencesOf(progress));
  EXPECT_EQ(read->partitions[1].root, progress.partitions[1].root);
}

TEST_F(RelayProgressTest, AnythingElseThanAProgressIsRefused) {
  EXPECT_TRUE(absl::IsDataLoss(DecodeProgress("").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeProgress("\xff").status()));
  const std::string whole = EncodeProgress(ProgressAt({0, 0, 0, 0}));
  EXPECT_TRUE(absl::IsDataLoss(DecodeProgress(whole.substr(0, whole.size() - 1)).status()));
}

TEST_F(RelayProgressTest, AnEmptyTopicWithoutProgressIsTheBeginning) {
  Append(2, 5);
  const auto resume = PlanResume(log_, std::nullopt, TailsAt({0, 0, 0, 0}));
  ASSERT_TRUE(resume.ok()) << resume.status();
  EXPECT_EQ(SequencesOf(resume->progress), (std::vector<uint64_t>{0, 0, 0, 0}));
  EXPECT_EQ(resume->republished, 0);
}

TEST_F(RelayProgressTest, WhereProgressAndTopicAgreeItGoesOn) {
  Append(0, 4);
  Append(3, 2);
  const auto resume = PlanResume(log_, ProgressAt({3, 0, 0, 2}), TailsAt({3, 0, 0, 2}));
  ASSERT_TRUE(resume.ok()) << resume.status();
  EXPECT_EQ(SequencesOf(resume->progress), (std::vector<uint64_t>{3, 0, 0, 2}));
  EXPECT_EQ(resume->republished, 0);
}

TEST_F(RelayProgressTest, WhatTheBrokerLostIsPublishedAgain) {
  Append(0, 4);
  Append(3, 2);
  const auto resume = PlanResume(log_, ProgressAt({4, 0, 0, 2}), TailsAt({1, 0, 0, 0}));
  ASSERT_TRUE(resume.ok()) << resume.status();
  EXPECT_EQ(SequencesOf(resume->progress), (std::vector<uint64_t>{1, 0, 0, 0}));
  EXPECT_EQ(resume->republished, 5);
}

TEST_F(RelayProgressTest, WhereProgressLostItsEndTheTopicSaysHowFarItCame) {
  Append(0, 4);
  const auto resume = PlanResume(log_, ProgressAt({1, 0, 0, 0}), TailsAt({4, 0, 0, 0}));
  ASSERT_TRUE(resume.ok()) << resume.status();
  EXPECT_EQ(SequencesOf(resume->progress), (std::vector<uint64_t>{4, 0, 0, 0}));
}

TEST_F(RelayProgressTest, ATopicWithRecordsAndWithoutProgressIsRefused) {
  Append(0, 4);
  const auto resume = PlanResume(log_, std::nullopt, TailsAt({4, 0, 0, 0}));
  EXPECT_EQ(resume.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(resume.status().message(), HasSubstr("PROGRESS_LOST"));
}

TEST_F(RelayProgressTest, ProgressOfAnotherLogIsRefused) {
  RelayProgress progress = ProgressAt({0, 0, 0, 0});
  progress.log = *StoreId::FromHex("0123456789abcdef0123456789abcdef");
  const auto resume = PlanResume(log_, progress, TailsAt({0, 0, 0, 0}));
  EXPECT_THAT(resume.status().message(), HasSubstr("OTHER_LOG"));
}

TEST_F(RelayProgressTest, ALogBehindWhatItPublishedIsRefused) {
  Append(0, 4);
  const RelayProgress progress = ProgressAt({4, 0, 0, 0});
  const auto tails = TailsAt({4, 0, 0, 0});
  MemoryLog older(kPartitions);  // the same log, by its seed, before it had any event
  EventLog& restored = older.Open();
  ASSERT_EQ(restored.store_id(), log_.store_id());
  EXPECT_THAT(PlanResume(restored, progress, tails).status().message(),
              HasSubstr("LOG_BEHIND_TOPICS"));
  // Without the progress that says so the topic's end does.
  EXPECT_THAT(PlanResume(restored, ProgressAt({0, 0, 0, 0}), tails).status().message(),
              HasSubstr("LOG_BEHIND_TOPICS"));
}

// A server writes of its own accord, too (it finishes erasures, say), so a log restored from an
// older backup soon has other events than its topics where it is not behind them.
TEST_F(RelayProgressTest, ALogBehindWhatItPublishedIsToldSoAlsoWhereItWasWrittenToSince) {
  Append(0, 2);
  Append(1, 4);
  const RelayProgress progress = ProgressAt({2, 4, 0, 0});
  MemoryLog older(kPartitions);
  EventLog& restored = older.Open();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(restored.AppendAndWait(AppendTo(Stream(RootIn(0)))).ok());
  }
  const auto refused = PlanResume(restored, progress, TailsAt({2, 4, 0, 0})).status();
  EXPECT_THAT(refused.message(), HasSubstr("LOG_BEHIND_TOPICS"));
  EXPECT_THAT(refused.message(), HasSubstr("partition 1"));
}

TEST_F(RelayProgressTest, ATopicThatEndsWithAnotherEventIsRefused) {
  Append(0, 4);
  auto tails = TailsAt({4, 0, 0, 0});
  tails[0]->value->back() ^= 1;
  const auto resume = PlanResume(log_, ProgressAt({4, 0, 0, 0}), tails);
  EXPECT_TRUE(absl::IsDataLoss(resume.status()));
  EXPECT_THAT(resume.status().message(), HasSubstr("TOPIC_DIFFERS"));
}

TEST_F(RelayProgressTest, ProgressWithAnotherRootIsRefused) {
  Append(0, 4);
  RelayProgress progress = ProgressAt({4, 0, 0, 0});
  progress.partitions[0].root[0] ^= 1;
  const auto resume = PlanResume(log_, progress, TailsAt({4, 0, 0, 0}));
  EXPECT_TRUE(absl::IsDataLoss(resume.status()));
}

TEST_F(RelayProgressTest, ARecordOfTheLogsTopicSaysWhatCameBeforeIt) {
  Append(2, 2);
  const auto events = ReadAll(log_, 2);
  const BusRecord record = LogRecord("north", log_.store_id(), events[1]);
  EXPECT_EQ(record.topic, "north.log.v1");
  EXPECT_EQ(record.partition, 2);
  EXPECT_EQ(record.value, events[1].bytes);
  EXPECT_EQ(record.Header("ce_specversion"), "1.0");
  EXPECT_EQ(record.Header("ce_type"), testing_support::kType);
  EXPECT_EQ(record.Header("ce_time"), "2026-01-01T00:00:00Z");
  EXPECT_EQ(record.Header("records_position"), "2/2");
  EXPECT_EQ(record.Header("records_previous"), "2/1");
  EXPECT_EQ(*PositionOf(record), (Position{2, 2}));
}

}  // namespace
}  // namespace records::eventstore
