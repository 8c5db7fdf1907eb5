#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/bus/work_streams.h"
#include "eventstore/log.h"
#include "services/recordsd/options.h"

namespace records::services {

// Numbers for health and metrics.
struct PublisherStatus {
  std::string state;  // ready, running, waiting, refused, fenced, stopped
  std::string why;    // of waiting, refused and fenced
  uint64_t events = 0;
  uint64_t transactions = 0;
  uint64_t sessions = 0;
  // Of the reconciler, which reads back what was published.
  uint64_t compared = 0;
  uint64_t differences = 0;
  std::string difference;  // the first; empty: none
  uint64_t rounds = 0;     // in which all was read back
  std::string unread;      // why the last round was not finished; empty: it was
};

// What is durable in the log and not known to be in Kafka.
struct PublisherLag {
  uint64_t events = 0;
  double seconds = 0;  // age of the oldest
};

// Publishes the log to Kafka: eventstore/bus, where this program was built with it.
//
// Thread-safe. The log must outlive it.
class Publisher {
 public:
  virtual ~Publisher() = default;  // stops, after the transaction at hand
  // Cheap: no more than is known. The lag is left out.
  virtual PublisherStatus GetStatus() const = 0;
  // Reads events of the log to tell how old they are.
  virtual PublisherLag MeasureLag() const = 0;
};

// Whether the options say that this server publishes.
bool Publishes(const ServerOptions& options);

// Starts to publish the log and the work streams; brokers that are away are tried again for ever.
// `on_fenced` is called once, from a thread that it must not block, when another server publishes
// under the same prefix.
//   kInvalidArgument     an option, or a line of the settings file
//   kNotFound, kPermissionDenied  the settings file
//   kUnimplemented       this program was built without Kafka
absl::StatusOr<std::unique_ptr<Publisher>> StartPublisher(
    const eventstore::EventLog& log, const eventstore::WorkStreams& work,
    const ServerOptions& options, std::function<void(const absl::Status&)> on_fenced);

}  // namespace records::services
