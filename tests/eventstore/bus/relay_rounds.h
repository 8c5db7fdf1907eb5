#pragma once

#include <string>

#include "absl/time/time.h"
#include "eventstore/bus/relay.h"

// What a relay under faults, and the test that breaks it, agree on.
namespace records::eventstore::testing_support {

inline constexpr uint32_t kRoundPartitions = 4;
// Short, so that a broker that hangs for longer than every timeout hangs for seconds only.
inline constexpr absl::Duration kRoundBrokerTimeout = absl::Seconds(3);

inline RelayOptions RoundOptions(const std::string& address, const std::string& prefix) {
  RelayOptions options{.settings = *KafkaSettings::FromAddress(address), .prefix = prefix};
  options.batch_events = 200;
  options.retry_wait = absl::Milliseconds(50);
  options.retry_wait_max = absl::Milliseconds(500);
  options.broker_timeout = kRoundBrokerTimeout;
  return options;
}

}  // namespace records::eventstore::testing_support
