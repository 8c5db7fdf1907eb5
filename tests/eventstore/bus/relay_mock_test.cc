// How the relay takes each error that a broker can answer, on librdkafka's mock cluster. The mock
// knows no isolation, so it judges the relay's reaction only: what readers see is judged by
// relay_broker_test.cc.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

#include "eventstore/bus/relay.h"
#include "tests/eventstore/bus/mock_fixture.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

using testing_support::AppendTo;
using testing_support::kAddPartitionsToTransactionRequest;
using testing_support::kEndTransactionRequest;
using testing_support::kInitProducerIdRequest;
using testing_support::kListOffsetsRequest;
using testing_support::kProduceRequest;
using testing_support::MemoryLog;
using testing_support::MockCluster;
using testing_support::RootIn;
using testing_support::Stream;
using State = RelayStatus::State;

constexpr uint32_t kPartitions = 2;
constexpr absl::Duration kLongest = absl::Seconds(60);

struct ErrorCase {
  int16_t request;
  rd_kafka_resp_err_t error;
};

void PrintTo(const ErrorCase& which, std::ostream* out) {
  *out << "request " << which.request << ", " << rd_kafka_err2name(which.error);
}

// Whether an error means that another relay has taken over.
bool SaysFenced(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
         error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

class RelayMockTest : public ::testing::TestWithParam<ErrorCase> {
 protected:
  RelayOptions Options() {
    RelayOptions options{.settings = cluster_.settings(), .prefix = "mock"};
    options.retry_wait = absl::Milliseconds(20);
    options.retry_wait_max = absl::Milliseconds(100);
    options.broker_timeout = absl::Seconds(5);
    options.transaction_timeout = absl::Seconds(5);
    return options;
  }

  void Append(int events) {
    for (int i = 0; i < events; ++i) {
      const auto root = RootIn(static_cast<uint32_t>(i) % kPartitions);
      ASSERT_TRUE(log_.AppendAndWait(AppendTo(Stream(root))).ok());
    }
  }

  MockCluster cluster_{1, "mock", kPartitions};
  MemoryLog files_{kPartitions};
  EventLog& log_ = files_.Open();
};

TEST_P(RelayMockTest, AfterTheErrorItComesThroughUnlessItIsFenced) {
  Append(20);
  Relay relay(log_, Options());
  relay.Start();
  const absl::Status before = relay.WaitForAll(absl::Now() + kLongest);
  ASSERT_TRUE(before.ok()) << before;
  const auto [request, error] = GetParam();
  cluster_.PushErrors(request, std::vector(3, error));
  if (request == kInitProducerIdRequest) {
    // Only a new producer asks for an id.
    cluster_.PushErrors(kEndTransactionRequest, {RD_KAFKA_RESP_ERR_INVALID_TXN_STATE});
  }
  Append(20);
  const absl::Status status = relay.WaitForAll(absl::Now() + kLongest);
  // Whoever is fenced ends: it never comes through with a new producer.
  ASSERT_EQ(relay.GetStatus().state == State::kFenced, SaysFenced(error)) << status;
  if (SaysFenced(error)) return;
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(relay.MeasureLag().events, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Errors, RelayMockTest, ::testing::ValuesIn([] {
      std::vector<ErrorCase> cases;
      for (const rd_kafka_resp_err_t error :
           {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
            RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
            RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RD_KAFKA_RESP_ERR_UNKNOWN}) {
        cases.push_back({kProduceRequest, error});
      }
      for (const rd_kafka_resp_err_t error :
           {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
            RD_KAFKA_RESP_ERR_UNKNOWN}) {
        cases.push_back({kInitProducerIdRequest, error});
        cases.push_back({kAddPartitionsToTransactionRequest, error});
        cases.push_back({kEndTransactionRequest, error});
      }
      return cases;
    }()),
    [](const auto& which) {
      return absl::StrCat("Request", which.param.request, "_",
                          rd_kafka_err2name(which.param.error));
    });

// Every code that brokers know, as an answer to what produces and what fences.
std::vector<ErrorCase> EveryCode() {
  const rd_kafka_err_desc* descriptions = nullptr;
  size_t count = 0;
  rd_kafka_get_err_descs(&descriptions, &count);
  std::vector<ErrorCase> cases;
  for (size_t i = 0; i < count; ++i) {
    // Codes below are librdkafka's own.
    if (descriptions[i].name == nullptr || descriptions[i].code < RD_KAFKA_RESP_ERR_UNKNOWN ||
        descriptions[i].code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      continue;
    }
    cases.push_back({kProduceRequest, descriptions[i].code});
    cases.push_back({kInitProducerIdRequest, descriptions[i].code});
  }
  return cases;
}

// All with RECORDS_FULL, else a sample.
TEST_F(RelayMockTest, WhateverCodeABrokerAnswersWithItComesThroughUnlessItIsFenced) {
  std::vector<ErrorCase> cases = EveryCode();
  ASSERT_GT(cases.size(), 200u);
  std::shuffle(cases.begin(), cases.end(), std::mt19937_64(SeedOfRun()));
  // Those that fence are in each sample.
  std::stable_partition(cases.begin(), cases.end(),
                        [](const ErrorCase& one) { return SaysFenced(one.error); });
  if (std::getenv("RECORDS_FULL") == nullptr) cases.resize(24);
  auto relay = std::make_unique<Relay>(log_, Options());
  relay->Start();
  int fenced = 0;
  for (const ErrorCase& one : cases) {
    SCOPED_TRACE(::testing::PrintToString(one));
    ASSERT_TRUE(relay->WaitForAll(absl::Now() + kLongest).ok());
    cluster_.ClearErrors(one.request);
    cluster_.PushErrors(one.request, std::vector(3, one.error));
    if (one.request == kInitProducerIdRequest) {
      cluster_.PushErrors(kEndTransactionRequest, {RD_KAFKA_RESP_ERR_INVALID_TXN_STATE});
    }
    Append(4);
    const absl::Status status = relay->WaitForAll(absl::Now() + kLongest);
    EXPECT_GT(cluster_.CountRequests(one.request), 0u) << "nobody got that answer";
    ASSERT_EQ(relay->GetStatus().state == State::kFenced, SaysFenced(one.error)) << status;
    if (SaysFenced(one.error)) {
      ++fenced;
      cluster_.ClearErrors(one.request);
      relay = std::make_unique<Relay>(log_, Options());
      relay->Start();
      continue;
    }
    EXPECT_TRUE(status.ok()) << status;
  }
  EXPECT_TRUE(relay->WaitForAll(absl::Now() + kLongest).ok());
  std::printf("  answers: %zu, of these said fenced: %d\n", cases.size(), fenced);
}

// Taken for empty, its progress would be lost, or all its events published again.
TEST_F(RelayMockTest, ATopicWhoseEndABrokerDoesNotSayIsNotTakenForAnEmptyOne) {
  Append(20);
  {
    Relay relay(log_, Options());
    relay.Start();
    ASSERT_TRUE(relay.WaitForAll(absl::Now() + kLongest).ok());
  }
  constexpr int kQuestions =
      2 * 2;  // both ends of progress and of the log, of all its partitions at once
  for (int fails = 0; fails < kQuestions; ++fails) {
    SCOPED_TRACE(fails);
    std::vector<rd_kafka_resp_err_t> answers(fails, RD_KAFKA_RESP_ERR_NO_ERROR);
    answers.push_back(RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR);
    cluster_.ClearErrors(kListOffsetsRequest);
    cluster_.PushErrors(kListOffsetsRequest, answers);
    Append(4);
    Relay relay(log_, Options());
    relay.Start();
    const absl::Status status = relay.WaitForAll(absl::Now() + kLongest);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(relay.GetStatus().events_published, 4u);
    EXPECT_EQ(relay.GetStatus().events_republished, 0u);
    EXPECT_GT(cluster_.CountRequests(kListOffsetsRequest), size_t{kQuestions})
        << "nobody got that answer";
  }
}

TEST_F(RelayMockTest, ATopicItMayNotWriteToIsSaidAndTriedAgain) {
  Append(5);
  Relay relay(log_, Options());
  cluster_.PushErrors(kInitProducerIdRequest,
                      std::vector(2, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED));
  relay.Start();
  EXPECT_TRUE(relay.WaitForAll(absl::Now() + kLongest).ok());
}

}  // namespace
}  // namespace records::eventstore
