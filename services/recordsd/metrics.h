#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace records::services {

// A number that is read when it is asked for.
struct Gauge {
  std::string name;
  std::string help;
  std::map<std::string, std::string> labels;
  std::function<double()> read;
};

// Prometheus metrics of a server on a port of their own: calls by method and code, their duration,
// and the gauges it is given. No label ever holds what a caller sent.
//
// Thread-safe. Gauges are read from the exposer's threads until it is destroyed.
class Metrics {
 public:
  // kUnavailable: cannot listen on `address`.
  static absl::StatusOr<std::unique_ptr<Metrics>> Create(const std::string& address,
                                                         std::vector<Gauge> gauges,
                                                         std::vector<std::string> methods);
  ~Metrics();

  // Counts every call. Interceptors measure; they never decide (they cannot stop a call).
  std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> Interceptor();

 private:
  struct Internals;
  explicit Metrics(std::unique_ptr<Internals> internals);
  std::unique_ptr<Internals> internals_;
};

}  // namespace records::services
