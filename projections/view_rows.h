#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/ids.h"
#include "eventstore/log.h"
#include "eventstore/storage.h"

// The rows of the runner in the storage of every view.
namespace records::projections {

inline constexpr eventstore::Table kRunnerTable{0};

// "c" partition (4 bytes, big-endian) -> store id (16), sequence (8, big-endian), tree root (32),
// and what the log needs to go on there.
inline constexpr absl::string_view kCheckpointPrefix = "c";
std::string CheckpointKey(uint32_t partition);
std::string EncodeCheckpoint(const eventstore::PartitionCheckpoint& checkpoint);
// kDataLoss: not such a row.
absl::StatusOr<eventstore::PartitionCheckpoint> DecodeCheckpoint(absl::string_view key,
                                                                 absl::string_view value);

// "p" root (16) -> partition (4), sequence (8): the first event of the root that is not folded.
std::string ParkedKey(const eventstore::RootId& root);
std::string EncodeParked(eventstore::Position first);
absl::StatusOr<eventstore::Position> DecodeParked(absl::string_view value);
absl::StatusOr<eventstore::RootId> RootOfParkedKey(absl::string_view key);

inline constexpr absl::string_view kParkedPrefix = "p";

// "e" -> number of roots that were ended so far (8, big-endian); "x" -> how many of them when the
// tables were last rewritten. Fewer: bytes of deleted rows may be in the files.
inline constexpr absl::string_view kEndedKey = "e";
inline constexpr absl::string_view kRewrittenKey = "x";
// The number in one of these rows; 0: there is none. kDataLoss: not such a row.
absl::StatusOr<uint64_t> ReadCount(const eventstore::Storage& storage, absl::string_view key);
std::string EncodeCount(uint64_t count);

// Whether a view may answer about `root`. Readers ask before they read a row.
// kUnavailable (VIEW_PARKED): an event of the root could not be folded. kDataLoss: a damaged row.
[[nodiscard]] absl::Status CheckNotParked(const eventstore::Storage& storage,
                                          const eventstore::RootId& root);

}  // namespace records::projections
