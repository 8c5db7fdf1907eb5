#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/histogram.h"

// References without the product: what the disk and RocksDB take for the same bytes.
namespace records::bench {

// Times single synced puts of an event's size into a RocksDB of its own.
absl::StatusOr<Histogram> TimeSyncedPuts(const std::filesystem::path& folder,
                                         absl::Duration duration);

// What a log's RocksDB holds of one table.
struct TableSizes {
  std::string name;
  double rows_per_event = 0;
  size_t key_bytes = 0;    // on average
  size_t value_bytes = 0;  // on average
};

// Measures the tables of the log in a data folder, which a server may have open: it reads what is
// written by now. Tables with fewer than one row for each thousand events are left out.
absl::StatusOr<std::vector<TableSizes>> MeasureTables(const std::filesystem::path& data);

// Writes events as rows of these sizes, in synced batches of `events_per_batch`, one after the
// other, into a RocksDB of its own with its default options. Returns events for each second.
absl::StatusOr<double> WriteRawBatches(const std::filesystem::path& folder,
                                       const std::vector<TableSizes>& tables,
                                       size_t events_per_batch, absl::Duration duration);

// Times writes of an anchor's size in place, each with its sync.
absl::StatusOr<Histogram> TimeAnchorSyncs(const std::filesystem::path& folder,
                                          absl::Duration duration);

}  // namespace records::bench
