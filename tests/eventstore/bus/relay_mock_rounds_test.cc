// Seeded rounds against librdkafka's mock of three brokers: in each something fails while events
// come, and the relay must come through, or say that it was fenced. The mock shows what was never
// committed, so each event is looked for at least once, and in order where it first stands.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "absl/time/clock.h"
#include "eventstore/bus/relay.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/bus/mock_fixture.h"
#include "tests/eventstore/bus/work_fixture.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

using namespace testing_support;  // NOLINT(build/namespaces)

constexpr char kPrefix[] = "mock";
constexpr int kBrokers = 3;
constexpr int kPartitions = 4;
constexpr int kStreamPartitions = 2;
constexpr absl::Duration kRequestTimeout = absl::Seconds(2);
// The requests of a relay that are answered with errors.
constexpr int16_t kRequests[] = {
    kProduceRequest,        kInitProducerIdRequest,  kAddPartitionsToTransactionRequest,
    kEndTransactionRequest, kFindCoordinatorRequest, kListOffsetsRequest,
    kMetadataRequest};

// The first record of each that `name_of` tells apart; those after it are of a transaction that did
// not come to its end, which real brokers do not show.
template <typename NameOf>
std::vector<BusRecord> FirstOfEach(std::vector<BusRecord> records, NameOf name_of) {
  std::set<std::string> seen;
  std::vector<BusRecord> first;
  for (BusRecord& record : records) {
    if (seen.insert(name_of(record)).second) first.push_back(std::move(record));
  }
  return first;
}

class RelayMockRoundsTest : public ::testing::Test {
 protected:
  int Below(int end) { return std::uniform_int_distribution<int>(0, end - 1)(random_); }
  int AnyBroker() { return 1 + Below(kBrokers); }

  void StartRelay() {
    relay_.reset();
    RelayOptions options{.settings = cluster_.settings(), .prefix = kPrefix};
    options.batch_events = 64;
    options.retry_wait = absl::Milliseconds(20);
    options.retry_wait_max = absl::Milliseconds(200);
    options.broker_timeout = kRequestTimeout;
    options.transaction_timeout = kRequestTimeout;
    options.work = &files_.work();
    relay_ = std::make_unique<Relay>(files_.log(), std::move(options));
    relay_->Start();
  }

  void Append(int events) {
    for (int i = 0; i < events; ++i) {
      const auto person = files_.PersonNumber(static_cast<uint32_t>(1 + Below(20)));
      if (Below(2) == 0) {
        files_.AppendRepair(person);
      } else {
        files_.AppendReport(person);
      }
    }
  }

  // Errors that nobody asked for in their round are not for the next, nor for who reads the topics.
  void EndFaults() {
    for (const int16_t request : kRequests) cluster_.ClearErrors(request);
  }

  // A fault, and what ends it once events have come.
  struct Fault {
    const char* name;
    void (RelayMockRoundsTest::*make)();
  };
  void AnswerErrors() {
    static constexpr rd_kafka_resp_err_t kErrors[] = {
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,      RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR,          RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,      RD_KAFKA_RESP_ERR_UNKNOWN,
        RD_KAFKA_RESP_ERR_INVALID_TXN_STATE};
    const auto error = kErrors[Below(std::size(kErrors))];
    cluster_.PushErrors(kRequests[Below(std::size(kRequests))], std::vector(1 + Below(4), error));
    if (Below(2) == 0) StartRelay();  // some are made by a relay that starts, and no other
    Append(20);
  }
  void Fence() {
    may_be_fenced_ = true;
    const auto error = Below(2) == 0 ? RD_KAFKA_RESP_ERR_PRODUCER_FENCED
                                     : RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
    cluster_.PushErrors(Below(2) == 0 ? kEndTransactionRequest : kAddPartitionsToTransactionRequest,
                        {error});
    Append(20);
  }
  void TakeBrokerDown() {
    const int broker = Below(4) == 0 ? -1 : AnyBroker();  // -1: all
    rd_kafka_mock_broker_set_down(cluster_.get(), broker);
    Append(20);
    Pause();
    rd_kafka_mock_broker_set_up(cluster_.get(), broker);
  }
  // Up to beyond every timeout.
  void SlowBrokerDown() {
    const int broker = AnyBroker();
    rd_kafka_mock_broker_set_rtt(
        cluster_.get(), broker,
        Below(static_cast<int>(kRequestTimeout / absl::Milliseconds(1)) * 2));
    Append(20);
    Pause();
    rd_kafka_mock_broker_set_rtt(cluster_.get(), broker, 0);
  }
  void MoveCoordinator() {
    Append(10);
    rd_kafka_mock_coordinator_set(cluster_.get(), "transaction",
                                  absl::StrCat(kPrefix, ".relay").c_str(), AnyBroker());
    Append(10);
  }
  void MoveLeaders() {
    Append(10);
    for (int i = 0; i < kPartitions; ++i) {
      rd_kafka_mock_partition_set_leader(cluster_.get(), LogTopic(kPrefix).c_str(), i, AnyBroker());
    }
    for (const std::string& stream : files_.work().topics()) {
      rd_kafka_mock_partition_set_leader(cluster_.get(), WorkTopic(kPrefix, stream).c_str(),
                                         Below(kStreamPartitions), AnyBroker());
    }
    Append(10);
  }
  void RestartRelay() {
    Append(20);
    StartRelay();
    Append(10);
  }

