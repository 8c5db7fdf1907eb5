// How the relay takes each error that a broker can answer, on librdkafka's mock cluster. The mock
// knows no isolation, so it judges the relay's reaction only: what readers see is judged by
// relay_broker_test.cc.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventstore/bus/relay.h"
#include "tests/eventstore/bus/mock_fixture.h"
#include "tests/eventstore/log_fixture.h"

namespace records::eventstore {
namespace {

using testing_support::AppendTo;
using testing_support::kAddPartitionsToTransactionRequest;
using testing_support::kEndTransactionRequest;
using testing_support::kInitProducerIdRequest;
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

class RelayMockTest : public ::testing::TestWithParam<ErrorCase> {
 protected:
  RelayOptions Options() {
    RelayOptions options{.settings = cluster_.settings(), .prefix = "mock"};
    options.retry_wait = absl::Milliseconds(20);
    options.retry_wait_max = absl::Milliseconds(100);
    options.broker_timeout = absl::Seconds(5);
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

TEST_P(RelayMockTest, AfterTheErrorItComesThroughOrSaysThatItWasFenced) {
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
  if (relay.GetStatus().state == State::kFenced) {
    EXPECT_TRUE(error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
                error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH)
        << status;
    return;
  }
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
