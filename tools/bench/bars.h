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

  std::optional<double> Ratio() const;
  bool IsMet() const;
};

// A bar of the design, section 11; one measurement may give several lines.
struct Bar {
  std::string name;
  std::string what;
  absl::StatusOr<std::vector<BarResult>> (*measure)(const BenchOptions&);
};

const std::vector<Bar>& AllBars();

// Events of each customer in the stores that are built in process.
inline constexpr uint64_t kEventsPerCustomer = 100;

double Median(std::vector<double> values);

// The measurements.
absl::StatusOr<std::vector<BarResult>> MeasureRecordContact(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasureOneClient(const BenchOptions& options);

}  // namespace records::bench
