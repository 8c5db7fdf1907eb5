#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace records::eventstore {

// How a broker is reached: properties under librdkafka's names. Secrets come from a file, never
// from a command line.
//
// A value type.
class KafkaSettings {
 public:
  // Brokers on loopback, in the clear: "127.0.0.1:9092", several with commas. kInvalidArgument:
  // another form, or a host that is not this machine, which needs a file with TLS.
  static absl::StatusOr<KafkaSettings> FromAddress(absl::string_view address);

  // Lines `name=value` with # comments: bootstrap.servers, security.protocol, sasl.* and ssl.*
  // only, the rest is the program's to set. kInvalidArgument names the line, never its value; also
  // for brokers off this machine without TLS.
  // kNotFound: no such file. kPermissionDenied: it holds a secret and others may read it (chmod
  // 600).
  static absl::StatusOr<KafkaSettings> FromFile(const std::string& path);

  // What a program's options --kafka and --kafka-settings say. kInvalidArgument: not exactly one of
  // them is given. Else as the one that is.
  static absl::StatusOr<KafkaSettings> FromOptions(absl::string_view address,
                                                   const std::string& file);

  const std::vector<std::pair<std::string, std::string>>& properties() const { return properties_; }

 private:
  explicit KafkaSettings(std::vector<std::pair<std::string, std::string>> properties)
      : properties_(std::move(properties)) {}

  std::vector<std::pair<std::string, std::string>> properties_;
};

}  // namespace records::eventstore
