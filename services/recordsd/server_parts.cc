#include "services/recordsd/server_parts.h"

#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/status_macros.h"
#include "services/recordsd/bootstrap.h"
#include "services/recordsd/logging.h"
#include "services/recordsd/view.h"

namespace records::services {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kCatchUpMax = absl::Minutes(5);

// Waits until a view has come to where the log stands now.
absl::Status WaitForHead(const eventstore::EventLog& log, const projections::View& view) {
  const absl::Time deadline = absl::Now() + kCatchUpMax;
  for (uint32_t partition = 0; partition < log.partition_count(); ++partition) {
    const auto head = log.Head(eventstore::Ledger::kEvents, partition);
    if (head.sequence > 0) RETURN_IF_ERROR(view.WaitFor(head, deadline));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Server::Parts::Prepare() {
  if (options.disk_floor_mib > options.disk_reserve_mib) {
    return absl::InvalidArgumentError(
        "--disk-floor-mib is above --disk-reserve-mib: nothing would be left for read traces");
  }
  RETURN_IF_ERROR(MakePrivateFolder(options.data_folder));
  // Views may hold keys that a server before this one released: erasures wait for them, also when
  // it serves no views.
  const fs::path marker = fs::path(options.data_folder) / "views.served";
  std::error_code error;
  views_were_served = fs::exists(marker, error);
  if (views_were_served || options.services_listen.empty()) return absl::OkStatus();
  if (std::ofstream(marker).put('\n').flush()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot write ", marker.string()));
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
  grants_view = std::make_unique<projections::GrantsView>([this] {
    const auto copy = grants_owner->live();
    return std::shared_ptr<const eventstore::Storage>(copy, copy->storage.get());
  });
  // A crash may have taken the view's last batches, and with them a revocation that was
  // acknowledged; a view that is folded anew has none at first. No call is decided before.
  RETURN_IF_ERROR(WaitForHead(*log, *grants_owner));
  if (!Serves(options.serve, "timeline")) return absl::OkStatus();
  timeline_keys = std::make_unique<projections::TimelineKeys>(*sealer, *keys);
  timeline_projection = std::make_unique<projections::TimelineProjection>(*timeline_keys);
  ASSIGN_OR_RETURN(timeline_owner,
                   OpenView(options.data_folder, *log, *timeline_projection,
                            projections::RunnerOptions{}, projections::ViewLayout::kByRoot));
  return absl::OkStatus();
}

std::vector<std::pair<const projections::Projection*, projections::View*>>
Server::Parts::OpenedViews() const {
  std::vector<std::pair<const projections::Projection*, projections::View*>> opened = {
      {&grants_projection, grants_owner.get()}};
  if (timeline_owner != nullptr) {
    opened.emplace_back(timeline_projection.get(), timeline_owner.get());
  }
  return opened;
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
  access = std::make_unique<AccessServiceImpl>(MakeBackend(), policy, issuers,
                                               [this](auto position, absl::Time deadline) {
                                                 return grants_owner->WaitFor(position, deadline);
                                               });
  if (views_were_served || !options.services_listen.empty()) {
    views =
        std::make_unique<ViewBacking>(MakeBackend(), policy, *methods, eventstore::SteadyClock());
  }
  ledger = std::make_unique<LedgerServiceImpl>(
      MakeBackend(), options.services_listen.empty() ? nullptr : views.get());
  backup = std::make_unique<BackupServiceImpl>(MakeBackend(), *backups);
  erasure_register = std::make_unique<ErasureRegister>(*runtime);
  erasure_worker = std::make_unique<ErasureWorker>(*runtime, *erasure_ledger, *erasure_register,
                                                   ErasureOptions());
  erasures = std::make_unique<ErasureServiceImpl>(MakeBackend(), policy, *erasure_register,
                                                  *erasure_worker);
  for (const auto& [projection, view] : OpenedViews()) {
    managed_views.push_back(std::make_unique<WholeManagedView>(projection->name(), *view));
  }
  std::vector<ManagedView*> managed;
  for (const auto& view : managed_views) managed.push_back(view.get());
  operator_gate = std::make_unique<LocalOperatorGate>(MakeBackend());
  view_service =
      std::make_unique<ViewServiceImpl>(*operator_gate, *executor, *bulk_executor, managed);
  if (timeline_owner != nullptr) {
    timeline_views = std::make_unique<WholeTimeline>([this] {
      const auto copy = timeline_owner->live();
      return TimelineCopy{
          .kept = copy,
          .runner = copy->runner.get(),
          .reader = projections::TimelineReader(*copy->storage, *sealer, *timeline_keys)};
    });
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

void Server::Parts::AddViewGauges(std::vector<Gauge>& gauges) {
  for (const auto& [projection, view] : OpenedViews()) {
    const auto add = [&, view = view](const char* name, const char* help, auto read) {
      gauges.push_back({name, help, {{"view", projection->name()}}, [view, read] {
                          return static_cast<double>(read(view->GetStatus()));
                        }});
    };
    using Status = projections::ViewStatus;
    add("records_view_lag_events", "Durable events that the view has not folded",
        [](const Status& status) { return status.runner.lag_events; });
    add("records_view_parked_roots", "Roots that the view cannot answer about",
        [](const Status& status) { return status.runner.parked_roots; });
    add("records_view_rows_different", "Rows that were not alike at the last switch of copies",
        [](const Status& status) { return RowsDifferent(status); });
  }
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
                    [this] {
                      const uint64_t services =
                          services_acceptor == nullptr ? 0 : services_acceptor->refused();
                      return static_cast<double>(acceptor->refused() + services);
                    }});
  gauges.push_back({"records_open_streams", "Follows and other streams under way", {}, [this] {
                      return static_cast<double>(authoriser->streams().size());
                    }});
  gauges.push_back({"records_keys", "Live keys", {}, [this] {
                      return static_cast<double>(keys->GetStatus().keys);
                    }});
  AddViewGauges(gauges);
  if (publisher != nullptr) AddPublisherGauges(gauges);
  ASSIGN_OR_RETURN(metrics, Metrics::Create(options.metrics, std::move(gauges), methods->Names()));
  return absl::OkStatus();
}

absl::Status Server::Parts::Bootstrap() {
  if (development_issuer != nullptr) {
    RETURN_IF_ERROR(GrantFirstAdministrator(*runtime, *grants_view, *grants_owner,
                                            kDevelopmentIssuerName, kDevelopmentAdministrator));
  }
  if (options.first_administrator.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto pair, SplitPair("--first-administrator", options.first_administrator));
  return GrantFirstAdministrator(*runtime, *grants_view, *grants_owner, pair.first, pair.second);
}

absl::Status Server::Parts::ServeAll() {
  std::vector<grpc::Service*> services = {customers.get(),   contacts.get(), access.get(),
                                          ledger.get(),      backup.get(),   erasures.get(),
                                          view_service.get()};
  if (timelines != nullptr) services.push_back(timelines.get());
  return Serve(services);
}

}  // namespace records::services
