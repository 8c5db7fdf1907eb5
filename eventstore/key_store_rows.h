#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventstore/crypto.h"
#include "eventstore/ids.h"
#include "eventstore/key_store.h"
#include "eventstore/master_keys.h"
#include "eventstore/random.h"
#include "eventstore/storage.h"

// The rows of the key store's database (FORMAT.md).
namespace records::eventstore {

inline constexpr Table kKeyStoreMetaTable{0};
inline constexpr Table kKeysTable{1};
inline constexpr Table kDirectoryTable{2};
inline constexpr Table kFencesTable{3};
inline constexpr size_t kKeyStoreTables = 4;
// Name of a table, in the database and in associated data.
absl::string_view KeyStoreTableName(Table table);

// Names of rows in the meta table.
inline constexpr char kStateRow[] = "state";
inline constexpr char kStoreRow[] = "store";
inline constexpr char kSecretRow[] = "secret";

// Seals rows under master keys: each generation has a key of its own, derived for this store, and a
// row says in the clear which one. The associated data is table and row name, so that no row fits
// another place. Immutable, thread-safe.
class RowSealer {
 public:
  // Seals under the last of `masters`, opens under each.
  [[nodiscard]] static absl::StatusOr<RowSealer> Create(const MasterKeys& masters,
                                                        const StoreId& store);

  // generation ‖ nonce ‖ ciphertext ‖ tag.
  [[nodiscard]] absl::StatusOr<std::string> Seal(Table table, absl::string_view row,
                                                 absl::string_view plaintext, Random& random) const;
  // kDataLoss, naming table and row: damaged, or of a generation that is not here.
  [[nodiscard]] absl::StatusOr<SecretBytes> Open(Table table, absl::string_view row,
                                                 absl::string_view value) const;

  uint32_t generation() const { return generations_.rbegin()->first; }
  // Whether the row's generation is here.
  bool Knows(absl::string_view value) const;
  // Whether the row is sealed under the newest generation.
  bool IsCurrent(absl::string_view value) const;

 private:
  RowSealer() = default;

  std::map<uint32_t, Aead> generations_;
};

// Eight bytes by which a master key is known to be that of a store, without opening anything.
[[nodiscard]] absl::StatusOr<std::string> MasterKeyCheck(const MasterKey& master,
                                                         const StoreId& store);
inline constexpr size_t kMasterKeyCheckSize = 8;

// A data key, in its row.
struct KeyRow {
  SecretBytes key;
  KeyId id;
  KeyPurpose purpose;
  absl::Time created_at;
};
[[nodiscard]] SecretBytes EncodeKeyRow(const KeyRow& row);
[[nodiscard]] absl::StatusOr<KeyRow> DecodeKeyRow(const SecretBytes& bytes);

// What a reference was claimed for, in its row and in that of its subject. Padded to a multiple of
// 128 bytes, so that the size says little of the reference.
struct DirectoryRow {
  DirectoryEntry entry;
  std::string organisation;
  std::string name_space;
  std::string reference;
};
[[nodiscard]] SecretBytes EncodeDirectoryRow(const DirectoryRow& row);
[[nodiscard]] absl::StatusOr<DirectoryRow> DecodeDirectoryRow(const SecretBytes& bytes);

// Rows of each table, by its index, but for meta, whose rows are fixed. A row that was lost must
// not pass for one that was ended.
using RowCounts = std::array<uint64_t, kKeyStoreTables>;

// How far the store had come; in each batch. The anchor holds store, sequence and hash.
struct KeyStoreState {
  uint64_t sequence = 0;
  Digest hash{};           // over the batch and the hash before
  Digest previous_hash{};  // zeros in the first batch
  RowCounts rows{};
};
[[nodiscard]] std::string EncodeState(const KeyStoreState& state);
[[nodiscard]] absl::StatusOr<KeyStoreState> DecodeState(absl::string_view bytes);
// The state after `batch`, which holds no state row yet.
[[nodiscard]] KeyStoreState NextState(const KeyStoreState& state, const StorageBatch& batch,
                                      const RowCounts& rows);

struct KeyStoreAnchor {
  StoreId store;
  uint64_t sequence = 0;
  Digest hash{};
  ErasureHead erasures;
};
[[nodiscard]] std::string EncodeKeyStoreAnchor(const KeyStoreAnchor& anchor);
[[nodiscard]] absl::StatusOr<KeyStoreAnchor> DecodeKeyStoreAnchor(absl::string_view bytes);

// The store row: format version and id.
[[nodiscard]] std::string EncodeStoreRow(const StoreId& store);
// kFailedPrecondition: a format version that is not known here. kDataLoss: anything else.
[[nodiscard]] absl::StatusOr<StoreId> DecodeStoreRow(absl::string_view bytes);

// kDataLoss, naming the row; row names are keyed hashes and say nothing of anybody.
[[nodiscard]] absl::Status DamagedRow(Table table, absl::string_view row);

}  // namespace records::eventstore
