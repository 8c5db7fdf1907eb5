#include "eventstore/key_store_rows.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/internal/big_endian.h"
#include "eventstore/status_macros.h"
#include "eventstore/store_secrets.h"

namespace records::eventstore {
namespace {

using internal::AppendBigEndian;
using internal::TakeBigEndian;

constexpr uint32_t kFormatVersion = 1;
constexpr size_t kGenerationSize = 4;
constexpr size_t kKeyRowSize = kAeadKeySize + kIdSize + kEncodedPurposeSize + 8;
constexpr size_t kDirectoryRowUnit = 128;
// Those whose rows the state counts, in their order there.
constexpr Table kCountedTables[] = {kKeysTable, kDirectoryTable, kFencesTable};
constexpr size_t kStateSize = 8 + 2 * kDigestSize + 8 * std::size(kCountedTables);
constexpr size_t kAnchorSize = 4 + kIdSize + 8 + kDigestSize + 8 + kDigestSize;

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the key store is damaged: ", what));
}

std::string AssociatedData(Table table, absl::string_view row) {
  return absl::StrCat("records key store row v1/", KeyStoreTableName(table), "/", row);
}

void AppendText(const std::string& text, std::string* bytes) {
  AppendBigEndian(*bytes, static_cast<uint16_t>(text.size()));
  absl::StrAppend(bytes, text);
}

bool TakeText(absl::string_view& bytes, std::string* text) {
  if (bytes.size() < 2) return false;
  const size_t size = TakeBigEndian<uint16_t>(bytes);
  if (bytes.size() < size) return false;
  *text = std::string(bytes.substr(0, size));
  bytes.remove_prefix(size);
  return true;
}

IdBytes TakeId(absl::string_view& bytes) {
  IdBytes id;
  std::copy_n(bytes.begin(), kIdSize, id.begin());
  bytes.remove_prefix(kIdSize);
  return id;
}

Digest TakeDigest(absl::string_view& bytes) {
  Digest digest;
  std::copy_n(bytes.begin(), kDigestSize, digest.begin());
  bytes.remove_prefix(kDigestSize);
  return digest;
}

}  // namespace

absl::string_view KeyStoreTableName(Table table) {
  static constexpr absl::string_view kNames[kKeyStoreTables] = {"meta", "keys", "directory",
                                                                "fences"};
  return kNames[table.index];
}

absl::Status DamagedRow(Table table, absl::string_view row) {
  const bool printable = std::all_of(row.begin(), row.end(), absl::ascii_isprint);
  return Malformed(absl::StrCat("row ", printable ? std::string(row) : absl::BytesToHexString(row),
                                " of table ", KeyStoreTableName(table)));
}

absl::StatusOr<RowSealer> RowSealer::Create(const MasterKeys& masters, const StoreId& store) {
  RowSealer sealer;
  for (const MasterKey& master : masters) {
    ASSIGN_OR_RETURN(SecretBytes key, HkdfSha256(master.key, store.bytes(),
                                                 "records key store rows v1", kAeadKeySize));
    ASSIGN_OR_RETURN(Aead aead, Aead::Create(std::move(key)));
    sealer.generations_.emplace(master.generation, std::move(aead));
  }
  if (sealer.generations_.empty()) return absl::InvalidArgumentError("no master key");
  return sealer;
}

absl::StatusOr<std::string> RowSealer::Seal(Table table, absl::string_view row,
                                            absl::string_view plaintext, Random& random) const {
  const auto& [generation, aead] = *generations_.rbegin();
  std::string value;
  AppendBigEndian(value, generation);
  std::array<uint8_t, kAeadNonceSize> nonce_bytes;
  RETURN_IF_ERROR(random.Fill(absl::MakeSpan(nonce_bytes)));
  const absl::string_view nonce(reinterpret_cast<const char*>(nonce_bytes.data()),
                                nonce_bytes.size());
  ASSIGN_OR_RETURN(const std::string sealed,
                   aead.Seal(nonce, plaintext, AssociatedData(table, row)));
  absl::StrAppend(&value, nonce, sealed);
  return value;
}

