// The reconciler beside a relay, on a real broker to which others do what they must not.

#include "eventstore/bus/reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/log_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::StartsWith;
using testing_support::AppendTo;
using testing_support::kBrokerTimeout;
using testing_support::MakeTopics;
using testing_support::MemoryLog;
using testing_support::ReadTopic;
using testing_support::RootIn;
using testing_support::Stream;

constexpr uint32_t kPartitions = 4;

class ReconcilerTest : public testing_support::BrokerTest {
 protected:
  void SetUp() override {
    MakeTopics(broker_->settings(), prefix_, kPartitions);
    relay_ = std::make_unique<Relay>(
        log_, RelayOptions{.settings = broker_->settings(), .prefix = prefix_});
    relay_->Start();
    reconciler_ =
        std::make_unique<Reconciler>(log_, *relay_,
                                     ReconcilerOptions{.settings = broker_->settings(),
                                                       .prefix = prefix_,
                                                       .between_rounds = absl::Milliseconds(100),
                                                       .broker_timeout = absl::Seconds(5)});
    reconciler_->Start();
  }

  void Publish(int events) {
    for (int i = 0; i < events; ++i) {
      ASSERT_TRUE(log_.AppendAndWait(AppendTo(Stream(RootIn(number_++ % kPartitions)))).ok());
    }
    WaitForAll(*relay_);
  }

  template <typename Condition>
  ReconcilerStatus WaitUntil(Condition condition) {
    return WaitForStatus(*reconciler_, condition);
  }

  MemoryLog files_{kPartitions};
  EventLog& log_ = files_.Open();
  uint32_t number_ = 0;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<Reconciler> reconciler_;
};

TEST_F(ReconcilerTest, WhatTheRelayPublishesIsHeldAgainstTheLogEachRecordOnce) {
  Publish(100);
  WaitUntil([](const ReconcilerStatus& status) { return status.compared == 100; });
  Publish(50);
  const auto status = WaitUntil([&](const ReconcilerStatus& now) { return now.compared == 150; });
  EXPECT_EQ(status.differences, 0u) << status.difference;
  const uint64_t rounds = status.rounds;
  WaitUntil([&](const ReconcilerStatus& now) { return now.rounds > rounds + 1; });
  EXPECT_EQ(reconciler_->GetStatus().compared, 150u);
}

TEST_F(ReconcilerTest, ASecondWriterIsSeenWithinARound) {
  Publish(20);
  WaitUntil([](const ReconcilerStatus& status) { return status.compared == 20; });
  std::vector<BusRecord> records = ReadTopic(broker_->settings(), LogTopic(prefix_), 0);
  Intrude({records.back()});
  const auto status = WaitUntil([](const ReconcilerStatus& now) { return now.differences > 0; });
  EXPECT_THAT(std::string(status.difference.message()), StartsWith("EVENT_REPEATED"));
}

TEST_F(ReconcilerTest, AnAlteredEventIsSeenWithinARound) {
  Publish(20);
  WaitUntil([](const ReconcilerStatus& status) { return status.compared == 20; });
  std::vector<BusRecord> records = ReadTopic(broker_->settings(), LogTopic(prefix_), 0);
  records.back().value->back() ^= 1;
  Intrude({records.back()});
  const auto status = WaitUntil([](const ReconcilerStatus& now) { return now.differences > 0; });
  EXPECT_THAT(std::string(status.difference.message()), StartsWith("TOPIC_DIFFERS"));
}

TEST_F(ReconcilerTest, ATopicThatIsDeletedUnderTheRelayIsSeenWithinARound) {
  Publish(20);
  WaitUntil([](const ReconcilerStatus& status) { return status.compared == 20; });
  auto admin = *TopicAdmin::Open(broker_->settings());
  ASSERT_TRUE(admin->Delete(LogTopic(prefix_), kBrokerTimeout).ok());
  const auto status = WaitUntil([](const ReconcilerStatus& now) { return now.differences > 0; });
  EXPECT_THAT(std::string(status.difference.message()), StartsWith("TOPIC_GONE"));
}

TEST_F(ReconcilerTest, ABrokerThatIsAwayIsNoDifferenceAndIsComparedOnceItIsBack) {
  Publish(20);
  broker_->Kill();
  WaitUntil([](const ReconcilerStatus& status) { return !status.error.ok(); });
  broker_->Start();
  Publish(20);
  const auto status =
      WaitUntil([](const ReconcilerStatus& now) { return now.compared >= 40 && now.error.ok(); });
  EXPECT_EQ(status.differences, 0u) << status.difference;
}

}  // namespace
}  // namespace records::eventstore
