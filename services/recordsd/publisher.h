#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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
  uint64_t lag_events = 0;
  double lag_seconds = 0;
  // Of the reconciler, which reads back what was published.
  uint64_t compared = 0;
  uint64_t differences = 0;
  std::string difference;  // the first; empty: none
};

// Publishes the log to Kafka: eventstore/bus, where this program was built with it.
//
// Thread-safe. The log must outlive it.
class Publisher {
 public:
  virtual ~Publisher() = default;  // stops, after the transaction at hand
  virtual PublisherStatus GetStatus() const = 0;
};

// Whether the options say that this server publishes.
bool Publishes(const ServerOptions& options);

// Starts to publish; brokers that are away are tried again for ever. `on_fenced` is called once,
// from a thread that it must not block, when another server publishes under the same prefix.
//   kInvalidArgument     an option, or a line of the settings file
//   kNotFound, kPermissionDenied  the settings file
//   kUnimplemented       this program was built without Kafka
absl::StatusOr<std::unique_ptr<Publisher>> StartPublisher(
    const eventstore::EventLog& log, const ServerOptions& options,
    std::function<void(const absl::Status&)> on_fenced);

}  // namespace records::services
