#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/bench/load.h"
#include "tools/bench/process.h"

namespace records::bench {

// Where the programs are that are measured, and where their folders may be.
struct Programs {
  std::filesystem::path recordsd;
  std::filesystem::path self;    // this program, which is the echo server too
  std::filesystem::path work;    // for data folders; the disk that is measured
  std::filesystem::path broker;  // tools/broker; empty: no bars of the bus
};

// What a recordsd is started with beside what every one has.
struct RecordsServerOptions {
  std::string kafka;         // address of a broker; empty: it publishes nothing
  std::string kafka_prefix;  // of its topics, where it publishes
};

// A server in a process of its own, on a free port of loopback. Not thread-safe.
class ServerProcess {
 public:
  const std::string& address() const { return address_; }
  // From its start until it said that it serves.
  absl::Duration start_time() const { return start_time_; }
  Process& process() { return *process_; }
  const Process& process() const { return *process_; }

 protected:
  std::string address_;
  absl::Duration start_time_;
  std::unique_ptr<Process> process_;
};

// recordsd with a data folder below `work`, as it ships but for the limit of calls.
class RecordsServer : public ServerProcess {
 public:
  // Starts on `folder`/data, and makes a token for a contact officer.
  static absl::StatusOr<std::unique_ptr<RecordsServer>> Start(
      const Programs& programs, const std::filesystem::path& folder,
      const RecordsServerOptions& more = {});
  const CallIdentity& identity() const { return identity_; }

  // Registers the customers 0 to `count` - 1.
  absl::Status RegisterCustomers(uint64_t count) const;

  // What it exports: "name" or "name{labels}" -> value.
  absl::StatusOr<std::map<std::string, double>> ReadMetrics() const;

 private:
  CallIdentity identity_;
  uint16_t metrics_port_ = 0;
};

// The reference: a server with the same gRPC set-up (callback API, local credentials) and the same
// method, whose handler answers at once with a reply of the real size. It has no authentication, no
// metrics and no store.
class EchoServer : public ServerProcess {
 public:
  static absl::StatusOr<std::unique_ptr<EchoServer>> Start(const Programs& programs,
                                                           const std::filesystem::path& folder);
};

// Serves the echo until SIGTERM; the main of its process.
int RunEchoServer();

}  // namespace records::bench
