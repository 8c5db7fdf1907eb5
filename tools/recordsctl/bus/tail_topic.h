#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/tail_source.h"

namespace records::tools {

// Which topics a log's tail is read from, as the command line says.
struct TailFlags {
  std::string kafka;           // an address on this machine, or
  std::string kafka_settings;  // a file that says how the brokers are reached
  std::string prefix = "records";

  bool is_given() const { return !kafka.empty() || !kafka_settings.empty(); }
};

// `timeout`: how long brokers may take for an answer. kInvalidArgument and others: the flags or the
// settings are wrong. kUnimplemented: this program was built without Kafka.
absl::StatusOr<std::unique_ptr<eventstore::TailSource>> OpenTail(const TailFlags& flags,
                                                                 absl::Duration timeout);

}  // namespace records::tools
