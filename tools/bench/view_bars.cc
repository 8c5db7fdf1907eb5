// Bars of views: over gRPC the timeline's pages and its lag; in process the fold and the rebuild.

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/status_macros.h"
#include "projections/view.h"
#include "projections/view_fold.h"
#include "tools/bench/bars.h"
#include "tools/bench/methods.h"
#include "tools/bench/open_load.h"
#include "tools/bench/product_store.h"
#include "tools/bench/profile.h"

namespace records::bench {
namespace {

namespace api = records::api::v1;

constexpr size_t kViewCacheBytes = size_t{64} << 20;  // as the server gives each view
constexpr double kPagesPerSecond = 1000;
constexpr int kPageEntries = 50;
// More than a page for each customer, so that every page is full.
constexpr uint64_t kContactsEach = 75;
constexpr uint64_t kTimelineCustomers = 200;
constexpr absl::Duration kFoldPatience = absl::Minutes(2);
constexpr absl::Duration kPoll = absl::Milliseconds(50);
// A quarter of the events first, then all: a cost that grew with length would show.
constexpr uint64_t kShorter = 4;

absl::Status Check(const LoadResult& result) {
  if (interrupted) return absl::CancelledError("interrupted");
  if (result.errors == 0 && result.calls > 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(result.errors, " calls failed: ", result.first_error));
}

absl::Duration ThreadTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

// What a fold of the whole log took: by the clock, and of the processor, of its own thread.
struct FoldTime {
  absl::Duration wall;
  absl::Duration processor;
};

// Folds the whole log into a new timeline.
absl::StatusOr<FoldTime> FoldAll(ProductStore& store, const std::filesystem::path& folder) {
  std::filesystem::remove_all(folder);
  ASSIGN_OR_RETURN(auto storage,
                   projections::RocksViewStorage(kViewCacheBytes, projections::ViewLayout::kByRoot)(
                       folder.string(), projections::StorageTables(store.timeline())));
  ASSIGN_OR_RETURN(auto fold, projections::ViewFold::Create(store.log(), store.timeline(), *storage,
                                                            projections::FoldOptions{}));
  const absl::Time start = absl::Now();
  const absl::Duration before = ThreadTime();
  while (!interrupted) {
    ASSIGN_OR_RETURN(const auto progress, fold->FoldBatch());
    RETURN_IF_ERROR(progress.stalled);
    if (!progress.parked.empty()) return progress.parked.front().second;
    if (!progress.moved) return FoldTime{absl::Now() - start, ThreadTime() - before};
  }
  return absl::CancelledError("interrupted");
}

double PerSecond(uint64_t events, absl::Duration time) {
  return static_cast<double>(events) / absl::ToDoubleSeconds(time);
}

}  // namespace

absl::StatusOr<std::vector<BarResult>> MeasureFold(const BenchOptions& options) {
  ASSIGN_OR_RETURN(auto folder, TemporaryFolder::Make(options.programs.work));
  ASSIGN_OR_RETURN(auto store, ProductStore::Open(folder->path() / "data"));
  const uint64_t customers = std::max<uint64_t>(1, options.events / kEventsPerCustomer);
  RETURN_IF_ERROR(store->RegisterCustomers(0, customers));
  BarResult fold{.bar = "fold", .unit = "events/s", .target = 150'000};
  BarResult linear{.bar = "rebuild-linear",
                   .unit = "us/event",
                   .better = Better::kLower,
                   .reference_name = "the same at a quarter of the events",
                   .target = 1.2};
  std::vector<double> processor;
  for (const uint64_t length : {options.events / kShorter, options.events}) {
    const uint64_t there = store->CountEvents();
    if (length > there) RETURN_IF_ERROR(store->AppendContacts(length - there, length).status());
    const uint64_t events = store->CountEvents();
    for (int run = 0; run < options.runs; ++run) {
      const Profile profile(options, "fold", getpid());
      ASSIGN_OR_RETURN(const FoldTime time, FoldAll(*store, folder->path() / "view"));
      const double cost = absl::ToDoubleMicroseconds(time.wall) / static_cast<double>(events);
      const bool whole = length == options.events;
      (whole ? linear.runs : linear.reference_runs).push_back(cost);
      if (!whole) continue;
      fold.runs.push_back(PerSecond(events, time.wall));
      processor.push_back(absl::ToDoubleMicroseconds(time.processor) / static_cast<double>(events));
    }
  }
  fold.measured = Median(fold.runs);
  fold.details["thread_cpu_us_per_event"] = Median(processor);
  fold.details["events"] = static_cast<double>(store->CountEvents());
  linear.measured = Median(linear.runs);
  linear.reference = Median(linear.reference_runs);
  return std::vector<BarResult>{std::move(fold), std::move(linear)};
}

// Until the timeline shows all that is recorded.
absl::Status WaitForTimeline(const RecordsServer& server) {
  const absl::Time deadline = absl::Now() + kFoldPatience;
  while (true) {
    if (interrupted) return absl::CancelledError("interrupted");
    ASSIGN_OR_RETURN(const auto metrics, server.ReadMetrics());
    const auto lag = metrics.find("records_view_lag_events{view=\"timeline\"}");
    if (lag == metrics.end()) return absl::InternalError("the server does not tell the lag");
    if (lag->second == 0) return absl::OkStatus();
    if (absl::Now() > deadline) return absl::DeadlineExceededError("the view does not catch up");
    absl::SleepFor(kPoll);
  }
}

absl::StatusOr<std::vector<BarResult>> MeasureTimeline(const BenchOptions& options) {
  ASSIGN_OR_RETURN(auto folder, TemporaryFolder::Make(options.programs.work));
  const uint64_t customers = std::min(options.customers, kTimelineCustomers);
  ASSIGN_OR_RETURN(auto server, RecordsServer::Start(options.programs, folder->path() / "records"));
  RETURN_IF_ERROR(server->RegisterCustomers(customers));
  LoadOptions fill{.address = server->address(), .identity = server->identity()};
  fill.warm_up = absl::ZeroDuration();
  fill.duration = absl::Minutes(10);
  fill.threads = 1;
  fill.calls = customers * kContactsEach;
  RETURN_IF_ERROR(Check(RunClosedLoop(fill, RecordContactsInTurn(customers))));
  RETURN_IF_ERROR(WaitForTimeline(*server));

  BarResult result{
      .bar = "timeline-page", .unit = "ms p99", .better = Better::kLower, .target = 2.0};
  const auto method = GetTimelines(customers, kPageEntries);
  std::vector<double> p50, rates;
  for (int run = 0; run < options.runs; ++run) {
    OpenLoadOptions open{.calls_per_second = kPagesPerSecond};
    open.load = {.address = server->address(), .identity = server->identity()};
    open.load.warm_up = options.warm_up;
    open.load.duration = options.seconds;
    open.load.seed = options.seed + static_cast<uint64_t>(run);
    const Profile profile(options, "timeline-page", server->process().pid());
    std::atomic<bool> short_page = false;
    const LoadResult pages = RunOpenLoop<api::GetTimelineRequest, api::GetTimelineResponse>(
        open, method, [&](const auto&, const api::GetTimelineResponse& page, absl::Time) {
          if (page.entries_size() != kPageEntries) short_page = true;
        });
    RETURN_IF_ERROR(Check(pages));
    if (short_page) return absl::InternalError("a page was not full");
    result.runs.push_back(absl::ToDoubleMilliseconds(pages.latency.Quantile(0.99)));
    p50.push_back(absl::ToDoubleMilliseconds(pages.latency.Quantile(0.5)));
    rates.push_back(pages.Rate());
  }
  result.measured = Median(result.runs);
  result.details["p50_ms"] = Median(p50);
  result.details["pages_per_second"] = Median(rates);
  return std::vector<BarResult>{std::move(result)};
}

}  // namespace records::bench
