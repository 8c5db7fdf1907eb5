// From when a call of RecordContact was due until a consumer has its event, at a fixed rate.

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/status_macros.h"
#include "tools/bench/bus_bars.h"
#include "tools/bench/bus_consumer.h"
#include "tools/bench/bus_server.h"
#include "tools/bench/open_load.h"
#include "tools/bench/profile.h"

namespace records::bench {
namespace {

namespace api = records::api::v1;

constexpr double kAppendsPerSecond = 5'000;
constexpr absl::Duration kPatience = absl::Minutes(1);

// A contact happens, as it says, when its call is due.
absl::StatusOr<LoadResult> Load(const BenchOptions& options, const PublishingServer& publishing,
                                uint64_t seed) {
  OpenLoadOptions open{.calls_per_second = kAppendsPerSecond};
  open.load = {.address = publishing.server().address(),
               .identity = publishing.server().identity()};
  open.load.warm_up = absl::ZeroDuration();
  open.load.duration = options.seconds;
  open.load.seed = seed;
  const LoadResult load = RunOpenLoop<api::RecordContactRequest, api::RecordContactResponse>(
      open, RecordContacts(options.customers), nullptr,
      [](api::RecordContactRequest& request, absl::Time due) {
        request.set_occurred_at_us(absl::ToUnixMicros(due));
      });
  if (interrupted) return absl::CancelledError("interrupted");
  if (load.errors > 0) return absl::UnavailableError(load.first_error);
  return load;
}

}  // namespace

absl::StatusOr<std::vector<BarResult>> MeasureConsumerLag(const BenchOptions& options) {
  ASSIGN_OR_RETURN(const auto folder, TemporaryFolder::Make(options.programs.work));
  ASSIGN_OR_RETURN(const auto publishing,
                   PublishingServer::Start(options, folder->path() / "records"));
  ASSIGN_OR_RETURN(const auto consumer,
                   BusConsumer::Start(publishing->broker().settings(), publishing->log_topic()));
  BarResult result{
      .bar = "bus-consumer-lag", .unit = "ms p99", .better = Better::kLower, .target = 150};
  std::vector<double> p50, append_p99, rates;
  uint64_t contacts = 0;
  for (int run = -1; run < options.runs; ++run) {
    const Profile profile(options, result.bar, publishing->server().process().pid());
    consumer->StartTiming();
    ASSIGN_OR_RETURN(const PublishingCost before, publishing->ReadCost());
    const absl::Time begin = absl::Now();
    ASSIGN_OR_RETURN(const LoadResult load,
                     Load(options, *publishing, options.seed + static_cast<uint64_t>(run + 1)));
    contacts += load.all_calls;
    RETURN_IF_ERROR(consumer->WaitFor(contacts, absl::Now() + kPatience));
    ASSIGN_OR_RETURN(const PublishingCost after, publishing->ReadCost());
    AddCost(before, after, absl::Now() - begin, result.details);
    if (run < 0) continue;  // warms server, broker and consumer
    const Histogram times = consumer->Times();
    result.runs.push_back(absl::ToDoubleMilliseconds(times.Quantile(0.99)));
    p50.push_back(absl::ToDoubleMilliseconds(times.Quantile(0.5)));
    append_p99.push_back(absl::ToDoubleMilliseconds(load.latency.Quantile(0.99)));
    rates.push_back(load.Rate());
  }
  if (consumer->repeated() > 0) return absl::InternalError("a consumer saw an event twice");
  result.measured = Median(result.runs);
  result.details["p50_ms"] = Median(p50);
  result.details["append_p99_ms"] = Median(append_p99);
  result.details["appends_per_second"] = Median(rates);
  return std::vector<BarResult>{std::move(result)};
}

}  // namespace records::bench
