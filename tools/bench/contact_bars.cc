#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "tools/bench/bars.h"
#include "tools/bench/methods.h"
#include "tools/bench/profile.h"
#include "tools/bench/raw_writes.h"

namespace records::bench {
namespace {

// The two servers of a ratio, up and warm.
struct Pair {
  std::unique_ptr<TemporaryFolder> folder;
  std::unique_ptr<RecordsServer> records;
  std::unique_ptr<EchoServer> echo;
};

absl::StatusOr<Pair> StartPair(const BenchOptions& options) {
  Pair pair;
  ASSIGN_OR_RETURN(pair.folder, TemporaryFolder::Make(options.programs.work));
  ASSIGN_OR_RETURN(pair.records,
                   RecordsServer::Start(options.programs, pair.folder->path() / "records"));
  ASSIGN_OR_RETURN(pair.echo, EchoServer::Start(options.programs, pair.folder->path() / "echo"));
  RETURN_IF_ERROR(pair.records->RegisterCustomers(options.customers));
  return pair;
}

// As RunRecordContact, for one of the pair, with the server's processor time for each call.
absl::StatusOr<LoadResult> RunOnce(const BenchOptions& options, const Pair& pair,
                                   ServerProcess& server, int in_flight, uint64_t seed,
                                   double& cpu_us_per_call) {
  const absl::Duration before = server.process().CpuTime();
  ASSIGN_OR_RETURN(LoadResult result,
                   RunRecordContact(options, server, pair.records->identity(), in_flight, seed));
  cpu_us_per_call = absl::ToDoubleMicroseconds(server.process().CpuTime() - before) /
                    static_cast<double>(result.all_calls);
  return result;
}

}  // namespace

absl::StatusOr<LoadResult> RunRecordContact(const BenchOptions& options,
                                            const ServerProcess& server,
                                            const CallIdentity& identity, int in_flight,
                                            uint64_t seed) {
  const LoadOptions load{.address = server.address(),
                         .identity = identity,
                         .in_flight = in_flight,
                         .threads = 1,
                         .warm_up = options.warm_up,
                         .duration = options.seconds,
                         .seed = seed};
  LoadResult result = RunClosedLoop(load, RecordContacts(options.customers));
  if (interrupted) return absl::CancelledError("interrupted");
  if (result.errors > 0 || result.calls == 0) {
    return absl::UnavailableError(
        absl::StrCat(result.errors, " calls failed: ", result.first_error));
  }
  return result;
}

absl::StatusOr<std::vector<BarResult>> MeasureRecordContact(const BenchOptions& options) {
  ASSIGN_OR_RETURN(Pair pair, StartPair(options));
  BarResult result{.bar = "record-contact",
                   .unit = "calls/s",
                   .reference_name = "no-op gRPC echo",
                   .target = 0.5};
  std::vector<double> echo_cpu, records_cpu, p99;
  for (int run = 0; run < options.runs; ++run) {
    const uint64_t seed = options.seed + static_cast<uint64_t>(run);
    double cpu = 0;
    ASSIGN_OR_RETURN(const LoadResult echo,
                     RunOnce(options, pair, *pair.echo, options.in_flight, seed, cpu));
    result.reference_runs.push_back(echo.Rate());
    echo_cpu.push_back(cpu);
    const Profile profile(options, "record-contact", pair.records->process().pid());
    ASSIGN_OR_RETURN(const LoadResult records,
                     RunOnce(options, pair, *pair.records, options.in_flight, seed, cpu));
    result.runs.push_back(records.Rate());
    records_cpu.push_back(cpu);
    p99.push_back(absl::ToDoubleMicroseconds(records.latency.Quantile(0.99)));
  }
  result.measured = Median(result.runs);
  result.reference = Median(result.reference_runs);
  result.details["server_cpu_us_per_call"] = Median(records_cpu);
  result.details["reference_server_cpu_us_per_call"] = Median(echo_cpu);
  result.details["p99_us"] = Median(p99);
  return std::vector<BarResult>{std::move(result)};
}

absl::StatusOr<std::vector<BarResult>> MeasureOneClient(const BenchOptions& options) {
  ASSIGN_OR_RETURN(Pair pair, StartPair(options));
  BarResult result{.bar = "one-client",
                   .unit = "us p99",
                   .better = Better::kLower,
                   .reference_name = "echo + synced put + anchor sync, p99 each",
                   .target = 2.0};
  std::vector<double> echo_p99, put_p99, anchor_p99, p50;
  for (int run = 0; run < options.runs; ++run) {
    const uint64_t seed = options.seed + static_cast<uint64_t>(run);
    double cpu = 0;
    ASSIGN_OR_RETURN(const LoadResult echo, RunOnce(options, pair, *pair.echo, 1, seed, cpu));
    ASSIGN_OR_RETURN(const Histogram put,
                     TimeSyncedPuts(pair.folder->path() / "put", options.seconds));
    ASSIGN_OR_RETURN(const Histogram anchor,
                     TimeAnchorSyncs(pair.folder->path() / "anchor", options.seconds));
    const Profile profile(options, "one-client", pair.records->process().pid());
    ASSIGN_OR_RETURN(const LoadResult records, RunOnce(options, pair, *pair.records, 1, seed, cpu));
    echo_p99.push_back(absl::ToDoubleMicroseconds(echo.latency.Quantile(0.99)));
    put_p99.push_back(absl::ToDoubleMicroseconds(put.Quantile(0.99)));
    anchor_p99.push_back(absl::ToDoubleMicroseconds(anchor.Quantile(0.99)));
    p50.push_back(absl::ToDoubleMicroseconds(records.latency.Quantile(0.5)));
    result.reference_runs.push_back(echo_p99.back() + put_p99.back() + anchor_p99.back());
    result.runs.push_back(absl::ToDoubleMicroseconds(records.latency.Quantile(0.99)));
  }
  result.measured = Median(result.runs);
  result.reference = Median(result.reference_runs);
  result.details["p50_us"] = Median(p50);
  result.details["echo_p99_us"] = Median(echo_p99);
  result.details["synced_put_p99_us"] = Median(put_p99);
  result.details["anchor_sync_p99_us"] = Median(anchor_p99);
  return std::vector<BarResult>{std::move(result)};
}

}  // namespace records::bench
