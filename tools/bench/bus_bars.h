#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/bars.h"

// The bars of the bus: the design, section 11, and what its issue adds.
namespace records::bench {

absl::StatusOr<std::vector<BarResult>> MeasureRelay(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasureCatchUp(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasureConsumerLag(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasureRelayedAppends(const BenchOptions& options);
absl::StatusOr<std::vector<BarResult>> MeasureRelayAtMaximum(const BenchOptions& options);

}  // namespace records::bench
