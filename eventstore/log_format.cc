#include "eventstore/log_format.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/crypto.h"
#include "eventstore/internal/big_endian.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using internal::AppendBigEndian;
using internal::TakeBigEndian;

constexpr absl::string_view kVersionName = "format_version";
constexpr absl::string_view kStoreIdName = "store_id";
constexpr absl::string_view kPartitionCountName = "partition_count";
constexpr absl::string_view kCreatedAtName = "created_at_us";

uint8_t LedgerByte(Ledger ledger) { return ledger == Ledger::kEvents ? 0 : 1; }

template <typename Number>
std::string Bytes(Number number) {
  std::string bytes;
  AppendBigEndian(bytes, number);
  return bytes;
}

template <typename Number>
absl::StatusOr<Number> ReadMetaNumber(const Storage& storage, absl::string_view name) {
  ASSIGN_OR_RETURN(const std::optional<std::string> value, storage.Get(kMetaTable, name));
  if (!value || value->size() != sizeof(Number)) {
    return absl::DataLossError(absl::StrCat("the log's meta row ", name, " is missing or damaged"));
  }
  absl::string_view bytes = *value;
  return TakeBigEndian<Number>(bytes);
}

}  // namespace

absl::string_view LedgerName(Ledger ledger) {
  return ledger == Ledger::kEvents ? "events" : "access";
}

std::string Describe(Ledger ledger, Position position) {
  return absl::StrCat("partition ", position.partition, " of ", LedgerName(ledger), ", sequence ",
                      position.sequence);
}

std::string EventKey(Position position) {
  std::string key;
  AppendBigEndian(key, static_cast<uint16_t>(position.partition));
  AppendBigEndian(key, position.sequence);
  return key;
}

absl::StatusOr<Position> DecodeEventKey(absl::string_view key) {
  if (key.size() != 10) return absl::DataLossError("a key of an event has another length");
  Position position;
  position.partition = TakeBigEndian<uint16_t>(key);
  position.sequence = TakeBigEndian<uint64_t>(key);
  return position;
}

StreamKey StreamKeyOf(Ledger ledger, const StreamName& stream) {
  const Digest hash = Sha256({stream.organisation, "/", stream.collection, "/", stream.sub_stream});
  StreamKey key;
  auto end = std::copy(stream.root.array().begin(), stream.root.array().end(), key.begin());
  end = std::copy_n(hash.begin(), 8, end);
  *end = LedgerByte(ledger);
  return key;
}

std::string StreamRowKey(const StreamKey& stream, Revision revision) {
  std::string key(AsBytes(stream));
  AppendBigEndian(key, revision.value);
  return key;
}

absl::StatusOr<StreamRow> DecodeStreamRowKey(absl::string_view key) {
  if (key.size() != kStreamKeySize + 8) {
    return absl::DataLossError("a key in the table of streams has another length");
  }
  StreamRow row;
  std::copy_n(key.begin(), kStreamKeySize, row.stream.begin());
  key.remove_prefix(kStreamKeySize);
  row.revision.value = TakeBigEndian<uint64_t>(key);
  return row;
}

std::string EncodeSequence(uint64_t sequence) { return Bytes(sequence); }

absl::StatusOr<uint64_t> DecodeSequence(absl::string_view value) {
  if (value.size() != 8) return absl::DataLossError("a row of a stream has another length");
  return TakeBigEndian<uint64_t>(value);
}

std::string EncodeRequestRow(const RequestRow& row) {
  std::string value;
  AppendBigEndian(value, LedgerByte(row.ledger));
  return value += EventKey(row.first);
}

absl::StatusOr<RequestRow> DecodeRequestRow(absl::string_view value) {
  if (value.size() != 11 || static_cast<uint8_t>(value[0]) > 1) {
    return absl::DataLossError("a row in the table of requests is damaged");
  }
  RequestRow row;
  row.ledger = value[0] == 0 ? Ledger::kEvents : Ledger::kAccess;
  ASSIGN_OR_RETURN(row.first, DecodeEventKey(value.substr(1)));
  return row;
}

std::string TileKey(Ledger ledger, uint32_t partition, const TileId& tile) {
  std::string key;
  AppendBigEndian(key, LedgerByte(ledger));
  AppendBigEndian(key, static_cast<uint16_t>(partition));
  AppendBigEndian(key, static_cast<uint8_t>(tile.level));
  AppendBigEndian(key, tile.index);
  return key;
}

void PutMeta(const LogMeta& meta, StorageBatch& batch) {
  batch.Put(kMetaTable, std::string(kVersionName), Bytes(kLogFormatVersion));
  batch.Put(kMetaTable, std::string(kStoreIdName), std::string(meta.store.bytes()));
  batch.Put(kMetaTable, std::string(kPartitionCountName), Bytes(meta.partition_count));
  batch.Put(kMetaTable, std::string(kCreatedAtName), Bytes(meta.created_at_us));
}

absl::StatusOr<std::optional<LogMeta>> ReadMeta(const Storage& storage) {
  const std::unique_ptr<Cursor> cursor = storage.NewCursor(kMetaTable);
  cursor->Seek("");
  RETURN_IF_ERROR(cursor->status());
  if (!cursor->Valid()) return std::nullopt;
  ASSIGN_OR_RETURN(const uint32_t version, ReadMetaNumber<uint32_t>(storage, kVersionName));
  if (version != kLogFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the log has format version ", version,
                                                      "; this program knows version ",
                                                      kLogFormatVersion, " only"));
  }
  LogMeta meta;
  ASSIGN_OR_RETURN(const std::optional<std::string> store, storage.Get(kMetaTable, kStoreIdName));
  const absl::StatusOr<StoreId> id = StoreId::FromBytes(store.value_or(""));
  if (!id.ok()) return absl::DataLossError("the log's meta row store_id is missing or damaged");
  meta.store = *id;
  ASSIGN_OR_RETURN(meta.partition_count, ReadMetaNumber<uint32_t>(storage, kPartitionCountName));
  if (meta.partition_count == 0 || meta.partition_count > kPartitionsMax) {
    return absl::DataLossError("the log's meta row partition_count is damaged");
  }
  ASSIGN_OR_RETURN(meta.created_at_us, ReadMetaNumber<uint64_t>(storage, kCreatedAtName));
  return meta;
}

}  // namespace records::eventstore
