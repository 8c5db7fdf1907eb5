#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/recordsctl/verify/finding.h"
#include "tools/recordsctl/verify/partition_walk.h"
#include "tools/recordsctl/verify/store_reader.h"

// Tables that follow from the events, compared with what the events imply, row by row.
namespace records::tools::verify {

// What `meta` says.
struct LogMeta {
  std::string store;  // 16 bytes
  uint32_t partition_count = 0;
  uint64_t created_at_us = 0;
};

// Reads and checks `meta`. nullopt: a finding says why nothing else can be checked.
// kFailedPrecondition: a format that this program does not know.
absl::StatusOr<std::optional<LogMeta>> ReadMeta(const StoreReader& store, Findings& findings);

// `default`, which must be empty.
void CheckDefaultTable(const StoreReader& store, Findings& findings);

// No two events have one id. REQUIRES: rows.ids is finished.
absl::Status CheckIds(ImpliedRows& rows, Findings& findings);

// Revisions are dense in each stream, and `streams` has exactly a row for each event.
absl::Status CheckStreams(const StoreReader& store, uint32_t partition_count, ImpliedRows& rows,
                          Findings& findings);

// `requests` has exactly a row for each append with a request.
absl::Status CheckRequests(const StoreReader& store, ImpliedRows& rows, Findings& findings);

// `tree` holds the tiles of complete subtrees and no others; whether they are right, the walks of
// the partitions check.
void CheckTiles(const StoreReader& store, uint32_t partition_count,
                const std::vector<TreeResult>& trees, Findings& findings);

}  // namespace records::tools::verify
