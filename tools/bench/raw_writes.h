#pragma once

#include <filesystem>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/histogram.h"

// References without the product: what the disk and RocksDB take for the same bytes.
namespace records::bench {

// Times single synced puts of an event's size into a RocksDB of its own.
absl::StatusOr<Histogram> TimeSyncedPuts(const std::filesystem::path& folder,
                                         absl::Duration duration);

// Times writes of an anchor's size in place, each with its sync.
absl::StatusOr<Histogram> TimeAnchorSyncs(const std::filesystem::path& folder,
                                          absl::Duration duration);

}  // namespace records::bench
