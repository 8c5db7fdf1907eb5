#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventstore/limits.h"

namespace records::services {

// How a server is told to run. Every field has a safe default.
struct ServerOptions {
  std::string data_folder;
  std::string master_key_file;      // empty: master.key in the data folder
  std::string erasure_ledger_file;  // empty: erasure.ledger in the data folder
  // Folders that backups go to; empty: none are made.
  std::string backup_log_folder;
  std::string backup_keys_folder;
  std::string listen;
  std::string metrics = "127.0.0.1:7401";  // empty: none
  std::string policy_folder;               // empty: the registers of deploy/policy, built in
  std::vector<std::string> serve = {"all"};
  std::string organisation = "landlord";  // [a-z0-9-]{1,32}; on every stream (C50)
  uint32_t partitions = 16;               // of a new log

  // Issuers of tokens, each "name=FILE" with its JWK Set. On loopback a development issuer is
  // added.
  std::vector<std::string> token_issuers;
  std::string token_audience = "records";
  bool development_issuer = true;
  // The first administrator, "issuer=subject": granted system-administrator at the start.
  std::string first_administrator;

  // Brokers of Kafka that the log is published to: addresses on this machine, or a file with
  // librdkafka's properties. Both empty: it is not published.
  std::string kafka;
  std::string kafka_settings_file;
  std::string kafka_prefix = "records";

  std::string tls_certificate;
  std::string tls_private_key;
  std::string tls_client_ca;

  // Between services: the port that views in processes of their own use, on the server that has the
  // log; empty: none. And what each service shows and asks of the others, all three PEM.
  std::string services_listen;
  std::string service_certificate;
  std::string service_private_key;
  std::string service_ca;

  // Of a view in a process of its own: the ledger's port for services; where callers reach this
  // process, for those who asked another; and a name that it keeps when it starts anew, so that its
  // partitions wait for it.
  std::string ledger;
  std::string advertise;  // empty: as `listen`
  std::string instance;   // empty: none

  double calls_per_second = 20'000;  // of one caller; a burst may be twice that
  size_t connections_max = 4096;  // at a time; fewer where the process may have fewer descriptors
  // How the store uses memory and disk. Below `disk_reserve_mib` of room only traces, fences and
  // erasures are written, below `disk_floor_mib` nothing.
  uint64_t disk_reserve_mib = eventstore::kDiskReserveBytes >> 20;
  uint64_t disk_floor_mib = eventstore::kDiskFloorBytes >> 20;
  uint64_t log_cache_mib = 64;
  uint64_t log_unflushed_mib = 256;

  int drain_seconds = 10;          // how long calls under way may take when the server stops
  std::string log_level = "info";  // trace, debug, info, warn, error
};

// What came of reading the command line: options, or an exit code with everything printed.
struct ParsedOptions {
  ServerOptions options;
  int exit_code = -1;  // -1: go on
};

ParsedOptions ParseOptions(int argc, char** argv);

}  // namespace records::services