absl::StatusOr<SecretBytes> RowSealer::Open(Table table, absl::string_view row,
                                            absl::string_view value) const {
  if (value.size() < kGenerationSize + kAeadNonceSize) return DamagedRow(table, row);
  const auto found = generations_.find(TakeBigEndian<uint32_t>(value));
  if (found == generations_.end()) return DamagedRow(table, row);
  absl::StatusOr<SecretBytes> plaintext = found->second.OpenSecret(
      value.substr(0, kAeadNonceSize), value.substr(kAeadNonceSize), AssociatedData(table, row));
  if (!plaintext.ok()) return DamagedRow(table, row);
  return plaintext;
}

bool RowSealer::Knows(absl::string_view value) const {
  return value.size() >= kGenerationSize && generations_.contains(TakeBigEndian<uint32_t>(value));
}

bool RowSealer::IsCurrent(absl::string_view value) const {
  return value.size() >= kGenerationSize && TakeBigEndian<uint32_t>(value) == generation();
}

absl::StatusOr<std::string> MasterKeyCheck(const MasterKey& master, const StoreId& store) {
  ASSIGN_OR_RETURN(
      const SecretBytes check,
      HkdfSha256(master.key, store.bytes(), "records master key check v1", kMasterKeyCheckSize));
  return std::string(check.view());
}

SecretBytes EncodeKeyRow(const KeyRow& row) {
  std::string bytes;
  bytes.reserve(kKeyRowSize);
  absl::StrAppend(&bytes, row.key.view(), row.id.bytes(), EncodePurpose(row.purpose));
  AppendBigEndian(bytes, static_cast<uint64_t>(absl::ToUnixMicros(row.created_at)));
  return SecretBytes::TakeFrom(bytes);
}

absl::StatusOr<KeyRow> DecodeKeyRow(const SecretBytes& bytes) {
  absl::string_view rest = bytes.view();
  if (rest.size() != kKeyRowSize) return Malformed("a key");
  KeyRow row;
  row.key = SecretBytes::CopyOf(rest.substr(0, kAeadKeySize));
  rest.remove_prefix(kAeadKeySize);
  row.id = KeyId(TakeId(rest));
  ASSIGN_OR_RETURN(row.purpose, DecodePurpose(rest.substr(0, kEncodedPurposeSize)));
  rest.remove_prefix(kEncodedPurposeSize);
  row.created_at = absl::FromUnixMicros(static_cast<int64_t>(TakeBigEndian<uint64_t>(rest)));
  return row;
}

SecretBytes EncodeDirectoryRow(const DirectoryRow& row) {
  std::string bytes;
  bytes.reserve(8 * kDirectoryRowUnit);
  absl::StrAppend(&bytes, row.entry.subject.bytes(), row.entry.root.bytes());
  AppendText(row.organisation, &bytes);
  AppendText(row.name_space, &bytes);
  AppendText(row.reference, &bytes);
  bytes.resize((bytes.size() + kDirectoryRowUnit - 1) / kDirectoryRowUnit * kDirectoryRowUnit);
  return SecretBytes::TakeFrom(bytes);
}

absl::StatusOr<DirectoryRow> DecodeDirectoryRow(const SecretBytes& bytes) {
  absl::string_view rest = bytes.view();
  if (rest.size() < 2 * kIdSize) return Malformed("a directory row");
  DirectoryRow row;
  row.entry.subject = SubjectId(TakeId(rest));
  row.entry.root = RootId(TakeId(rest));
  if (!TakeText(rest, &row.organisation) || !TakeText(rest, &row.name_space) ||
      !TakeText(rest, &row.reference) || rest.find_first_not_of('\0') != absl::string_view::npos) {
    return Malformed("a directory row");
  }
  return row;
}

