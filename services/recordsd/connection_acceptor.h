#pragma once

#include <grpcpp/server_builder.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace records::services {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { Reset(); }
  Descriptor(Descriptor&& other) noexcept : number_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;

  int get() const { return number_; }
  int Release() { return std::exchange(number_, -1); }
  void Reset();

 private:
  int number_;
};

// Listens in gRPC's place, and hands over no more connections than the server can hold.
//
// gRPC 1.51 has no such limit, and its listener takes no connection ever again once accept() has
// failed for want of descriptors (CVE-2023-4785; tests/system/bad_clients_test.py saw it). Here a
// connection too many is closed at once, and want of descriptors is waited out. Descriptors of the
// log and the views are never taken by clients.
//
// Thread-safe. Stop() before the server that it feeds is destroyed.
class ConnectionAcceptor {
 public:
  // Binds `address` (host:port; port 0: any) and listens; nobody is accepted yet. Hands over at
  // most `connections_max` at a time.
  // kInvalidArgument: no such address. kUnavailable: it is taken, or may not be used.
  static absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> Listen(const std::string& address,
                                                                    size_t connections_max);
  ~ConnectionAcceptor() { Stop(); }

  // Begins to hand connections to a server that has started.
  void Start(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server);
  // Accepts nobody any more; connections go on.
  void Stop();

  int port() const { return port_; }
  // Connections closed at once since the start, because there were too many.
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  // A connection that was handed over. Its number may have been given to another file since.
  struct HandedOver {
    int descriptor;
    ino_t socket;
  };

  explicit ConnectionAcceptor(size_t connections_max) : connections_max_(connections_max) {}
  absl::Status Bind(const std::string& address);
  void Run();
  void AcceptAll();
  void HandOver(Descriptor connection);
  // Closes the first who waits, with the descriptor that is kept for that.
  void TurnAway();
  void ForgetClosed();

  const size_t connections_max_;
  Descriptor listener_;
  Descriptor wake_;
  Descriptor spare_;
  int port_ = 0;
  std::atomic<uint64_t> refused_ = 0;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server_;
  std::vector<HandedOver> handed_over_;  // of the thread alone
  std::thread thread_;
};

// Raises this process's limit of descriptors to what it may have, and returns how many connections
// of `wanted` fit beside the files of the store.
size_t ConnectionsThatFit(size_t wanted);

}  // namespace records::services
