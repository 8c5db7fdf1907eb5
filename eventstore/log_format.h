#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/crypto.h"
#include "eventstore/ids.h"
#include "eventstore/log.h"
#include "eventstore/merkle_tiles.h"
#include "eventstore/storage.h"
#include "eventstore/stream_name.h"

// The bytes of the log's tables, as FORMAT.md says: the only code that makes or reads them.
// Decoding takes exactly what encoding makes and answers anything else with kDataLoss.
namespace records::eventstore {

inline constexpr uint32_t kLogFormatVersion = 1;

// Tables, by their place in the list that the storage of a log is opened with.
inline constexpr Table kEventsTable{0};
inline constexpr Table kAccessTable{1};
inline constexpr Table kStreamsTable{2};
inline constexpr Table kRequestsTable{3};
inline constexpr Table kTreeTable{4};
inline constexpr Table kMetaTable{5};
inline constexpr size_t kLogTableCount = 6;

inline Table EventTable(Ledger ledger) {
  return ledger == Ledger::kEvents ? kEventsTable : kAccessTable;
}

// "events" or "access".
absl::string_view LedgerName(Ledger ledger);

// "partition 3 of events, sequence 17", for errors.
std::string Describe(Ledger ledger, Position position);

// Place of a tree among all trees of a log: those of events first.
inline size_t TreeIndex(Ledger ledger, uint32_t partition, uint32_t partition_count) {
  return (ledger == Ledger::kEvents ? 0 : partition_count) + partition;
}

std::string EventKey(Position position);
absl::StatusOr<Position> DecodeEventKey(absl::string_view key);

// Root, hash of the names, ledger: the prefix of a stream's rows.
inline constexpr size_t kStreamKeySize = kIdSize + 8 + 1;
using StreamKey = std::array<uint8_t, kStreamKeySize>;
StreamKey StreamKeyOf(Ledger ledger, const StreamName& stream);
inline absl::string_view AsBytes(const StreamKey& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

std::string StreamRowKey(const StreamKey& stream, Revision revision);
std::string EncodeSequence(uint64_t sequence);
absl::StatusOr<uint64_t> DecodeSequence(absl::string_view value);

struct StreamRow {
  StreamKey stream;
  Revision revision;
};
absl::StatusOr<StreamRow> DecodeStreamRowKey(absl::string_view key);

// Where the append of a request begins.
struct RequestRow {
  Ledger ledger = Ledger::kEvents;
  Position first;
};
std::string EncodeRequestRow(const RequestRow& row);
absl::StatusOr<RequestRow> DecodeRequestRow(absl::string_view value);

std::string TileKey(Ledger ledger, uint32_t partition, const TileId& tile);

// What `meta` says.
struct LogMeta {
  StoreId store;
  uint32_t partition_count = 0;
  uint64_t created_at_us = 0;
};
void PutMeta(const LogMeta& meta, StorageBatch& batch);
// nullopt: the log was never made. kFailedPrecondition: another format version.
absl::StatusOr<std::optional<LogMeta>> ReadMeta(const Storage& storage);

// Most bytes that AppendPlace() adds.
inline constexpr size_t kPlaceBytesMax = 37;

// Appends the field `append` to an event's body.
void AppendAppendField(std::string& event, const std::optional<RequestKey>& request_key,
                       const RequestDigest& digest, uint32_t index, uint32_t count);

// Appends the committer's fields.
void AppendPlace(std::string& event, Revision revision, Position position, int64_t recorded_at_us);

// What of an event is read without parsing all of it. The views point into the event's bytes.
struct ScannedEvent {
  absl::string_view id;
  absl::string_view stream;  // serialised
  absl::string_view type;
  uint64_t time_precision = 0;
  bool has_committer_fields = false;  // append, revision, position or recorded_at_us
};
// kDataLoss: not a serialised message, or a field of the header stands there twice or is of another
// kind.
absl::StatusOr<ScannedEvent> ScanEvent(absl::string_view event);

// The field `stream` as protobuf serialises it.
std::string EncodeStreamName(const StreamName& stream);

// Parses a stored event and checks that it belongs at `position` in a log of so many partitions.
// kDataLoss, which names the place: it does not parse or does not belong there.
absl::StatusOr<StoredEvent> DecodeStoredEvent(Ledger ledger, Position position,
                                              uint32_t partition_count, std::string bytes);

// The stream of a stored event. kDataLoss: it has no valid name.
absl::StatusOr<StreamName> StreamOf(const records::log::v1::Event& event);

}  // namespace records::eventstore
