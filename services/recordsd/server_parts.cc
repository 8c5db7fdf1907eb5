#include "services/recordsd/server_parts.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "eventstore/status_macros.h"
#include "services/auth/metadata_processor.h"
#include "services/auth/server_credentials.h"
#include "services/recordsd/bootstrap.h"
#include "services/recordsd/logging.h"
#include "services/recordsd/view.h"

namespace records::services {
namespace {

namespace fs = std::filesystem;

// Limits of a connection (reliability research, section 6: gRPC 1.51 has no better defaults).
constexpr int kMessageBytesMax = 1024 * 1024;
constexpr int kStreamsPerConnectionMax = 256;
constexpr size_t kServerMemoryBytes = size_t{256} << 20;
constexpr int kServerThreadsMax = 64;
// A connection that says nothing is closed after that long; gRPC's own 120 s let few clients hold
// all descriptors.
constexpr int kHandshakeTimeoutMilliseconds = 5'000;
constexpr int kConnectionIdleMilliseconds = 600'000;
constexpr absl::Duration kCatchUpMax = absl::Minutes(5);

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

absl::Status CheckServe(const std::vector<std::string>& serve) {
  bool ledger = false;
  for (const std::string& part : serve) {
    if (part != "all" && part != "ledger" && part != "timeline") {
      return absl::InvalidArgumentError(
          absl::StrCat("--serve ", part, ": there are all, ledger and timeline"));
    }
    ledger = ledger || part != "timeline";
  }
  if (ledger) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--serve timeline alone: a view in a process of its own is fed by the bus, which this server "
      "does not have. Serve ledger,timeline.");
}

bool Serves(const std::vector<std::string>& serve, absl::string_view part) {
  for (const std::string& name : serve) {
    if (name == "all" || name == part) return true;
  }
  return false;
}

absl::StatusOr<std::pair<std::string, std::string>> SplitPair(absl::string_view option,
                                                              const std::string& text) {
  std::pair<std::string, std::string> pair = absl::StrSplit(text, absl::MaxSplits('=', 1));
  if (!pair.first.empty() && !pair.second.empty()) return pair;
  return absl::InvalidArgumentError(absl::StrCat(option, " must have the form NAME=VALUE"));
}

// Waits until a view has come to where the log stands now.
absl::Status WaitForHead(const eventstore::EventLog& log, const projections::Runner& runner) {
  const absl::Time deadline = absl::Now() + kCatchUpMax;
  for (uint32_t partition = 0; partition < log.partition_count(); ++partition) {
    const auto head = log.Head(eventstore::Ledger::kEvents, partition);
    if (head.sequence > 0) RETURN_IF_ERROR(runner.WaitFor(head, deadline));
  }
  return absl::OkStatus();
}

}  // namespace

std::function<void(const absl::Status&)> EndAfter(const char* event) {
  return [event](const absl::Status& status) {
    Log(LogLevel::kError, event, {{"why", std::string(status.message())}});
    std::_Exit(1);
  };
}

absl::Status Server::Parts::Prepare() {
  RETURN_IF_ERROR(CheckServe(options.serve));
  if (options.disk_floor_mib > options.disk_reserve_mib) {
    return absl::InvalidArgumentError(
        "--disk-floor-mib is above --disk-reserve-mib: nothing would be left for read traces");
  }
  return MakePrivateFolder(options.data_folder);
}

