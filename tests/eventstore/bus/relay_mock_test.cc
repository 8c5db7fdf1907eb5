// How the relay takes each error that a broker can answer, on librdkafka's mock cluster. The mock
// knows no isolation, so it judges the relay's reaction only: what readers see is judged by
// relay_broker_test.cc.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
// After rdkafka.h, which it does not include.
#include <librdkafka/rdkafka_mock.h>

#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/relay.h"
#include "tests/eventstore/log_fixture.h"

namespace records::eventstore {
namespace {

using testing_support::AppendTo;
using testing_support::MemoryLog;
using testing_support::RootIn;
using testing_support::Stream;
using State = RelayStatus::State;

constexpr uint32_t kPartitions = 2;
constexpr absl::Duration kLongest = absl::Seconds(60);

// Kafka protocol, "Api Keys".
constexpr int16_t kProduce = 0;
constexpr int16_t kInitProducerId = 22;
constexpr int16_t kAddPartitionsToTransaction = 24;
constexpr int16_t kEndTransaction = 26;

struct ErrorCase {
  int16_t request;
  rd_kafka_resp_err_t error;
};

void PrintTo(const ErrorCase& which, std::ostream* out) {
  *out << "request " << which.request << ", " << rd_kafka_err2name(which.error);
}

class RelayMockTest : public ::testing::TestWithParam<ErrorCase> {
 protected:
  RelayMockTest() {
    char why[256];
    handle_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof why));
    cluster_ = rd_kafka_mock_cluster_new(handle_.get(), 1);
    rd_kafka_mock_topic_create(cluster_, LogTopic("mock").c_str(), kPartitions, 1);
    rd_kafka_mock_topic_create(cluster_, ProgressTopic("mock").c_str(), 1, 1);
  }
  ~RelayMockTest() override { rd_kafka_mock_cluster_destroy(cluster_); }

  RelayOptions Options() {
    RelayOptions options{
        .settings = *KafkaSettings::FromAddress(rd_kafka_mock_cluster_bootstraps(cluster_)),
        .prefix = "mock"};
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

  KafkaClient handle_;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
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
  const std::vector<rd_kafka_resp_err_t> errors(3, error);
  rd_kafka_mock_push_request_errors_array(cluster_, request, errors.size(), errors.data());
  if (request == kInitProducerId) {
    // Only a new producer asks for an id.
    rd_kafka_mock_push_request_errors(cluster_, kEndTransaction, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
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
        cases.push_back({kProduce, error});
      }
      for (const rd_kafka_resp_err_t error :
           {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
            RD_KAFKA_RESP_ERR_UNKNOWN}) {
        cases.push_back({kInitProducerId, error});
        cases.push_back({kAddPartitionsToTransaction, error});
        cases.push_back({kEndTransaction, error});
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
  const std::vector<rd_kafka_resp_err_t> errors(
      2, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  rd_kafka_mock_push_request_errors_array(cluster_, kInitProducerId, errors.size(), errors.data());
  relay.Start();
  EXPECT_TRUE(relay.WaitForAll(absl::Now() + kLongest).ok());
}

}  // namespace
}  // namespace records::eventstore
