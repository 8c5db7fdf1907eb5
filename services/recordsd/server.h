#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/recordsd/options.h"

namespace records::services {

// A server as main sees it. It drains and stops when it is destroyed. Thread-safe but for that.
class RunningServer {
 public:
  virtual ~RunningServer() = default;

  // The port it listens on; differs from the option's when that was 0.
  virtual int port() const = 0;
  // The port for services; 0: there is none.
  virtual int services_port() const = 0;
  // Reads the issuers' keys again.
  virtual absl::Status ReloadKeys() = 0;
  // Called each second.
  virtual void UpdateHealth() = 0;
  // Called each minute; an error is logged.
  virtual absl::Status EachMinute() = 0;
};

// A running server: store, views, services, metrics. Start() opens all in the order in which each
// part needs the one before; the destructor closes in the opposite order.
//
// Thread-safe but for Start() and the destructor.
class Server final : public RunningServer {
 public:
  // Opens everything and serves. Errors say what to do:
  //   kInvalidArgument    an option or a register
  //   kFailedPrecondition another process has the store, or a file that must be private is not
  //   kDataLoss           the store is damaged; nothing was changed
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);
  ~Server() override;

  int port() const override;
  int services_port() const override;
  absl::Status ReloadKeys() override;

  // Says in the health service whether the log takes writes: without it neither a command nor a
  // traced read can be answered.
  void UpdateHealth() override;

  // Signs a checkpoint of the log and keeps it in the data folder, where something was written
  // since the last.
  absl::Status EachMinute() override { return SignCheckpoint(); }

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  // Refuses new calls, lets those under way finish for `drain_seconds`, and stops.
  void Drain();
  absl::Status SignCheckpoint();
  std::unique_ptr<Parts> parts_;
};

}  // namespace records::services
