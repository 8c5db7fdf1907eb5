#pragma once

#include "absl/functional/function_ref.h"
#include "eventstore/storage.h"
#include "projections/projection.h"
#include "tests/simulation/log_snapshot.h"
#include "tests/simulation/report.h"

namespace records::simulation {

// How far a view says that it has come, by partition.
using Applied = absl::FunctionRef<uint64_t(uint32_t partition)>;

// The rows of a view are those of a fresh fold of the same events, no more and no less. Folds event
// by event, without the runner that it judges.
void CheckView(const LogSnapshot& snapshot, const projections::Projection& projection,
               const eventstore::Storage& view, Applied applied, Report& report);

}  // namespace records::simulation