absl::Status Server::Parts::LoadPolicy() {
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

absl::Status Server::Parts::OpenIssuers() {
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

absl::Status Server::Parts::OpenStore() {
  ASSIGN_OR_RETURN(keys, eventstore::OpenKeyStore({.data_dir = options.data_folder,
                                                   .master_key_file = options.master_key_file,
                                                   .on_fatal = EndAfter("key_store_failed")}));
  eventstore::LogOptions log_options{
      .data_dir = options.data_folder, .partition_count = options.partitions, .guard = keys.get()};
  log_options.disk_reserve_bytes = options.disk_reserve_mib << 20;
  log_options.disk_floor_bytes = options.disk_floor_mib << 20;
  log_options.block_cache_bytes = options.log_cache_mib << 20;
  log_options.write_ahead_log_bytes_max = options.log_unflushed_mib << 20;
  log_options.on_fatal = EndAfter("log_failed");
  ASSIGN_OR_RETURN(log, eventstore::OpenLog(std::move(log_options)));
  sealer = std::make_unique<eventstore::Sealer>(*keys, *categories, eventstore::SystemRandom());
  ASSIGN_OR_RETURN(auto streams,
                   eventstore::WorkStreams::Create(*keys, *sealer, *categories, EventTypes()));
  work = std::make_unique<eventstore::WorkStreams>(std::move(streams));
  return OpenBackups();
}

absl::Status Server::Parts::OpenBackups() {
  for (std::string* folder : {&options.backup_log_folder, &options.backup_keys_folder}) {
    std::error_code error;
    while (folder->size() > 1 && folder->back() == '/') folder->pop_back();
    if (!folder->empty()) *folder = fs::weakly_canonical(*folder, error).string();
    if (error) return absl::InvalidArgumentError("a folder of backups cannot be looked at");
  }
  if (!options.backup_log_folder.empty() &&
      options.backup_log_folder == options.backup_keys_folder) {
    return absl::InvalidArgumentError(
        "--backup-log-folder and --backup-keys-folder are one folder: whoever got it would have "
        "both the log and its keys. Use two, best on two other disks.");
  }
  backups = std::make_unique<eventstore::Backups>(
      *log, *keys,
      eventstore::BackupOptions{.data_dir = options.data_folder,
                                .log_folder = options.backup_log_folder,
                                .keys_folder = options.backup_keys_folder});
  return backups->CleanUp();
}

absl::Status Server::Parts::OpenViews() {
  ASSIGN_OR_RETURN(grants_owner, OpenView(options.data_folder, *log, grants_projection));
  grants = grants_owner->live();
  grants_view = std::make_unique<projections::GrantsView>(*grants->storage);
  // A crash may have taken the view's last batches, and with them a revocation that was
  // acknowledged; a view that is folded anew has none at first. No call is decided before.
  RETURN_IF_ERROR(WaitForHead(*log, *grants->runner));
  if (!Serves(options.serve, "timeline")) return absl::OkStatus();
  timeline_keys = std::make_unique<projections::TimelineKeys>(*sealer, *keys);
  timeline_projection = std::make_unique<projections::TimelineProjection>(*timeline_keys);
  ASSIGN_OR_RETURN(timeline_owner,
                   OpenView(options.data_folder, *log, *timeline_projection,
                            projections::RunnerOptions{}, projections::ViewLayout::kByRoot));
  timeline = timeline_owner->live();
  timeline_reader =
      std::make_unique<projections::TimelineReader>(*timeline->storage, *sealer, *timeline_keys);
  return absl::OkStatus();
}

void Server::Parts::MakeServices() {
  runtime = std::make_unique<Runtime>(
      Runtime{{*log, *keys, eventstore::SystemClock(), *executor, options.organisation},
              *sealer,
              *work,
              eventstore::SystemRandom(),
              *bulk_executor,
              *categories,
              *lawful_bases});
  tracer = std::make_unique<Tracer>(*runtime);
  authoriser = std::make_unique<Authoriser>(*runtime, *decisions, *methods, *grants_view,
                                            *authenticator, *tracer);
  commands = std::make_unique<CommandRunner>(*runtime);
  customers = std::make_unique<CustomerServiceImpl>(MakeBackend());
  contacts = std::make_unique<ContactServiceImpl>(MakeBackend());
  access = std::make_unique<AccessServiceImpl>(MakeBackend(), policy, issuers, *grants->runner);
  ledger = std::make_unique<LedgerServiceImpl>(MakeBackend());
  backup = std::make_unique<BackupServiceImpl>(MakeBackend(), *backups);
  erasure_register = std::make_unique<ErasureRegister>(*runtime);
  erasure_worker = std::make_unique<ErasureWorker>(*runtime, *erasure_ledger, *erasure_register,
                                                   ErasureOptions());
  erasures =
      std::make_unique<ErasureServiceImpl>(MakeBackend(), *erasure_register, *erasure_worker);
  if (timeline_reader != nullptr) {
    timeline_views = std::make_unique<WholeTimeline>(*timeline->runner, *timeline_reader);
    gate = std::make_unique<LocalGate>(MakeBackend());
    timelines = std::make_unique<TimelineServiceImpl>(*runtime, *gate, *timeline_views);
  }
}

uint64_t Server::Parts::CountEvents() const {
  uint64_t events = 0;
  for (uint32_t p = 0; p < log->partition_count(); ++p) {
    events += log->Head(eventstore::Ledger::kEvents, p).sequence;
    events += log->Head(eventstore::Ledger::kAccess, p).sequence;
  }
  return events;
}

absl::Status Server::Parts::StartMetrics() {
  std::vector<Gauge> gauges;
  auto head = [this](eventstore::Ledger ledger_kind) {
    double events = 0;
    for (uint32_t p = 0; p < log->partition_count(); ++p) {
      events += static_cast<double>(log->Head(ledger_kind, p).sequence);
    }
    return events;
  };
  gauges.push_back({"records_log_events", "Durable events", {{"ledger", "events"}}, [head] {
                      return head(eventstore::Ledger::kEvents);
                    }});
  gauges.push_back({"records_log_events", "Durable events", {{"ledger", "access"}}, [head] {
                      return head(eventstore::Ledger::kAccess);
                    }});
  gauges.push_back({"records_log_writable", "1 while the log takes writes", {}, [this] {
                      return log->WriteHealth().ok() ? 1.0 : 0.0;
                    }});
  gauges.push_back(
      {"records_unauthenticated", "Calls refused for their token since the start", {}, [this] {
         double calls = 0;
         for (const auto& [reason, count] : refusals->counts()) {
           calls += static_cast<double>(count);
         }
         return calls;
       }});
  gauges.push_back({"records_connections_refused",
                    "Connections closed at once since the start, because there were too many",
                    {},
                    [this] { return static_cast<double>(acceptor->refused()); }});
  gauges.push_back({"records_open_streams", "Follows and other streams under way", {}, [this] {
                      return static_cast<double>(authoriser->streams().size());
                    }});
  gauges.push_back({"records_keys", "Live keys", {}, [this] {
                      return static_cast<double>(keys->GetStatus().keys);
                    }});
  for (const auto& view : {grants, timeline}) {
    if (view == nullptr) continue;
    const std::string name = view == grants ? "grants" : "timeline";
    projections::Runner* runner = view->runner.get();
    gauges.push_back({"records_view_lag_events",
                      "Durable events that the view has not folded",
                      {{"view", name}},
                      [runner] { return static_cast<double>(runner->GetStatus().lag_events); }});
    gauges.push_back({"records_view_parked_roots",
                      "Roots that the view cannot answer about",
                      {{"view", name}},
                      [runner] { return static_cast<double>(runner->GetStatus().parked_roots); }});
  }
  if (publisher != nullptr) AddPublisherGauges(gauges);
  ASSIGN_OR_RETURN(metrics, Metrics::Create(options.metrics, std::move(gauges), methods->Names()));
  return absl::OkStatus();
}

absl::Status Server::Parts::Bootstrap() {
  if (development_issuer != nullptr) {
    RETURN_IF_ERROR(GrantFirstAdministrator(*runtime, *grants_view, *grants->runner,
                                            kDevelopmentIssuerName, kDevelopmentAdministrator));
  }
  if (options.first_administrator.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto pair, SplitPair("--first-administrator", options.first_administrator));
  return GrantFirstAdministrator(*runtime, *grants_view, *grants->runner, pair.first, pair.second);
}

absl::Status Server::Parts::Bind() {
  const size_t connections = ConnectionsThatFit(options.connections_max);
  ASSIGN_OR_RETURN(acceptor, ConnectionAcceptor::Listen(options.listen, connections));
  if (connections < options.connections_max) {
    Log(LogLevel::kWarn, "fewer_connections",
        {{"connections", std::to_string(connections)}, {"why", "the limit of open files"}});
  }
  return absl::OkStatus();
}

absl::Status Server::Parts::Serve() {
  auto processor = std::make_shared<AuthenticationProcessor>(*authenticator, *refusals);
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
  builder.RegisterService(customers.get());
  builder.RegisterService(contacts.get());
  builder.RegisterService(access.get());
  builder.RegisterService(ledger.get());
  builder.RegisterService(backup.get());
  builder.RegisterService(erasures.get());
  if (timelines != nullptr) builder.RegisterService(timelines.get());
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(metrics->Interceptor());
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  server = builder.BuildAndStart();
  if (server == nullptr) return absl::InternalError("the gRPC server did not start");
  acceptor->Start(std::move(connections));
  return absl::OkStatus();
}

}  // namespace records::services
