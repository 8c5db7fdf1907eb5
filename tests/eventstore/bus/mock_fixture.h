#pragma once

#include <librdkafka/rdkafka.h>
// After rdkafka.h, which it does not include.
#include <librdkafka/rdkafka_mock.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/log_topic.h"

namespace records::eventstore::testing_support {

// Kafka protocol, "Api Keys".
inline constexpr int16_t kProduceRequest = 0;
inline constexpr int16_t kListOffsetsRequest = 2;
inline constexpr int16_t kMetadataRequest = 3;
inline constexpr int16_t kFindCoordinatorRequest = 10;
inline constexpr int16_t kJoinGroupRequest = 11;
inline constexpr int16_t kInitProducerIdRequest = 22;
inline constexpr int16_t kAddPartitionsToTransactionRequest = 24;
inline constexpr int16_t kEndTransactionRequest = 26;

// librdkafka's mock of brokers, which fails as it is told. It knows no isolation: what was written
// is read whether it was committed or not, so it judges how a relay takes errors, and no more.
class MockCluster {
 public:
  MockCluster(int brokers, const std::string& prefix, int partitions,
              const std::vector<std::string>& streams = {}, int stream_partitions = 1) {
    char why[256];
    handle_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof why));
    cluster_ = rd_kafka_mock_cluster_new(handle_.get(), brokers);
    rd_kafka_mock_topic_create(cluster_, LogTopic(prefix).c_str(), partitions, brokers);
    rd_kafka_mock_topic_create(cluster_, ProgressTopic(prefix).c_str(), 1, brokers);
    for (const std::string& stream : streams) {
      const std::string topic = WorkTopic(prefix, stream);
      rd_kafka_mock_topic_create(cluster_, topic.c_str(), stream_partitions, brokers);
    }
  }
  ~MockCluster() { rd_kafka_mock_cluster_destroy(cluster_); }
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;

  rd_kafka_mock_cluster_t* get() { return cluster_; }
  KafkaSettings settings() const {
    return *KafkaSettings::FromAddress(rd_kafka_mock_cluster_bootstraps(cluster_));
  }

  // The next requests of that kind are answered so.
  void PushErrors(int16_t request, const std::vector<rd_kafka_resp_err_t>& errors) {
    rd_kafka_mock_push_request_errors_array(cluster_, request, errors.size(), errors.data());
  }
  // Takes back those that nobody asked for, and counts requests from here on.
  void ClearErrors(int16_t request) {
    rd_kafka_mock_clear_request_errors(cluster_, request);
    rd_kafka_mock_start_request_tracking(cluster_);
    rd_kafka_mock_clear_requests(cluster_);
  }
  // Requests of that kind since ClearErrors().
  size_t CountRequests(int16_t request) const {
    size_t count = 0;
    rd_kafka_mock_request_t** requests = rd_kafka_mock_get_requests(cluster_, &count);
    const size_t found = std::count_if(requests, requests + count, [request](const auto* one) {
      return rd_kafka_mock_request_api_key(const_cast<rd_kafka_mock_request_t*>(one)) == request;
    });
    rd_kafka_mock_request_destroy_array(requests, count);
    return found;
  }

 private:
  KafkaClient handle_;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

}  // namespace records::eventstore::testing_support
