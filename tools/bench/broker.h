#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/bus/bus_state.h"
#include "eventstore/bus/kafka_settings.h"
#include "tools/bench/bars.h"

namespace records::bench {

// The topics of deploy/kafka/topics.textproto, by name, under a prefix and without copies.
// `program`: tools/broker, of the tree that is meant.
absl::StatusOr<std::map<std::string, eventstore::TopicDescription>> TopicsOf(
    const std::filesystem::path& program, const std::string& prefix);

// A real broker in a folder of its own, by tools/broker; ended with this object, or with this
// process however that ends. Not thread-safe.
class Broker {
 public:
  static absl::StatusOr<std::unique_ptr<Broker>> Start(const BenchOptions& options);
  ~Broker();

  const std::string& address() const { return address_; }
  eventstore::KafkaSettings settings() const;
  // Processor time that it has used so far.
  absl::Duration CpuTime() const;

  // Makes the topics of deploy/kafka/topics.textproto under a prefix, and waits until they are
  // there.
  [[nodiscard]] absl::Status MakeTopics(const std::string& prefix) const;
  // Deletes them: the broker frees their room a while after.
  [[nodiscard]] absl::Status DropTopics(const std::string& prefix) const;

 private:
  Broker(std::filesystem::path program, std::unique_ptr<TemporaryFolder> folder);
  absl::Status Run(const std::string& command, const std::filesystem::path& output) const;

  const std::filesystem::path program_;
  const std::unique_ptr<TemporaryFolder> folder_;
  std::string address_;
};

}  // namespace records::bench