std::string EncodeState(const KeyStoreState& state) {
  std::string bytes;
  AppendBigEndian(bytes, state.sequence);
  absl::StrAppend(&bytes, AsBytes(state.hash), AsBytes(state.previous_hash));
  for (const Table table : kCountedTables) AppendBigEndian(bytes, state.rows[table.index]);
  return bytes;
}

absl::StatusOr<KeyStoreState> DecodeState(absl::string_view bytes) {
  if (bytes.size() != kStateSize) return Malformed("its state");
  KeyStoreState state;
  state.sequence = TakeBigEndian<uint64_t>(bytes);
  state.hash = TakeDigest(bytes);
  state.previous_hash = TakeDigest(bytes);
  for (const Table table : kCountedTables) {
    state.rows[table.index] = TakeBigEndian<uint64_t>(bytes);
  }
  return state;
}

KeyStoreState NextState(const KeyStoreState& state, const StorageBatch& batch,
                        const RowCounts& rows) {
  KeyStoreState next{.sequence = state.sequence + 1, .previous_hash = state.hash, .rows = rows};
  Sha256Stream hash;
  hash.Update("records key store batch v1");
  hash.Update(AsBytes(state.hash));
  std::string numbers;
  AppendBigEndian(numbers, next.sequence);
  for (const Table table : kCountedTables) AppendBigEndian(numbers, rows[table.index]);
  hash.Update(numbers);
  for (const StorageBatch::Change& change : batch.changes()) {
    std::string sizes;
    sizes.push_back(change.kind == StorageBatch::Kind::kPut ? 1 : 0);
    sizes.push_back(static_cast<char>(change.table.index));
    AppendBigEndian(sizes, static_cast<uint32_t>(change.key.size()));
    AppendBigEndian(sizes, static_cast<uint32_t>(change.value.size()));
    hash.Update(sizes);
    hash.Update(change.key);
    hash.Update(change.value);
  }
  next.hash = hash.Finish();
  return next;
}

std::string EncodeKeyStoreAnchor(const KeyStoreAnchor& anchor) {
  std::string bytes;
  AppendBigEndian(bytes, kFormatVersion);
  absl::StrAppend(&bytes, anchor.store.bytes());
  AppendBigEndian(bytes, anchor.sequence);
  absl::StrAppend(&bytes, AsBytes(anchor.hash));
  AppendBigEndian(bytes, anchor.erasures.size);
  absl::StrAppend(&bytes, AsBytes(anchor.erasures.hash));
  return bytes;
}

absl::StatusOr<KeyStoreAnchor> DecodeKeyStoreAnchor(absl::string_view bytes) {
  if (bytes.size() != kAnchorSize || TakeBigEndian<uint32_t>(bytes) != kFormatVersion) {
    return Malformed("its anchor has another form");
  }
  KeyStoreAnchor anchor;
  anchor.store = StoreId(TakeId(bytes));
  anchor.sequence = TakeBigEndian<uint64_t>(bytes);
  anchor.hash = TakeDigest(bytes);
  anchor.erasures.size = TakeBigEndian<uint64_t>(bytes);
  anchor.erasures.hash = TakeDigest(bytes);
  return anchor;
}

std::string EncodeStoreRow(const StoreId& store) {
  std::string bytes;
  AppendBigEndian(bytes, kFormatVersion);
  absl::StrAppend(&bytes, store.bytes());
  return bytes;
}

absl::StatusOr<StoreId> DecodeStoreRow(absl::string_view bytes) {
  if (bytes.size() != 4 + kIdSize) return DamagedRow(kKeyStoreMetaTable, kStoreRow);
  if (TakeBigEndian<uint32_t>(bytes) != kFormatVersion) {
    return absl::FailedPreconditionError("the key store is of another format version");
  }
  return StoreId(TakeId(bytes));
}

}  // namespace records::eventstore
