// What the relay does to appends beside it, and what it says of itself when they are many.

#include <cmath>
#include <thread>

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

constexpr double kRaisesAtMost = 1.25;
// A transaction of the relay: what it may have published and not yet heard of.
constexpr double kLagErrorEventsMax = 5'000;
constexpr absl::Duration kPatience = absl::Minutes(2);
constexpr absl::Duration kSampleEvery = absl::Milliseconds(200);

// Two servers, one of which publishes; load goes to one at a time.
struct Pair {
  std::unique_ptr<TemporaryFolder> folder;
  std::unique_ptr<RecordsServer> plain;
  std::unique_ptr<PublishingServer> publishing;
};

absl::StatusOr<Pair> StartPair(const BenchOptions& options) {
  Pair pair;
  ASSIGN_OR_RETURN(pair.folder, TemporaryFolder::Make(options.programs.work));
  ASSIGN_OR_RETURN(pair.plain,
                   RecordsServer::Start(options.programs, pair.folder->path() / "plain"));
  RETURN_IF_ERROR(pair.plain->RegisterCustomers(options.customers));
  ASSIGN_OR_RETURN(pair.publishing,
                   PublishingServer::Start(options, pair.folder->path() / "publishing"));
  return pair;
}

absl::StatusOr<LoadResult> RunAtRate(const BenchOptions& options, const RecordsServer& server,
                                     double rate, uint64_t seed) {
  OpenLoadOptions open{.calls_per_second = rate};
  open.load = {.address = server.address(), .identity = server.identity()};
  open.load.warm_up = options.warm_up;
  open.load.duration = options.seconds;
  open.load.seed = seed;
  const LoadResult load = RunOpenLoop<api::RecordContactRequest, api::RecordContactResponse>(
      open, RecordContacts(options.customers));
  if (interrupted) return absl::CancelledError("interrupted");
  if (load.errors > 0) return absl::UnavailableError(load.first_error);
  return load;
}

double P99(const LoadResult& load) {
  return absl::ToDoubleMilliseconds(load.latency.Quantile(0.99));
}

// One more run of appends to a server that publishes, until it has published them.
absl::Status AddRelayedRun(const BenchOptions& options, const PublishingServer& publishing,
                           double rate, uint64_t seed, BarResult& result,
                           std::vector<double>& p50) {
  const Profile profile(options, result.bar, publishing.server().process().pid());
  ASSIGN_OR_RETURN(const PublishingCost before, publishing.ReadCost());
  const absl::Time begin = absl::Now();
  ASSIGN_OR_RETURN(const LoadResult relayed, RunAtRate(options, publishing.server(), rate, seed));
  ASSIGN_OR_RETURN(const PublishingCost after, publishing.ReadCost());
  AddCost(before, after, absl::Now() - begin, result.details);
  result.runs.push_back(P99(relayed));
  p50.push_back(absl::ToDoubleMilliseconds(relayed.latency.Quantile(0.5)));
  return publishing.AwaitRelay(kPatience);
}

// What is counted without the relay, and what it exports, at the same times.
struct LagSamples {
  std::vector<double> exported_events, counted_events, exported_seconds, counted_seconds;
  double events_error_max = 0;
  double seconds_error_max = 0;
};

// Compares what the relay exports with what a consumer has not: as long as it lives.
class LagWatcher {
 public:
  LagWatcher(const PublishingServer& publishing, const BusConsumer& consumer,
             const ExportedLag& at_rest, uint64_t consumed_at_rest)
      : publishing_(publishing),
        consumer_(consumer),
        at_rest_(at_rest),
        consumed_at_rest_(static_cast<double>(consumed_at_rest)),
        thread_([this] { Run(); }) {}

  // Ends watching. Once.
  LagSamples Finish() {
    stopping_ = true;
    thread_.join();
    return samples_;
  }

 private:
  void Run() {
    while (!stopping_) {
      const double before = Consumed();
      const auto lag = publishing_.ReadLag();
      if (lag.ok()) Add(*lag, (before + Consumed()) / 2);
      std::this_thread::sleep_for(absl::ToChronoMilliseconds(kSampleEvery));
    }
  }

  double Consumed() const { return static_cast<double>(consumer_.contacts()) - consumed_at_rest_; }

  void Add(const ExportedLag& lag, double consumed) {
    const double counted = std::max(0.0, lag.appended - at_rest_.appended - consumed);
    samples_.exported_events.push_back(lag.events);
    samples_.counted_events.push_back(counted);
    samples_.events_error_max = std::max(samples_.events_error_max, std::abs(lag.events - counted));
    const auto oldest = consumer_.OldestAge();
    if (!oldest.has_value()) return;
    const double age = counted == 0 ? 0 : absl::ToDoubleSeconds(*oldest);
    samples_.exported_seconds.push_back(lag.seconds);
    samples_.counted_seconds.push_back(age);
    samples_.seconds_error_max = std::max(samples_.seconds_error_max, std::abs(lag.seconds - age));
  }

  const PublishingServer& publishing_;
  const BusConsumer& consumer_;
  const ExportedLag at_rest_;
  const double consumed_at_rest_;
  LagSamples samples_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;  // last: it uses the others
};

