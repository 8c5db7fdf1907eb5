// Memory, start and rebuild against the length of the log: one store that grows.

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "projections/view.h"
#include "tools/bench/bars.h"
#include "tools/bench/methods.h"
#include "tools/bench/product_store.h"
#include "tools/bench/profile.h"

namespace records::bench {
namespace {

constexpr double kMebibyte = 1 << 20;
// What the server configures: block caches of the log (64 MiB), the key store (32), and two views
// (64 each). Its other memory counts.
constexpr double kConfiguredCachesMebibytes = 64 + 32 + 2 * 64;
constexpr size_t kViewCacheBytes = size_t{64} << 20;
// Of which the design's bars of memory and start speak.
constexpr uint64_t kJudgedLength = 10'000'000;
constexpr absl::Duration kRebuildPatience = absl::Minutes(20);
constexpr absl::Duration kStopPatience = absl::Minutes(2);

absl::Duration ProcessorTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

// Grows the store to `length` events and says what one took.
absl::Status Grow(const BenchOptions& options, ProductStore& store, uint64_t length,
                  std::map<std::string, double>& point) {
  const Profile profile(options, "append", getpid());
  const uint64_t customers = std::max<uint64_t>(1, length / kEventsPerCustomer);
  RETURN_IF_ERROR(store.RegisterCustomers(store.customers(), customers - store.customers()));
  const uint64_t there = store.CountEvents();
  const uint64_t missing = length > there ? length - there : 0;
  const absl::Duration before = ProcessorTime();
  ASSIGN_OR_RETURN(const absl::Duration wall, store.AppendContacts(missing, length));
  const double events = std::max(1.0, static_cast<double>(missing));
  point["append_us_per_event"] = absl::ToDoubleMicroseconds(wall) / events;
  point["append_cpu_us_per_event"] = absl::ToDoubleMicroseconds(ProcessorTime() - before) / events;
  point["events"] = static_cast<double>(store.CountEvents());
  point["customers"] = static_cast<double>(customers);
  return absl::OkStatus();
}

// Folds the timeline anew, as the server does, where the server will look for it.
absl::Status Rebuild(ProductStore& store, const std::filesystem::path& data,
                     std::map<std::string, double>& point) {
  const auto folder = data / "views" / store.timeline().name();
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder.parent_path());
  const absl::Time start = absl::Now();
  const absl::Duration before = ProcessorTime();
  ASSIGN_OR_RETURN(
      auto view, projections::View::Open(store.log(), store.timeline(),
                                         {.folder = folder.string(),
                                          .open_storage = projections::RocksViewStorage(
                                              kViewCacheBytes, projections::ViewLayout::kByRoot)}));
  for (uint32_t p = 0; p < store.log().partition_count(); ++p) {
    const auto head = store.log().Head(eventstore::Ledger::kEvents, p);
    if (head.sequence == 0) continue;
    RETURN_IF_ERROR(view->live()->runner->WaitFor(head, start + kRebuildPatience));
  }
  point["rebuild_seconds"] = absl::ToDoubleSeconds(absl::Now() - start);
  point["rebuild_us_per_event"] = absl::ToDoubleMicroseconds(absl::Now() - start) / point["events"];
  point["rebuild_cpu_us_per_event"] =
      absl::ToDoubleMicroseconds(ProcessorTime() - before) / point["events"];
  return absl::OkStatus();
}

// Load that touches what grows: contacts and pages of customers at random.
absl::Status Work(const BenchOptions& options, const RecordsServer& server, uint64_t customers,
                  uint64_t seed) {
  LoadOptions load{.address = server.address(), .identity = server.identity()};
  load.threads = 1;
  load.warm_up = absl::ZeroDuration();
  load.duration = options.seconds;
  load.seed = seed;
  const LoadResult contacts = RunClosedLoop(load, RecordContacts(customers));
  const LoadResult pages = RunClosedLoop(load, GetTimelines(customers, 50));
  if (interrupted) return absl::CancelledError("interrupted");
  if (contacts.errors + pages.errors == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(contacts.first_error, pages.first_error));
}

void NoteMemory(const RecordsServer& server, const std::string& when,
                std::map<std::string, double>& point) {
  point["rss_mib_" + when] = static_cast<double>(server.process().ResidentBytes()) / kMebibyte;
  point["heap_mib_" + when] = static_cast<double>(server.process().HeapBytes()) / kMebibyte;
}

// Starts a server on the folder after clean stops, times that, puts load on the last, weighs it.
absl::Status Serve(const BenchOptions& options, const std::filesystem::path& home,
                   std::map<std::string, double>& point, std::vector<double>& starts) {
  const auto customers = static_cast<uint64_t>(point["customers"]);
  // Request ids of their own for each run on the store.
  const auto length = static_cast<uint64_t>(point["events"]);
  {
    // The first start folds what is new into the other views; then the stop is a clean one.
    ASSIGN_OR_RETURN(auto first, RecordsServer::Start(options.programs, home));
    RETURN_IF_ERROR(Work(options, *first, customers, 2 * length));
    RETURN_IF_ERROR(first->process().Stop(kStopPatience));
  }
  std::unique_ptr<RecordsServer> server;
  starts.clear();
  for (int run = 0; run < options.runs; ++run) {
    if (server != nullptr) RETURN_IF_ERROR(server->process().Stop(kStopPatience));
    ASSIGN_OR_RETURN(server, RecordsServer::Start(options.programs, home));
    starts.push_back(absl::ToDoubleSeconds(server->start_time()));
  }
  point["start_seconds"] = Median(starts);
  NoteMemory(*server, "idle", point);
  RETURN_IF_ERROR(Work(options, *server, customers, 2 * length + 1));
  NoteMemory(*server, "after_load", point);
  return server->process().Stop(kStopPatience);
}

double GibibytesOf(const std::filesystem::path& folder) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += static_cast<double>(entry.file_size());
  }
  return bytes / kMebibyte / 1024;
}

}  // namespace

