#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "eventstore/storage.h"

namespace records::projections {

// How two copies of a view agreed that contained the same events.
struct RowComparison {
  uint64_t rows = 0;       // of either
  uint64_t different = 0;  // of these: in one alone, or with another value
  absl::Status problem;    // why they could not be compared to the end
};

// A view as it was at one moment: a cursor for each of its tables.
using ViewSnapshot = std::vector<std::unique_ptr<eventstore::Cursor>>;

ViewSnapshot SnapshotOf(const eventstore::Storage& storage, size_t tables);

// Compares row by row, which tells more than digests would. What a copy keeps of itself is passed:
// checkpoints, and when its files were rewritten. Asks `go_on` now and then; false: it was given
// up, and `problem` is kCancelled.
RowComparison CompareRows(const ViewSnapshot& one, const ViewSnapshot& other,
                          const std::function<bool()>& go_on);

}  // namespace records::projections