  // How long a broker stays as it is.
  void Pause() {
    absl::SleepFor(absl::Milliseconds(Below(500)));  // lint: allow(sleep) see above
  }

  void RunRound(int round) {
    const size_t turn = static_cast<size_t>(round) % faults_.size();
    if (turn == 0) std::shuffle(faults_.begin(), faults_.end(), random_);
    const Fault& fault = faults_[turn];
    EndFaults();
    may_be_fenced_ = false;
    (this->*fault.make)();
    ++fired_[fault.name];
    const absl::Status status = relay_->WaitForAll(absl::Now() + kBrokerTimeout);
    if (relay_->GetStatus().state == RelayStatus::State::kFenced) {
      EXPECT_TRUE(may_be_fenced_) << fault.name << ": " << status;
      StartRelay();
      const absl::Status again = relay_->WaitForAll(absl::Now() + kBrokerTimeout);
      EXPECT_TRUE(again.ok()) << fault.name << ": " << again;
      ++fenced_;
      return;
    }
    EXPECT_TRUE(status.ok()) << "round " << round << ", " << fault.name << ": " << status;
    EXPECT_EQ(relay_->MeasureLag().events, 0u);
  }

  void ExpectAllIsThere() {
    EndFaults();
    for (uint32_t partition = 0; partition < kPartitions; ++partition) {
      const auto events = ReadAll(files_.log(), partition);
      const auto records = FirstOfEach(
          ReadTopic(cluster_.settings(), LogTopic(kPrefix), static_cast<int>(partition)),
          [](const BusRecord& record) { return record.Header("ce_id"); });
      ASSERT_EQ(records.size(), events.size()) << "partition " << partition;
      for (size_t i = 0; i < events.size(); ++i) ASSERT_EQ(records[i].value, events[i].bytes);
      events_ += events.size();
    }
    for (const std::string& topic : files_.work().topics()) ExpectStreamIsThere(topic);
  }

  void ExpectStreamIsThere(const std::string& topic) {
    std::vector<std::vector<std::string>> expected(kPartitions);
    for (uint32_t partition = 0; partition < kPartitions; ++partition) {
      for (const StoredEvent& event : ReadAll(files_.log(), partition)) {
        const auto items = files_.work().ItemsOf(event);
        ASSERT_TRUE(items.ok()) << items.status();
        for (const WorkItem& item : *items) {
          if (item.topic == topic) expected[partition].push_back(item.id);
        }
      }
    }
    std::vector<std::vector<std::string>> found(kPartitions);
    for (int32_t i = 0; i < kStreamPartitions; ++i) {
      for (const BusRecord& record :
           FirstOfEach(ReadTopic(cluster_.settings(), WorkTopic(kPrefix, topic), i),
                       [](const BusRecord& one) { return one.Header("ce_id"); })) {
        const auto reference = files_.work().OpenReference(topic, *record.value);
        ASSERT_TRUE(reference.ok()) << reference.status();
        found[reference->position.partition].push_back(record.Header("ce_id"));
      }
    }
    EXPECT_EQ(found, expected) << topic;
  }

  std::vector<Fault> faults_ = {
      {"requests answered with errors", &RelayMockRoundsTest::AnswerErrors},
      {"fenced", &RelayMockRoundsTest::Fence},
      {"broker down", &RelayMockRoundsTest::TakeBrokerDown},
      {"broker slow", &RelayMockRoundsTest::SlowBrokerDown},
      {"coordinator moved", &RelayMockRoundsTest::MoveCoordinator},
      {"leaders moved", &RelayMockRoundsTest::MoveLeaders},
      {"relay restarted", &RelayMockRoundsTest::RestartRelay}};
  std::mt19937_64 random_;
  WorkLog files_{kPartitions};
  MockCluster cluster_{kBrokers, kPrefix, kPartitions, files_.work().topics(), kStreamPartitions};
  std::unique_ptr<Relay> relay_;
  std::map<std::string, int> fired_;
  bool may_be_fenced_ = false;
  int fenced_ = 0;
  size_t events_ = 0;
};

TEST_F(RelayMockRoundsTest, WhateverFailsTheRelayComesThroughOrSaysThatItWasFenced) {
  const int rounds = std::getenv("RECORDS_FULL") != nullptr ? 200 : 21;
  random_.seed(SeedOfRun());
  StartRelay();
  // The mock shows records of a transaction that was never committed. Without progress before them
  // they would rightly be refused.
  Append(10);
  ASSERT_TRUE(relay_->WaitForAll(absl::Now() + kBrokerTimeout).ok());
  for (int round = 0; round < rounds && !HasFailure(); ++round) RunRound(round);
  ASSERT_FALSE(HasFailure());
  ExpectAllIsThere();
  for (const auto& [fault, times] : fired_) std::printf("  %s: %d\n", fault.c_str(), times);
  std::printf("  relays that were fenced: %d\n  events: %zu\n", fenced_, events_);
  EXPECT_EQ(fired_.size(), faults_.size()) << "a fault never fired";
  EXPECT_GT(fenced_, 0);
  EXPECT_GT(events_, 0u);
}

}  // namespace
}  // namespace records::eventstore
