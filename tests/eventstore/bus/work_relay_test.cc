// Work streams on a real broker: each event on its streams, once and in order, whatever dies.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "eventstore/bus/reconciler.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/bus/expect_topics.h"
#include "tests/eventstore/bus/work_fixture.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

using ::testing::StartsWith;
using testing_support::kBrokerTimeout;
using testing_support::MakeAnew;
using testing_support::MakeTopics;
using testing_support::ReadTopic;
using testing_support::WorkLog;

constexpr uint32_t kPartitions = 4;
constexpr int32_t kStreamPartitions = 2;

class WorkRelayTest : public testing_support::BrokerTest {
 protected:
  void SetUp() override {
    MakeTopics(broker_->settings(), prefix_, kPartitions, files_.work().topics(),
               kStreamPartitions);
  }

  RelayOptions WorkOptions() {
    RelayOptions options = Options();
    options.work = &files_.work();
    return options;
  }

  void Append(int events) {
    for (int i = 0; i < events; ++i) {
      const auto person = files_.PersonNumber(static_cast<uint32_t>(1 + random_() % 20));
      switch (random_() % 3) {
        case 0:
          files_.AppendContact(person);
          break;
        case 1:
          files_.AppendRepair(person);
          break;
        default:
          files_.AppendReport(person);
      }
    }
  }

  // Runs a relay until all is published.
  void Publish() {
    Relay relay(files_.log(), WorkOptions());
    relay.Start();
    WaitForAll(relay);
  }

  std::vector<BusRecord> Records(const std::string& topic, int32_t partition) {
    return ReadTopic(broker_->settings(), WorkTopic(prefix_, topic), partition);
  }

  void ExpectStreamsAreTheLog() {
    EXPECT_GT(testing_support::ExpectStreamsAreTheLog(broker_->settings(), prefix_, files_.log(),
                                                      files_.work(), kStreamPartitions),
              0u);
  }

  std::mt19937_64 random_{SeedOfRun()};
  WorkLog files_{kPartitions};
};

TEST_F(WorkRelayTest, EachEventIsOnItsStreamsOnceAndSaysWhatCameBeforeIt) {
  Append(300);
  Publish();
  Append(100);
  Publish();
  ExpectStreamsAreTheLog();
}

TEST_F(WorkRelayTest, ABrokerThatIsKilledLosesAndRepeatsNothingOfAStream) {
  Relay relay(files_.log(), WorkOptions());
  relay.Start();
  for (int round = 0; round < 2; ++round) {
    Append(150);
    broker_->Kill();
    Append(150);
    broker_->Start();
    WaitForAll(relay);
  }
  ExpectStreamsAreTheLog();
}

TEST_F(WorkRelayTest, AStreamThatWasMadeAnewIsPublishedAnewAndTheOthersAreNot) {
  Append(200);
  Publish();
  MakeAnew(broker_->settings(),
           {.name = WorkTopic(prefix_, "asb.v1"), .partitions = kStreamPartitions});
  Publish();
  ExpectStreamsAreTheLog();
}

// A stream that the event types name from now on.
TEST_F(WorkRelayTest, ARelayThatKnewNoStreamsBeforePublishesThemFromTheFirstEvent) {
  Append(100);
  {
    Relay relay(files_.log(), Options());
    relay.Start();
    WaitForAll(relay);
  }
  Publish();
  ExpectStreamsAreTheLog();
}

// A server that was rolled back, and forward again: what came in between is published then.
TEST_F(WorkRelayTest, ARelayThatDoesNotKnowAStreamKeepsHowFarItWasPublished) {
  Append(100);
  Publish();
  Append(100);
  {
    Relay relay(files_.log(), Options());
    relay.Start();
    WaitForAll(relay);
  }
  Append(50);
  Publish();
  ExpectStreamsAreTheLog();
}

