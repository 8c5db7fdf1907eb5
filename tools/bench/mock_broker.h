#pragma once

#include <librdkafka/rdkafka.h>
// After rdkafka.h, which it does not include.
#include <librdkafka/rdkafka_mock.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "eventstore/bus/kafka_client.h"

namespace records::bench {

// librdkafka's mock of a broker, in this process: it answers what a relay asks and keeps what it
// sends in memory, at a small part of what a real one costs. Not thread-safe.
class MockBroker {
 public:
  // With the topics of deploy/kafka/topics.textproto in the tree that `program`, tools/broker, is
  // of.
  static absl::StatusOr<std::unique_ptr<MockBroker>> Start(const std::filesystem::path& program,
                                                           const std::string& prefix);

  std::string address() const { return rd_kafka_mock_cluster_bootstraps(cluster_.get()); }

 private:
  struct ClusterDeleter {
    void operator()(rd_kafka_mock_cluster_t* cluster) const {
      rd_kafka_mock_cluster_destroy(cluster);
    }
  };

  explicit MockBroker(eventstore::KafkaClient client)
      : client_(std::move(client)), cluster_(rd_kafka_mock_cluster_new(client_.get(), 1)) {}

  const eventstore::KafkaClient client_;
  const std::unique_ptr<rd_kafka_mock_cluster_t, ClusterDeleter> cluster_;  // of the client
};

}  // namespace records::bench
