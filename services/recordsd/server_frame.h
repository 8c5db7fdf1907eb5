#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/categories.h"
#include "records/policy/v1/register.pb.h"
#include "services/auth/caller.h"
#include "services/auth/development_issuer.h"
#include "services/auth/rate_limiter.h"
#include "services/auth/server_credentials.h"
#include "services/auth/token_verifier.h"
#include "services/policy/decide.h"
#include "services/policy/method_table.h"
#include "services/policy/register.h"
#include "services/recordsd/connection_acceptor.h"
#include "services/recordsd/metrics.h"
#include "services/recordsd/options.h"
#include "services/runtime/executor.h"
#include "services/runtime/lawful_bases.h"

// Private to the servers of this folder.
namespace records::services {

// They wait for disks and views, they do not compute.
inline constexpr int kWorkerThreads = 16;
inline constexpr int kBulkThreads = 8;

// Ends the process with a line in the log: an outcome is unknown, or another server took over, so
// nothing more may be written. The next start settles what is there.
std::function<void(const absl::Status&)> EndAfter(const char* event);

// Makes the data folder, which only its owner may list. kUnavailable: it cannot be made.
[[nodiscard]] absl::Status MakePrivateFolder(const std::string& folder);

// The two parts of an option NAME=VALUE. kInvalidArgument, naming the option.
[[nodiscard]] absl::StatusOr<std::pair<std::string, std::string>> SplitPair(
    absl::string_view option, const std::string& text);

// Whether --serve names a part, by itself or as one of all.
[[nodiscard]] bool Serves(const std::vector<std::string>& serve, absl::string_view part);

// Certificate, key and authority that this process shows to other services and asks of them.
[[nodiscard]] ListenOptions ServiceFilesOf(const ServerOptions& options,
                                           const std::string& address);

// What every server of this program has, whether it has the log or a view alone: registers, issuers
// of tokens, threads, metrics, and the ports. Members are destroyed from the last to the first,
// after those of who inherits it, who therefore ends `server` first.
struct ServerFrame {
  ServerOptions options;
  records::policy::v1::Register policy;
  std::unique_ptr<eventstore::CategoryTable> categories;
  std::unique_ptr<DecisionTable> decisions;
  std::unique_ptr<MethodTable> methods;
  std::unique_ptr<LawfulBases> lawful_bases;
  std::unique_ptr<DevelopmentIssuer> development_issuer;
  std::vector<std::string> issuers;  // names of those whose tokens are taken
  std::unique_ptr<TokenVerifier> verifier;
  std::unique_ptr<RateLimiter> limiter;
  std::unique_ptr<RefusalLog> refusals;
  std::unique_ptr<Authenticator> authenticator;

  // Before the log: a late callback of the log finds it stopped, not gone.
  std::unique_ptr<Executor> executor = std::make_unique<Executor>(kWorkerThreads);
  std::unique_ptr<Executor> bulk_executor = std::make_unique<Executor>(kBulkThreads);
  std::unique_ptr<Metrics> metrics;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<ConnectionAcceptor> acceptor;
  std::unique_ptr<ConnectionAcceptor> services_acceptor;  // null: there is no port for services

  absl::Status LoadPolicy();
  absl::Status OpenIssuers();
  absl::Status Bind();
  // Serves on the ports. `services` outlive the server.
  absl::Status Serve(const std::vector<grpc::Service*>& services);
  // The two halves of a drain; between them ends what goes on until it is ended.
  void StopServing();
  void AwaitCalls();

 private:
  using ExternalConnections = std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor>;

  // The port of services, where --services-listen asks for one; else null.
  absl::StatusOr<ExternalConnections> AddServicePort(grpc::ServerBuilder& builder);
};

}  // namespace records::services