// DP-E4: erased before it was published: on no stream, and its subject's end is told on each.
TEST_F(WorkRelayTest, WhatIsErasedWhileTheBrokerIsAwayIsNeverPublished) {
  const auto person = files_.PersonNumber(7);
  const StoredEvent before = files_.AppendRepair(person);
  const std::string name = files_.work().ItemsOf(before)->front().subject;
  Publish();
  files_.AppendRepair(person);
  files_.AppendErasure(person);
  ASSERT_TRUE(files_.keys().Fence(person.subject).ok());
  ASSERT_TRUE(files_.keys().DestroySubject(person.subject).ok());
  Publish();
  std::vector<std::string> types;
  for (int32_t partition = 0; partition < kStreamPartitions; ++partition) {
    for (const BusRecord& record : Records("repairs.v1", partition)) {
      EXPECT_EQ(record.key, name);
      types.push_back(record.Header("ce_type"));
    }
  }
  EXPECT_THAT(types, ::testing::UnorderedElementsAre("records.events.v1.ServiceRequestRaised",
                                                     std::string(kErasedType)));
}

TEST_F(WorkRelayTest, ATopicWhosePartitionsDoNotDivideThoseOfTheLogIsRefused) {
  MakeAnew(broker_->settings(), {.name = WorkTopic(prefix_, "asb.v1"), .partitions = 3});
  Append(10);
  Relay relay(files_.log(), WorkOptions());
  relay.Start();
  const auto status = relay.WaitForAll(absl::Now() + kBrokerTimeout);
  EXPECT_THAT(std::string(status.message()), StartsWith("TOPIC_PARTITIONS"));
}

class WorkReconcilerTest : public WorkRelayTest {
 protected:
  // Published, and each on the log's topic and on one stream compared.
  void Begin(int events) {
    Append(events);
    relay_.Start();
    WaitForAll(relay_);
    reconciler_.Start();
    const uint64_t all = 2 * static_cast<uint64_t>(events);
    const auto clean =
        WaitUntil([all](const ReconcilerStatus& now) { return now.compared == all; });
    EXPECT_EQ(clean.differences, 0u) << clean.difference;
  }
  template <typename Condition>
  ReconcilerStatus WaitUntil(Condition condition) {
    return WaitForStatus(reconciler_, condition);
  }

  Relay relay_{files_.log(), WorkOptions()};
  Reconciler reconciler_{files_.log(),
                         relay_,
                         {.settings = broker_->settings(),
                          .prefix = prefix_,
                          .work = &files_.work(),
                          .between_rounds = absl::Milliseconds(50)}};
};

TEST_F(WorkReconcilerTest, ReadsTheStreamsAndSeesASecondWriter) {
  Begin(60);
  BusRecord again;
  for (int32_t i = 0; i < kStreamPartitions && !again.value; ++i) {
    const auto records = Records("contacts.v1", i);
    if (!records.empty()) again = records.front();
  }
  Intrude({again});
  const auto seen = WaitUntil([](const ReconcilerStatus& now) { return now.differences > 0; });
  EXPECT_THAT(std::string(seen.difference.message()), StartsWith("EVENT_REPEATED"));
}

TEST_F(WorkReconcilerTest, NamesAStreamThatWasDeletedAndThatTheRoundsAreNotWhole) {
  Begin(60);
  auto admin = TopicAdmin::Open(broker_->settings());
  ASSERT_TRUE(admin.ok()) << admin.status();
  ASSERT_TRUE((*admin)->Delete(WorkTopic(prefix_, "asb.v1"), kBrokerTimeout).ok());
  const auto seen = WaitUntil([](const ReconcilerStatus& now) { return now.differences > 0; });
  EXPECT_THAT(std::string(seen.difference.message()),
              StartsWith("TOPIC_GONE: " + WorkTopic(prefix_, "asb.v1")));
  WaitUntil([](const ReconcilerStatus& now) { return !now.error.ok(); });
  const uint64_t rounds = reconciler_.GetStatus().rounds;
  WaitUntil([&](const ReconcilerStatus& now) { return now.differences > seen.differences + 8; });
  EXPECT_EQ(reconciler_.GetStatus().rounds, rounds) << "a round without a topic is not whole";
}

}  // namespace
}  // namespace records::eventstore
