#include "services/recordsd/server_frame.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "eventstore/status_macros.h"
#include "services/auth/metadata_processor.h"
#include "services/recordsd/logging.h"

namespace records::services {
namespace {

namespace fs = std::filesystem;

// Limits of a connection (reliability research, section 6: gRPC 1.51 has no better defaults).
constexpr int kMessageBytesMax = 1024 * 1024;
// Of the port for services: each process of a view has one.
constexpr size_t kServiceConnectionsMax = 256;
constexpr int kStreamsPerConnectionMax = 256;
constexpr size_t kServerMemoryBytes = size_t{256} << 20;
constexpr int kServerThreadsMax = 64;
// A connection that says nothing is closed after that long; gRPC's own 120 s let few clients hold
// all descriptors.
constexpr int kHandshakeTimeoutMilliseconds = 5'000;
constexpr int kConnectionIdleMilliseconds = 600'000;

}  // namespace

absl::Status MakePrivateFolder(const std::string& folder) {
  std::error_code error;
  const bool existed = fs::exists(folder, error);
  fs::create_directories(folder, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot make the data folder ", folder, ". Use --data."));
  }
  // What is in it is sealed; who may list it is still nobody else's business.
  if (!existed) fs::permissions(folder, fs::perms::owner_all, error);
  return absl::OkStatus();
}

absl::StatusOr<std::pair<std::string, std::string>> SplitPair(absl::string_view option,
                                                              const std::string& text) {
  std::pair<std::string, std::string> pair = absl::StrSplit(text, absl::MaxSplits('=', 1));
  if (!pair.first.empty() && !pair.second.empty()) return pair;
  return absl::InvalidArgumentError(absl::StrCat(option, " must have the form NAME=VALUE"));
}

bool Serves(const std::vector<std::string>& serve, absl::string_view part) {
  for (const std::string& name : serve) {
    if (name == "all" || name == part) return true;
  }
  return false;
}

ListenOptions ServiceFilesOf(const ServerOptions& options, const std::string& address) {
  return {.address = address,
          .tls_certificate_file = options.service_certificate,
          .tls_private_key_file = options.service_private_key,
          .tls_client_ca_file = options.service_ca};
}

std::function<void(const absl::Status&)> EndAfter(const char* event) {
  return [event](const absl::Status& status) {
    Log(LogLevel::kError, event, {{"why", std::string(status.message())}});
    std::_Exit(1);
  };
}

absl::Status ServerFrame::LoadPolicy() {
  ASSIGN_OR_RETURN(policy, options.policy_folder.empty() ? EmbeddedRegister()
                                                         : LoadRegister(options.policy_folder));
  RETURN_IF_ERROR(CheckServices(policy, ApiFiles(), EventFiles()));
  ASSIGN_OR_RETURN(auto table, MakeCategoryTable(policy));
  categories = std::make_unique<eventstore::CategoryTable>(std::move(table));
  ASSIGN_OR_RETURN(auto decision_table, DecisionTable::Create(policy));
  decisions = std::make_unique<DecisionTable>(std::move(decision_table));
  ASSIGN_OR_RETURN(auto method_table, MethodTable::Create(ApiFiles()));
  methods = std::make_unique<MethodTable>(std::move(method_table));
  lawful_bases = std::make_unique<LawfulBases>(policy);
  return absl::OkStatus();
}

absl::Status ServerFrame::OpenIssuers() {
  const eventstore::Clock& clock = eventstore::SystemClock();
  TokenVerifierOptions verifier_options{.audience = options.token_audience};
  for (const std::string& issuer : options.token_issuers) {
    ASSIGN_OR_RETURN(auto pair, SplitPair("--token-issuer", issuer));
    verifier_options.issuers.push_back({.name = pair.first, .keys_file = pair.second});
  }
  if (options.development_issuer && IsLoopbackAddress(options.listen)) {
    ASSIGN_OR_RETURN(
        development_issuer,
        DevelopmentIssuer::OpenOrCreate(options.data_folder, clock, eventstore::SystemRandom()));
    verifier_options.issuers.push_back(development_issuer->AsTokenIssuer());
  }
  if (verifier_options.issuers.empty()) {
    return absl::InvalidArgumentError(
        "No issuer of tokens. Give --token-issuer NAME=FILE; the development issuer is for "
        "loopback "
        "only.");
  }
  for (const TokenIssuer& issuer : verifier_options.issuers) issuers.push_back(issuer.name);
  ASSIGN_OR_RETURN(verifier, TokenVerifier::Create(std::move(verifier_options), clock));
  limiter = std::make_unique<RateLimiter>(
      RateLimiterOptions{.requests_per_second = options.calls_per_second,
                         .burst_requests = 2 * options.calls_per_second},
      clock);
  refusals = std::make_unique<RefusalLog>(
      RateLimiterOptions{.requests_per_second = 0.1, .burst_requests = 10, .keys_max = 1024}, clock,
      [](absl::string_view peer, absl::string_view reason, uint64_t suppressed) {
        Log(LogLevel::kWarn, "unauthenticated",
            {{"peer", std::string(peer)},
             {"reason", std::string(reason)},
             {"suppressed", std::to_string(suppressed)}});
      });
  authenticator = std::make_unique<Authenticator>(*verifier, limiter.get());
  return absl::OkStatus();
}

absl::Status ServerFrame::Bind() {
  size_t connections = ConnectionsThatFit(options.connections_max);
  if (!options.services_listen.empty()) {
    // Out of the same descriptors; clients leave a share to services, however many come.
    const size_t for_services = std::min(kServiceConnectionsMax, connections / 2);
    connections = std::min(
        connections, ConnectionsThatFit(options.connections_max + for_services) - for_services);
    auto listening = ConnectionAcceptor::Listen(options.services_listen, for_services);
    if (!listening.ok()) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", options.services_listen, ". Use --services-listen."));
    }
    services_acceptor = *std::move(listening);
  }
  ASSIGN_OR_RETURN(acceptor, ConnectionAcceptor::Listen(options.listen, connections));
  if (connections < options.connections_max) {
    Log(LogLevel::kWarn, "fewer_connections",
        {{"connections", std::to_string(connections)}, {"why", "the limit of open files"}});
  }
  return absl::OkStatus();
}

