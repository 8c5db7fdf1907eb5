#include <fcntl.h>
#include <grpcpp/health_check_service_interface.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/topic_log.h"
#include "eventstore/bus/topic_register.h"
#include "eventstore/sealing.h"
#include "eventstore/status_macros.h"
#include "projections/timeline/timeline_projection.h"
#include "services/policy/view_policy.h"
#include "services/recordsd/logging.h"
#include "services/recordsd/server_frame.h"
#include "services/recordsd/shared_timeline.h"
#include "services/recordsd/view_server.h"
#include "services/remote/remote_gate.h"
#include "services/remote/remote_keys.h"
#include "services/timeline/timeline_service.h"
#include "services/views/view_service.h"

namespace records::services {
namespace {

constexpr size_t kBlockCacheBytes = size_t{8} << 20;  // of each partition
constexpr absl::Duration kStartWait = absl::Minutes(2);
constexpr absl::Duration kStartRetry = absl::Milliseconds(250);

// Signals are blocked until the server runs: who stops it while it waits is heard here.
bool IsAskedToStop() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

// Tries until it is there, refused for good, or too late.
template <typename Try>
auto WaitFor(absl::string_view what, Try attempt) -> decltype(attempt()) {
  const absl::Time until = eventstore::SystemClock().Now() + kStartWait;
  bool said = false;
  while (true) {
    auto result = attempt();
    const absl::Status& status = result.status();
    const bool may_come =
        absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsNotFound(status);
    if (result.ok() || !may_come || eventstore::SystemClock().Now() >= until) return result;
    if (IsAskedToStop()) return absl::CancelledError("stopped before it had started");
    if (!std::exchange(said, true)) {
      Log(LogLevel::kWarn, "waiting_for",
          {{"what", std::string(what)}, {"why", std::string(status.message())}});
    }
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(kStartRetry));
  }
}

// Two processes on one folder would remove each other's partitions.
class FolderLock {
 public:
  ~FolderLock() {
    if (file_ >= 0) close(file_);
  }
  absl::Status Take(const std::string& folder) {
    file_ = open((folder + "/lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (file_ >= 0 && flock(file_, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("another process has ", folder, ". Use --data."));
  }

 private:
  int file_ = -1;
};

class ViewServer final : public RunningServer {
 public:
  ~ViewServer() override {
    if (frame_.server != nullptr) Drain();
    frame_.server.reset();
    if (ledger_ != nullptr) ledger_->AwaitCalls();
    frame_.metrics.reset();
    if (timeline_ != nullptr) timeline_->Stop();
    if (log_ != nullptr) log_->Close();
    frame_.executor->Stop();
    frame_.bulk_executor->Stop();
  }

  absl::Status Start(const ServerOptions& options) {
    frame_.options = options;
    frame_.options.development_issuer = false;  // it is the ledger's
    RETURN_IF_ERROR(CheckOptions());
    RETURN_IF_ERROR(MakePrivateFolder(frame_.options.data_folder));
    folder_ = absl::StrCat(frame_.options.data_folder, "/view-timeline");
    RETURN_IF_ERROR(MakePrivateFolder(folder_));
    RETURN_IF_ERROR(lock_.Take(folder_));
    RETURN_IF_ERROR(frame_.LoadPolicy());
    RETURN_IF_ERROR(frame_.OpenIssuers());
    RETURN_IF_ERROR(Introduce());
    RETURN_IF_ERROR(OpenLog());
    MakeView();
    RETURN_IF_ERROR(frame_.Bind());
    RETURN_IF_ERROR(MakeTimeline());
    RETURN_IF_ERROR(StartMetrics());
    RETURN_IF_ERROR(frame_.Serve({service_.get(), view_service_.get()}));
    SetHealth(false);
    return timeline_->Start();
  }

  int port() const override { return frame_.acceptor->port(); }
  int services_port() const override { return 0; }
  absl::Status ReloadKeys() override { return frame_.verifier->Reload(); }

  // A ledger that was started with other registers, or a certificate that has ended: each answer is
  // LEDGER_AWAY then, so it is said here why.
  absl::Status EachMinute() override {
    const absl::Status known = AskWhetherKnown().status();
    if (!known.ok()) {
      Log(LogLevel::kError, "ledger_refuses", {{"why", std::string(known.message())}});
    }
    ledger_known_ = known.ok();
    return absl::OkStatus();
  }

  // Serving while every partition that is held here answers, and there is one.
  void UpdateHealth() override {
    const SharedTimeline::Status status = timeline_->GetStatus();
    const bool healthy = ledger_known_ && status.held > 0 && status.ready == status.held;
    if (healthy == healthy_) return;
    SetHealth(healthy);
    Log(healthy ? LogLevel::kInfo : LogLevel::kWarn, "health",
        {{"held", std::to_string(status.held)},
         {"ready", std::to_string(status.ready)},
         {"why", std::string(status.error.message())}});
  }

 private:
  absl::Status CheckOptions() {
    if (frame_.options.kafka.empty() && frame_.options.kafka_settings_file.empty()) {
      return absl::InvalidArgumentError(
          "--serve timeline alone is fed by Kafka. Give --kafka or --kafka-settings, or serve "
          "ledger,timeline.");
    }
    if (frame_.options.ledger.empty()) {
      return absl::InvalidArgumentError(
          "--serve timeline alone asks the ledger who may read what. Give --ledger, the "
          "--services-listen of the server that has the log.");
    }
    if (!frame_.options.services_listen.empty()) {
      return absl::InvalidArgumentError(
          "--services-listen is for the server that has the log, not for a view.");
    }
    ASSIGN_OR_RETURN(const HostAndPort listen, SplitAddress(frame_.options.listen));
    if (frame_.options.advertise.empty() && (listen.host == "0.0.0.0" || listen.host == "::")) {
      return absl::InvalidArgumentError(
          "--listen on every address does not say where callers reach this process. Give "
          "--advertise.");
    }
    return absl::OkStatus();
  }

  absl::Status Introduce() {
    ASSIGN_OR_RETURN(auto credentials, MakeServiceChannelCredentials(
                                           ServiceFilesOf(frame_.options, frame_.options.ledger)));
    ledger_ = std::make_unique<LedgerClient>(frame_.options.ledger, credentials);
    digest_ = RegisterDigest(frame_.policy);
    ASSIGN_OR_RETURN(introduced_, WaitFor("ledger", [this] { return AskWhetherKnown(); }));
    return absl::OkStatus();
  }

  absl::StatusOr<records::api::v1::IntroduceViewResponse> AskWhetherKnown() {
    records::api::v1::IntroduceViewRequest request;
    request.set_register_digest(digest_);
    return ledger_->IntroduceView(request);
  }

  absl::StatusOr<eventstore::KafkaSettings> Settings() const {
    return eventstore::KafkaSettings::FromOptions(frame_.options.kafka,
                                                  frame_.options.kafka_settings_file);
  }

  absl::Status OpenLog() {
    ASSIGN_OR_RETURN(auto settings, Settings());
    RETURN_IF_ERROR(eventstore::CheckBusPrefix(frame_.options.kafka_prefix));
    ASSIGN_OR_RETURN(const auto id, eventstore::StoreId::FromBytes(introduced_.log_id()));
    const eventstore::TopicLogOptions options{
        .settings = settings, .prefix = frame_.options.kafka_prefix, .group = Group(), .log = id};
    ASSIGN_OR_RETURN(log_,
                     WaitFor("log topic", [&] { return eventstore::TopicLog::Open(options); }));
    if (log_->partition_count() == introduced_.partitions()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("the topic of the log has ", log_->partition_count(),
                     " partitions, and the log ", introduced_.partitions()));
  }

  std::string Group() const {
    return eventstore::ViewGroup(frame_.options.kafka_prefix, "timeline");
  }

  void MakeView() {
    keys_ = std::make_unique<RemoteKeys>(*ledger_, eventstore::SystemClock());
    sealer_ = std::make_unique<eventstore::Sealer>(*keys_, *frame_.categories,
                                                   eventstore::SystemRandom());
    timeline_keys_ = std::make_unique<projections::TimelineKeys>(*sealer_, *keys_);
    projection_ = std::make_unique<projections::TimelineProjection>(*timeline_keys_);
    runtime_ = std::make_unique<ReadRuntime>(ReadRuntime{
        *log_, *keys_, eventstore::SystemClock(), *frame_.executor, introduced_.organisation()});
    gate_ = std::make_unique<RemoteGate>(*ledger_, *frame_.authenticator, *frame_.decisions,
                                         *frame_.methods, *frame_.executor,
                                         eventstore::SystemClock(), digest_);
  }

  // After Bind(): the port is known then.
  absl::Status MakeTimeline() {
    ASSIGN_OR_RETURN(auto settings, Settings());
    std::string address = frame_.options.advertise;
    if (address.empty()) {
      ASSIGN_OR_RETURN(const HostAndPort listen, SplitAddress(frame_.options.listen));
      const bool is_v6 = absl::StrContains(listen.host, ':');
      address = absl::StrCat(is_v6 ? "[" : "", listen.host, is_v6 ? "]:" : ":", port());
    }
    eventstore::GroupMembershipOptions group{.settings = settings};
    group.topic = eventstore::LogTopic(frame_.options.kafka_prefix);
    group.group = Group();
    group.instance = frame_.options.instance;
    group.address = address;
    projections::PartitionedViewOptions view{
        .folder = folder_,
        .open_storage =
            projections::RocksViewStorage(kBlockCacheBytes, projections::ViewLayout::kByRoot)};
    timeline_ = std::make_unique<SharedTimeline>(*log_, *projection_, std::move(view),
                                                 std::move(group), *sealer_, *timeline_keys_);
    service_ = std::make_unique<TimelineServiceImpl>(*runtime_, *gate_, *timeline_);
    view_service_ =
        std::make_unique<ViewServiceImpl>(*gate_, *frame_.executor, *frame_.bulk_executor,
                                          std::vector<ManagedView*>{timeline_.get()});
    return absl::OkStatus();
  }

  absl::Status StartMetrics() {
    std::vector<Gauge> gauges;
    const auto add = [&](const char* name, const char* help, auto read) {
      gauges.push_back({name, help, {{"view", "timeline"}}, [this, read] {
                          if (timeline_ == nullptr) return 0.0;
                          return static_cast<double>(read(timeline_->GetStatus()));
                        }});
    };
    using Status = SharedTimeline::Status;
    add("records_view_lag_events", "Published events that the view has not folded",
        [](const Status& status) { return status.lag_events; });
    add("records_view_parked_roots", "Roots that the view cannot answer about",
        [](const Status& status) { return status.parked_roots; });
    add("records_view_rows_different", "Rows that were not alike at the last switch of copies",
        [](const Status& status) { return status.rows_different; });
    add("records_view_partitions", "Partitions that this process holds",
        [](const Status& status) { return status.held; });
    add("records_view_partitions_ready", "Partitions that this process answers about",
        [](const Status& status) { return status.ready; });
    ASSIGN_OR_RETURN(frame_.metrics, Metrics::Create(frame_.options.metrics, std::move(gauges),
                                                     frame_.methods->Names()));
    return absl::OkStatus();
  }

  void SetHealth(bool healthy) {
    healthy_ = healthy;
    frame_.server->GetHealthCheckService()->SetServingStatus(healthy);
  }

  void Drain() {
    frame_.StopServing();
    gate_->streams().EndAll();
    frame_.AwaitCalls();
  }

  // Destroyed from the last to the first: each may use those above it.
  ServerFrame frame_;
  FolderLock lock_;
  std::string folder_;
  std::string digest_;
  std::unique_ptr<LedgerClient> ledger_;
  records::api::v1::IntroduceViewResponse introduced_;
  std::unique_ptr<eventstore::TopicLog> log_;
  std::unique_ptr<RemoteKeys> keys_;
  std::unique_ptr<eventstore::Sealer> sealer_;
  std::unique_ptr<projections::TimelineKeys> timeline_keys_;
  std::unique_ptr<projections::TimelineProjection> projection_;
  std::unique_ptr<ReadRuntime> runtime_;
  std::unique_ptr<RemoteGate> gate_;
  std::unique_ptr<SharedTimeline> timeline_;
  std::unique_ptr<TimelineServiceImpl> service_;
  std::unique_ptr<ViewServiceImpl> view_service_;
  bool healthy_ = true;
  bool ledger_known_ = true;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunningServer>> StartViewServer(const ServerOptions& options) {
  SetIncidentHook([](const Incident& incident) {
    Log(LogLevel::kError, "incident",
        {{"id", incident.id}, {"why", std::string(incident.status.message())}});
  });
  auto server = std::make_unique<ViewServer>();
  RETURN_IF_ERROR(server->Start(options));
  return std::unique_ptr<RunningServer>(std::move(server));
}

}  // namespace records::services
