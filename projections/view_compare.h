#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/storage.h"

namespace records::projections {

// How two copies of a view agreed that contained the same events.
struct RowComparison {
  uint64_t rows = 0;       // of either
  uint64_t different = 0;  // of these: in one alone, or with another value
  // Why the figures say nothing: the copy before is damaged, or does not go on, or lacks what it
  // could not fold.
  absl::Status problem;
};

// A view as it was at one moment: a cursor for each of its tables.
using ViewSnapshot = std::vector<std::unique_ptr<eventstore::Cursor>>;

ViewSnapshot SnapshotOf(const eventstore::Storage& storage, size_t tables);

// Compares row by row, which tells more than digests would. What a copy keeps of itself is passed:
// checkpoints, and when its files were rewritten. Asks `go_on` now and then, and ends with its
// error. Another error: the next copy is damaged.
absl::StatusOr<RowComparison> CompareRows(const ViewSnapshot& before, const ViewSnapshot& next,
                                          absl::FunctionRef<absl::Status()> go_on);

}  // namespace records::projections