absl::StatusOr<ServerFrame::ExternalConnections> ServerFrame::AddServicePort(
    grpc::ServerBuilder& builder) {
  if (services_acceptor == nullptr) return nullptr;
  auto processor = std::make_shared<ServiceProcessor>(methods->ServicePaths(), *refusals);
  ASSIGN_OR_RETURN(auto credentials,
                   MakeServicePortCredentials(ServiceFilesOf(options, options.services_listen),
                                              std::move(processor)));
  return builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      std::move(credentials));
}

absl::Status ServerFrame::Serve(const std::vector<grpc::Service*>& services) {
  auto processor =
      std::make_shared<AuthenticationProcessor>(*authenticator, *refusals, methods->ServicePaths());
  ASSIGN_OR_RETURN(auto credentials,
                   MakeServerCredentials({.address = options.listen,
                                          .tls_certificate_file = options.tls_certificate,
                                          .tls_private_key_file = options.tls_private_key,
                                          .tls_client_ca_file = options.tls_client_ca},
                                         std::move(processor)));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  auto connections = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  // gRPC checks a message's size before it unpacks it and not after: what one MiB unpacks to has no
  // bound (seen: 256 MiB for a quarter of a MiB), so nothing compressed is taken.
  for (int algorithm = GRPC_COMPRESS_NONE + 1; algorithm < GRPC_COMPRESS_ALGORITHMS_COUNT;
       ++algorithm) {
    builder.SetCompressionAlgorithmSupportStatus(static_cast<grpc_compression_algorithm>(algorithm),
                                                 false);
  }
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, int{kMetadataBytesMax});
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMilliseconds);
  // Windows of a fixed size. gRPC 1.51 measures the connection to size them, and when it makes them
  // smaller it takes what a client had already sent for too much: a stream ends with RST_STREAM 1.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kConnectionIdleMilliseconds);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  grpc::ResourceQuota quota("recordsd");
  quota.Resize(kServerMemoryBytes);
  quota.SetMaxThreads(kServerThreadsMax);
  builder.SetResourceQuota(quota);
  for (grpc::Service* service : services) builder.RegisterService(service);
  ASSIGN_OR_RETURN(auto services_connections, AddServicePort(builder));
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(metrics->Interceptor());
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  server = builder.BuildAndStart();
  if (server == nullptr) return absl::InternalError("the gRPC server did not start");
  acceptor->Start(std::move(connections));
  if (services_acceptor != nullptr) services_acceptor->Start(std::move(services_connections));
  return absl::OkStatus();
}

void ServerFrame::StopServing() {
  server->GetHealthCheckService()->SetServingStatus(false);
  acceptor->Stop();
  if (services_acceptor != nullptr) services_acceptor->Stop();
}

void ServerFrame::AwaitCalls() {
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(options.drain_seconds));
  server->Wait();
}

}  // namespace records::services
