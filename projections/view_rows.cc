#include "projections/view_rows.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "projections/big_endian.h"

namespace records::projections {

using eventstore::kIdSize;
using eventstore::PartitionCheckpoint;
using eventstore::Position;
using eventstore::RootId;
using eventstore::StoreId;

namespace {
constexpr size_t kTreeRootSize = 32;
constexpr size_t kCheckpointSize = kIdSize + 8 + kTreeRootSize;  // without `resume`
}  // namespace

std::string CheckpointKey(uint32_t partition) {
  std::string key(kCheckpointPrefix);
  AppendBigEndian32(key, partition);
  return key;
}

std::string EncodeCheckpoint(const PartitionCheckpoint& checkpoint) {
  std::string value(checkpoint.store.bytes());
  AppendBigEndian64(value, checkpoint.position.sequence);
  value.append(checkpoint.root.begin(), checkpoint.root.end());
  value += checkpoint.resume;
  return value;
}

absl::StatusOr<PartitionCheckpoint> DecodeCheckpoint(absl::string_view key,
                                                     absl::string_view value) {
  if (key.size() != 5 || key[0] != 'c' || value.size() < kCheckpointSize ||
      value.size() > kCheckpointSize + eventstore::kResumeBytesMax) {
    return absl::DataLossError("the checkpoint of a view is damaged");
  }
  PartitionCheckpoint checkpoint;
  ASSIGN_OR_RETURN(checkpoint.store, StoreId::FromBytes(value.substr(0, kIdSize)));
  checkpoint.position.partition = static_cast<uint32_t>(ReadBigEndian(key.substr(1), 4));
  checkpoint.position.sequence = ReadBigEndian(value.substr(kIdSize), 8);
  const absl::string_view root = value.substr(kIdSize + 8, kTreeRootSize);
  checkpoint.resume = std::string(value.substr(kCheckpointSize));
  std::copy(root.begin(), root.end(), checkpoint.root.begin());
  return checkpoint;
}

std::string ParkedKey(const RootId& root) { return absl::StrCat(kParkedPrefix, root.bytes()); }

std::string EncodeParked(Position first) {
  std::string value;
  AppendBigEndian32(value, first.partition);
  AppendBigEndian64(value, first.sequence);
  return value;
}

absl::StatusOr<Position> DecodeParked(absl::string_view value) {
  if (value.size() != 12) return absl::DataLossError("the row of a parked root is damaged");
  return Position{.partition = static_cast<uint32_t>(ReadBigEndian(value, 4)),
                  .sequence = ReadBigEndian(value.substr(4), 8)};
}

absl::StatusOr<RootId> RootOfParkedKey(absl::string_view key) {
  if (key.size() != kParkedPrefix.size() + kIdSize || !absl::StartsWith(key, kParkedPrefix)) {
    return absl::DataLossError("the row of a parked root is damaged");
  }
  return RootId::FromBytes(key.substr(kParkedPrefix.size()));
}

absl::Status CheckNotParked(const eventstore::Storage& storage, const RootId& root) {
  ASSIGN_OR_RETURN(const auto row, storage.Get(kRunnerTable, ParkedKey(root)));
  if (!row.has_value()) return absl::OkStatus();
  return absl::UnavailableError(
      "VIEW_PARKED: an event of this record could not be shown; it is held back until mended");
}

absl::StatusOr<uint64_t> ReadCount(const eventstore::Storage& storage, absl::string_view key) {
  ASSIGN_OR_RETURN(const auto row, storage.Get(kRunnerTable, key));
  if (!row.has_value()) return 0;
  if (row->size() != 8) return absl::DataLossError("a count of a view is damaged");
  return ReadBigEndian(*row, 8);
}

std::string EncodeCount(uint64_t count) {
  std::string value;
  AppendBigEndian64(value, count);
  return value;
}

}  // namespace records::projections
