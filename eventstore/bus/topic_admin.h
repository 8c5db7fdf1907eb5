#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/kafka_settings.h"

namespace records::eventstore {

// What a topic shall be.
struct TopicDescription {
  std::string name;
  int32_t partitions = 1;
  int32_t replicas = 1;
  std::vector<std::pair<std::string, std::string>> configuration;  // "retention.ms" and the like
};

// Makes and removes topics. Errors as KafkaStatus() says.
//
// Not thread-safe.
class TopicAdmin {
 public:
  static absl::StatusOr<std::unique_ptr<TopicAdmin>> Open(const KafkaSettings& settings);

  // kAlreadyExists: there is a topic of that name, whatever it is like.
  [[nodiscard]] absl::Status Create(const TopicDescription& topic, absl::Duration timeout);
  // kNotFound: there is none.
  [[nodiscard]] absl::Status Delete(const std::string& topic, absl::Duration timeout);

 private:
  explicit TopicAdmin(KafkaClient client) : client_(std::move(client)) {}

  const KafkaClient client_;
};

}  // namespace records::eventstore
