// The relay against a real broker: what readers of what is committed see, whatever dies.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "eventstore/bus/relay.h"
#include "eventstore/limits.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/bus/expect_topics.h"
#include "tests/eventstore/log_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::HasSubstr;
using testing_support::AppendTo;
using testing_support::kBrokerTimeout;
using testing_support::MakeAnew;
using testing_support::MakeTopics;
using testing_support::MemoryLog;
using testing_support::RootIn;
using testing_support::Stream;
using State = RelayStatus::State;

constexpr uint32_t kPartitions = 4;

class RelayBrokerTest : public testing_support::BrokerTest {
 protected:
  void SetUp() override { MakeTopics(broker_->settings(), prefix_, kPartitions); }

  void Append(int events) {
    for (int i = 0; i < events; ++i) {
      const auto done = log_.AppendAndWait(AppendTo(Stream(RootIn(number_++ % kPartitions))));
      ASSERT_TRUE(done.ok()) << done.status();
    }
  }

  void ExpectTopicIsTheLog() {
    testing_support::ExpectTopicIsTheLog(broker_->settings(), prefix_, log_);
  }

  MemoryLog files_{kPartitions};
  EventLog& log_ = files_.Open();
  uint32_t number_ = 0;
};

TEST_F(RelayBrokerTest, WhatStandsAndWhatComesIsPublishedOnceAndInOrder) {
  Append(500);
  Relay relay(log_, Options());
  relay.Start();
  WaitForAll(relay);
  Append(200);
  WaitForAll(relay);
  const RelayStatus status = relay.GetStatus();
  EXPECT_EQ(status.state, State::kRunning);
  EXPECT_EQ(status.events_published, 700);
  EXPECT_EQ(relay.MeasureLag().events, 0);
  ExpectTopicIsTheLog();
}

TEST_F(RelayBrokerTest, ARelayGoesOnWhereTheOneBeforeItStopped) {
  for (int round = 0; round < 3; ++round) {
    Append(100);
    Relay relay(log_, Options());
    relay.Start();
    WaitForAll(relay);
    EXPECT_EQ(relay.GetStatus().events_published, 100);
  }
  ExpectTopicIsTheLog();
}

TEST_F(RelayBrokerTest, OfTwoRelaysTheFirstIsFencedAndNothingIsThereTwice) {
  Append(100);
  std::atomic<bool> told = false;
  RelayOptions options = Options();
  options.on_fenced = [&told](const absl::Status&) { told = true; };
  Relay first(log_, std::move(options));
  first.Start();
  WaitForAll(first);
  Relay second(log_, Options());
  second.Start();
  WaitForAll(second);
  Append(100);
  WaitForAll(second);
  // The first learns of it when it next writes.
  const absl::Status status =
      first.WaitFor(log_.Head(Ledger::kEvents, 0), absl::Now() + kBrokerTimeout);
  EXPECT_THAT(status.message(), HasSubstr("RELAY_FENCED"));
  EXPECT_EQ(first.GetStatus().state, State::kFenced);
  first.Stop();
  EXPECT_TRUE(told);
  ExpectTopicIsTheLog();
}

TEST_F(RelayBrokerTest, ABrokerThatIsKilledAndComesBackMissesNothing) {
  Relay relay(log_, Options());
  relay.Start();
  for (int round = 0; round < 2; ++round) {
    Append(300);
    broker_->Kill();
    Append(300);  // appends do not wait for the broker
    EXPECT_GT(relay.MeasureLag().events, 0);
    broker_->Start();
    WaitForAll(relay);
  }
  EXPECT_GT(relay.GetStatus().sessions, 0);
  ExpectTopicIsTheLog();
}

TEST_F(RelayBrokerTest, WithoutItsTopicsItWaitsForThem) {
  Append(10);
  RelayOptions options = Options();
  options.prefix = prefix_ + "-later";
  Relay relay(log_, std::move(options));
  relay.Start();
  const RelayStatus waiting =
      WaitForStatus(relay, [](const RelayStatus& now) { return !now.error.ok(); });
  EXPECT_EQ(waiting.state, State::kWaiting);
  MakeTopics(broker_->settings(), prefix_ + "-later", kPartitions);
  WaitForAll(relay);
}

TEST_F(RelayBrokerTest, ATopicThatWasDeletedIsPublishedAnew) {
  Append(100);
  {
    Relay relay(log_, Options());
    relay.Start();
    WaitForAll(relay);
  }
  MakeAnew(broker_->settings(), {.name = LogTopic(prefix_), .partitions = kPartitions});
  Relay relay(log_, Options());
  relay.Start();
  WaitForAll(relay);
  EXPECT_EQ(relay.GetStatus().events_republished, 100);
  ExpectTopicIsTheLog();
}

// The largest event that a log takes is far below what a topic takes.
TEST_F(RelayBrokerTest, EventsOfTheLargestSizeArePublished) {
  size_t facts = kEventBytesMax;
  for (int events = 0; events < 9; facts -= events == 0 ? 16 : 0) {
    const auto done = log_.AppendAndWait(
        AppendTo(Stream(RootIn(number_ % kPartitions)), {.facts = std::string(facts, 'f')}));
    if (done.ok()) {
      ++events;
      ++number_;
    } else {
      ASSERT_TRUE(absl::IsInvalidArgument(done.status())) << done.status();
      ASSERT_EQ(events, 0);
    }
  }
  EXPECT_GT(log_.ReadAt(Ledger::kEvents, {0, 1})->bytes.size(), kEventBytesMax - 100);
  Relay relay(log_, Options());
  relay.Start();
  WaitForAll(relay);
  ExpectTopicIsTheLog();
}

TEST_F(RelayBrokerTest, WhatATopicRefusesForItsSizeIsSaidAndPublishedOnceItTakesIt) {
  auto admin = TopicAdmin::Open(broker_->settings());
  ASSERT_TRUE(admin.ok()) << admin.status();
  const auto set_limit = [&](const std::string& bytes) {
    const absl::Status status =
        (*admin)->SetParameter(LogTopic(prefix_), "max.message.bytes", bytes, kBrokerTimeout);
    ASSERT_TRUE(status.ok()) << status;
  };
  set_limit("65536");
  Relay relay(log_, Options());
  relay.Start();
  Append(10);
  WaitForAll(relay);
  const std::string large(100'000, 'f');
  ASSERT_TRUE(log_.AppendAndWait(AppendTo(Stream(RootIn(1)), {.facts = large})).ok());
  WaitForStatus(relay, [](const RelayStatus& now) {
    return absl::StrContains(now.error.message(), "MSG_SIZE_TOO_LARGE");
  });
  Append(10);  // appends do not wait
  EXPECT_GE(relay.MeasureLag().events, 11);
  set_limit("1048576");
  WaitForAll(relay);
  ExpectTopicIsTheLog();
}

}  // namespace
}  // namespace records::eventstore