absl::StatusOr<LoadResult> RunStamped(const BenchOptions& options, const RecordsServer& server,
                                      Stamps& stamps, uint64_t seed) {
  const LoadOptions load{.address = server.address(),
                         .identity = server.identity(),
                         .in_flight = options.in_flight,
                         .threads = 1,
                         .warm_up = options.warm_up,
                         .duration = options.seconds,
                         .seed = seed};
  LoadResult result = RunClosedLoop(load, Stamped(RecordContacts(options.customers), stamps));
  if (interrupted) return absl::CancelledError("interrupted");
  if (result.errors > 0) return absl::UnavailableError(result.first_error);
  return result;
}

}  // namespace

absl::StatusOr<std::vector<BarResult>> MeasureRelayedAppends(const BenchOptions& options) {
  ASSIGN_OR_RETURN(const Pair pair, StartPair(options));
  ASSIGN_OR_RETURN(const auto mocked,
                   PublishingServer::StartWithMock(options, pair.folder->path() / "mocked"));
  ASSIGN_OR_RETURN(const LoadResult greatest,
                   RunRecordContact(options, *pair.plain, pair.plain->identity(), options.in_flight,
                                    options.seed));
  const double rate = greatest.Rate() / 2;
  BarResult real{.bar = "bus-append",
                 .unit = "ms p99",
                 .better = Better::kLower,
                 .reference_name = "the same without a relay",
                 .target = kRaisesAtMost};
  BarResult mock = real;
  mock.bar = "bus-append-mock";
  mock.not_judged = "what the relay itself costs appends: the broker takes no processor";
  std::vector<double> plain_p50, real_p50, mock_p50;
  // A percentile of some seconds varies more than a rate.
  for (int run = 0; run < 2 * options.runs - 1; ++run) {
    const uint64_t seed = options.seed + static_cast<uint64_t>(run) + 1;
    ASSIGN_OR_RETURN(const LoadResult plain, RunAtRate(options, *pair.plain, rate, seed));
    plain_p50.push_back(absl::ToDoubleMilliseconds(plain.latency.Quantile(0.5)));
    for (BarResult* result : {&real, &mock}) result->reference_runs.push_back(P99(plain));
    RETURN_IF_ERROR(AddRelayedRun(options, *pair.publishing, rate, seed, real, real_p50));
    RETURN_IF_ERROR(AddRelayedRun(options, *mocked, rate, seed, mock, mock_p50));
  }
  real.details["p50_ms"] = Median(real_p50);
  mock.details["p50_ms"] = Median(mock_p50);
  for (BarResult* result : {&real, &mock}) {
    result->measured = Median(result->runs);
    result->reference = Median(result->reference_runs);
    result->details["appends_per_second"] = rate;
    result->details["reference_p50_ms"] = Median(plain_p50);
  }
  return std::vector<BarResult>{std::move(real), std::move(mock)};
}

absl::StatusOr<std::vector<BarResult>> MeasureRelayAtMaximum(const BenchOptions& options) {
  ASSIGN_OR_RETURN(const Pair pair, StartPair(options));
  PublishingServer& publishing = *pair.publishing;
  ASSIGN_OR_RETURN(const auto consumer,
                   BusConsumer::Start(publishing.broker().settings(), publishing.log_topic()));
  BarResult result{.bar = "bus-maximum",
                   .unit = "events apart",
                   .better = Better::kLower,
                   .target = kLagErrorEventsMax};
  Stamps stamps;
  std::vector<double> rates, plain_rates, lags, counted, seconds, ages, catch_up, apart;
  uint64_t contacts = 0;
  for (int run = 0; run < options.runs; ++run) {
    const uint64_t seed = options.seed + static_cast<uint64_t>(run) + 1;
    ASSIGN_OR_RETURN(const LoadResult plain, RunStamped(options, *pair.plain, stamps, seed));
    plain_rates.push_back(plain.Rate());
    ASSIGN_OR_RETURN(const ExportedLag at_rest, publishing.ReadLag());
    const Profile profile(options, result.bar, publishing.server().process().pid());
    LagWatcher watcher(publishing, *consumer, at_rest, contacts);
    const auto load = RunStamped(options, publishing.server(), stamps, seed);
    const LagSamples samples = watcher.Finish();
    RETURN_IF_ERROR(load.status());
    const absl::Time end = absl::Now();
    contacts += load->all_calls;
    RETURN_IF_ERROR(publishing.AwaitRelay(kPatience));
    RETURN_IF_ERROR(consumer->WaitFor(contacts, absl::Now() + kPatience));
    catch_up.push_back(absl::ToDoubleSeconds(absl::Now() - end));
    rates.push_back(load->Rate());
    lags.push_back(Median(samples.exported_events));
    counted.push_back(Median(samples.counted_events));
    seconds.push_back(Median(samples.exported_seconds));
    ages.push_back(Median(samples.counted_seconds));
    result.runs.push_back(samples.events_error_max);
    apart.push_back(samples.seconds_error_max);
  }
  if (consumer->repeated() > 0 || consumer->contacts() != contacts) {
    return absl::InternalError("a consumer did not see each event once");
  }
  result.measured = Median(result.runs);
  result.details = {{"appends_per_second", Median(rates)},
                    {"appends_per_second_without", Median(plain_rates)},
                    {"lag_events_exported", Median(lags)},
                    {"lag_events_counted", Median(counted)},
                    {"lag_seconds_exported", Median(seconds)},
                    {"lag_seconds_counted", Median(ages)},
                    {"lag_seconds_apart_max", Median(apart)},
                    {"catch_up_seconds", Median(catch_up)}};
  return std::vector<BarResult>{std::move(result)};
}

}  // namespace records::bench