absl::StatusOr<std::vector<BarResult>> MeasureScale(const BenchOptions& options) {
  ASSIGN_OR_RETURN(auto folder, TemporaryFolder::Make(options.programs.work));
  const auto home = folder->path() / "records";
  BarResult memory{
      .bar = "memory", .unit = "MiB beyond caches", .better = Better::kLower, .target = 512};
  BarResult start{.bar = "start", .unit = "s", .better = Better::kLower, .target = 2};
  for (const uint64_t length : options.lengths) {
    std::map<std::string, double> point;
    {
      ASSIGN_OR_RETURN(auto store, ProductStore::Open(home / "data"));
      if (!memory.series.empty()) {
        RETURN_IF_ERROR(
            store->FindCustomers(static_cast<uint64_t>(memory.series.back().at("customers"))));
      }
      RETURN_IF_ERROR(Grow(options, *store, length, point));
      RETURN_IF_ERROR(Rebuild(*store, home / "data", point));
    }
    RETURN_IF_ERROR(Serve(options, home, point, start.runs));
    point["disk_gib"] = GibibytesOf(home);
    // A small store does not fill the caches.
    memory.runs = {std::max(0.0, point["rss_mib_after_load"] - kConfiguredCachesMebibytes)};
    memory.series.push_back(std::move(point));
  }
  // The bars speak of the greatest length.
  memory.measured = memory.runs.back();
  start.measured = Median(start.runs);
  if (memory.series.back().at("events") < kJudgedLength) {
    memory.not_judged = start.not_judged = "it speaks of 10 million events";
  }
  memory.details["configured_caches_mib"] = kConfiguredCachesMebibytes;
  memory.details["events"] = memory.series.back().at("events");
  start.details["events"] = memory.series.back().at("events");
  return std::vector<BarResult>{std::move(memory), std::move(start)};
}

}  // namespace records::bench
