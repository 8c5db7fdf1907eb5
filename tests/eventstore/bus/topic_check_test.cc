#include "eventstore/bus/topic_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "eventstore/bus/log_topic.h"
#include "tests/eventstore/log_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::StartsWith;
using testing_support::AppendTo;
using testing_support::MemoryLog;
using testing_support::ReadAll;
using testing_support::RootIn;
using testing_support::Stream;

constexpr uint32_t kPartition = 1;
constexpr int kEvents = 5;

class TopicCheckTest : public ::testing::Test {
 protected:
  TopicCheckTest() {
    for (int i = 0; i < kEvents; ++i) {
      EXPECT_TRUE(log_.AppendAndWait(AppendTo(Stream(RootIn(kPartition)))).ok());
    }
    for (const StoredEvent& event : ReadAll(log_, kPartition)) {
      records_.push_back(LogRecord("records", log_.store_id(), event));
      records_.back().offset = static_cast<int64_t>(2 * records_.size());  // markers lie between
    }
  }

  // What is said of the records, in their order.
  std::vector<std::string> Said(const std::vector<BusRecord>& records) {
    std::vector<std::string> said;
    for (const BusRecord& record : records) {
      const absl::Status status = check_.Take(record);
      if (!status.ok()) said.emplace_back(status.message());
    }
    return said;
  }

  MemoryLog files_{4};
  EventLog& log_ = files_.Open();
  TopicCheck check_{log_, kPartition};
  std::vector<BusRecord> records_;
};

TEST_F(TopicCheckTest, ATopicThatIsTheLogIsTakenWithoutAWord) {
  EXPECT_THAT(Said(records_), ::testing::IsEmpty());
  EXPECT_EQ(check_.last(), (Position{kPartition, kEvents}));
  EXPECT_TRUE(check_.CheckEnd({kPartition, kEvents}).ok());
  EXPECT_EQ(check_.next_offset(), records_.back().offset + 1);
}

TEST_F(TopicCheckTest, AnEventThatIsThereTwiceIsNamedAndTheNextIsTaken) {
  auto records = records_;
  records.insert(records.begin() + 3, records_[1]);
  for (size_t i = 0; i < records.size(); ++i) records[i].offset = static_cast<int64_t>(i);
  EXPECT_THAT(Said(records), ::testing::ElementsAre(StartsWith("EVENT_REPEATED")));
}

TEST_F(TopicCheckTest, AnEventThatIsNotThereIsNamedOnce) {
  auto records = records_;
  records.erase(records.begin() + 2);
  EXPECT_THAT(Said(records), ::testing::ElementsAre(StartsWith("EVENT_MISSING")));
}

TEST_F(TopicCheckTest, OtherBytesAnotherChainAndAForeignPositionAreNamed) {
  auto records = records_;
  records[0].value->back() ^= 1;
  for (auto& [name, value] : records[1].headers) {
    if (name == "records_previous") value = "1/7";
  }
  records[2].headers.clear();
  EXPECT_THAT(Said(records),
              ::testing::ElementsAre(StartsWith("TOPIC_DIFFERS"), StartsWith("TOPIC_DIFFERS"),
                                     StartsWith("TOPIC_DIFFERS"), StartsWith("EVENT_MISSING")));
  for (auto& [name, value] : records_[3].headers) {
    if (name == "records_position") value = "2/4";
  }
  records_[3].offset = check_.next_offset();
  EXPECT_TRUE(absl::IsDataLoss(check_.Take(records_[3])));
}

TEST_F(TopicCheckTest, AnEventThatTheLogDoesNotHaveIsNamed) {
  MemoryLog older(4);
  TopicCheck check(older.Open(), kPartition);
  const absl::Status status = check.Take(records_[0]);
  EXPECT_TRUE(absl::IsOutOfRange(status));
  EXPECT_THAT(std::string(status.message()), StartsWith("LOG_BEHIND_TOPICS"));
}

TEST_F(TopicCheckTest, ATopicThatEndsBeforeWhatWasPublishedIsShort) {
  EXPECT_THAT(Said({records_.begin(), records_.begin() + 2}), ::testing::IsEmpty());
  EXPECT_TRUE(check_.CheckEnd({kPartition, 2}).ok());
  EXPECT_THAT(std::string(check_.CheckEnd({kPartition, 3}).message()), StartsWith("TOPIC_SHORT"));
}

TEST_F(TopicCheckTest, ATopicThatWasMadeAnewIsHeldAgainstTheLogFromItsBeginning) {
  EXPECT_THAT(Said(records_), ::testing::IsEmpty());
  auto anew = records_;
  for (size_t i = 0; i < anew.size(); ++i) anew[i].offset = static_cast<int64_t>(i);
  EXPECT_THAT(Said(anew), ::testing::IsEmpty());
  EXPECT_EQ(check_.next_offset(), kEvents);
}

}  // namespace
}  // namespace records::eventstore
