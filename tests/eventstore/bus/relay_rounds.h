#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/bus/relay.h"
#include "eventstore/event_log.h"
#include "eventstore/key_store_open.h"
#include "eventstore/status_macros.h"
#include "tests/eventstore/bus/work_fixture.h"

// What a relay under faults, and the test that breaks it, agree on.
namespace records::eventstore::testing_support {

inline constexpr uint32_t kRoundPartitions = 4;
inline constexpr int32_t kRoundStreamPartitions = 2;
// Short, so that a broker that hangs for longer than every timeout hangs for seconds only.
inline constexpr absl::Duration kRoundBrokerTimeout = absl::Seconds(3);
// Longer: whose transaction is open for longer is fenced, also where only the machine was slow.
inline constexpr absl::Duration kRoundTransactionTimeout = absl::Seconds(15);
// How the process ends when another relay took over.
inline constexpr int kRoundFencedExit = 4;

// Log and keys of a folder, and events for them.
struct RoundStores {
  std::unique_ptr<KeyStore> keys;
  std::unique_ptr<EventLog> log;
  std::unique_ptr<WorkEvents> events;
};

inline absl::StatusOr<RoundStores> OpenRoundStores(const std::string& folder) {
  std::filesystem::create_directories(folder);
  RoundStores stores;
  KeyStoreOptions key_options;
  key_options.data_dir = folder;
  ASSIGN_OR_RETURN(stores.keys, OpenKeyStore(key_options));
  LogOptions log_options;
  log_options.data_dir = folder;
  log_options.partition_count = kRoundPartitions;
  ASSIGN_OR_RETURN(stores.log, OpenLog(log_options));
  stores.events = std::make_unique<WorkEvents>(*stores.log, *stores.keys, SystemRandom());
  return stores;
}

inline RelayOptions RoundOptions(const std::string& address, const std::string& prefix,
                                 const WorkStreams& work) {
  RelayOptions options{.settings = *KafkaSettings::FromAddress(address), .prefix = prefix};
  options.batch_events = 200;
  options.retry_wait = absl::Milliseconds(50);
  options.retry_wait_max = absl::Milliseconds(500);
  options.broker_timeout = kRoundBrokerTimeout;
  options.transaction_timeout = kRoundTransactionTimeout;
  options.work = &work;
  return options;
}

}  // namespace records::eventstore::testing_support
