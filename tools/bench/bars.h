#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/servers.h"

namespace records::bench {

// Peers that run already: where they are, and the load program that is not ours to build by CMake.
struct Peers {
  std::string postgresql;  // connection string of an empty database
  std::string message_db;  // connection string of one with message-db in it
  std::string nats;        // nats://host:port
  std::string nats_load;   // program
  bool Given() const { return !postgresql.empty() && !message_db.empty() && !nats.empty(); }
};

// How long and how often each bar is measured, and with how much.
struct BenchOptions {
  Programs programs;
  absl::Duration seconds = absl::Seconds(5);  // of each run, without its warm-up
  absl::Duration warm_up = absl::Seconds(2);
  int runs = 5;
  uint64_t customers = 2000;
  int in_flight = 64;
  uint64_t events = 200'000;  // of the stores that are built in process
  uint64_t seed = 1;
  Peers peers;
  std::string profile_folder;  // empty: no profiles
  // Of the log, rising, at which memory, start and rebuild are measured.
  std::vector<uint64_t> lengths = {200'000};
};

enum class Better { kHigher, kLower };

// One line of the table: what was measured, against what, and whether that meets the target.
struct BarResult {
  std::string bar;
  std::string unit;  // of measured and reference
  Better better = Better::kHigher;
  double measured = 0;              // median of the runs
  std::vector<double> runs;         // as they came
  std::optional<double> reference;  // median, of the same run
  std::vector<double> reference_runs;
  std::string reference_name;
  double target = 0;  // of the ratio when there is a reference, else of what was measured
  std::map<std::string, double> details;
  std::vector<std::map<std::string, double>> series;  // a point for each length

  // Why the run cannot say whether the target is met; empty: it can.
  std::string not_judged;

  std::optional<double> Ratio() const;
  // nullopt: not judged.
  std::optional<bool> IsMet() const;
};

// A bar of the design, section 11; one measurement may give several lines.
struct Bar {
  std::string name;
  std::string what;
  absl::StatusOr<std::vector<BarResult>> (*measure)(const BenchOptions&);
  bool needs_peers = false;
  bool needs_broker = false;
};

const std::vector<Bar>& AllBars();

// Bars of the bus; none where this was built without librdkafka (tools/setup --kafka).
std::vector<Bar> BusBars();

// Events of each customer in the stores that are built in process.
inline constexpr uint64_t kEventsPerCustomer = 100;

double Median(std::vector<double> values);

// RecordContact in a closed loop against recordsd or the echo. An error when a call failed.
absl::StatusOr<LoadResult> RunRecordContact(const BenchOptions& options,
                                            const ServerProcess& server,
                                            const CallIdentity& identity, int in_flight,
                                            uint64_t seed);

// The measurements.
absl::StatusOr<std::vector<BarResult>> MeasureRecordContact(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasureOneClient(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasureFold(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasureImport(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasureViewLag(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasurePeers(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasureScale(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasureTimeline(const BenchOptions& options);

}  // namespace records::bench
