#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/recordsd/options.h"

namespace records::services {

// A running server: store, views, services, metrics. Start() opens all in the order in which each
// part needs the one before; the destructor closes in the opposite order.
//
// Thread-safe but for Start() and the destructor.
class Server {
 public:
  // Opens everything and serves. Errors say what to do:
  //   kInvalidArgument    an option or a register
  //   kFailedPrecondition another process has the store, or a file that must be private is not
  //   kDataLoss           the store is damaged; nothing was changed
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);
  ~Server();

  // The port it listens on; differs from the option's when that was 0.
  int port() const;

  // Refuses new calls, lets those under way finish for `drain_seconds`, and stops.
  void Drain();

  // Reads the issuers' keys again.
  absl::Status ReloadKeys();

  // Says in the health service whether the log takes writes: without it neither a command nor a
  // traced read can be answered.
  void UpdateHealth();

  // Signs a checkpoint of the log and keeps it in the data folder, where something was written
  // since the last.
  absl::Status SignCheckpoint();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace records::services
