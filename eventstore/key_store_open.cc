#include "eventstore/key_store_open.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/key_store_impl.h"
#include "eventstore/key_store_row_count.h"
#include "eventstore/planted_bug.h"
#include "eventstore/restore_marker.h"
#include "eventstore/rocks_storage.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

constexpr size_t kStoreSecretSize = 32;

// What of a key store is there.
struct Found {
  std::optional<MasterKeys> masters;
  std::optional<KeyStoreAnchor> anchor;
  std::optional<StoreId> store;
  std::optional<KeyStoreState> state;
  std::optional<std::string> secret;
};

absl::StatusOr<std::optional<KeyStoreAnchor>> ReadAnchor(const KeyStorePorts& ports) {
  const absl::StatusOr<AnchorReading> reading = Anchor::Read(*ports.anchors, ports.anchor_path);
  if (absl::IsNotFound(reading.status())) return std::nullopt;
  RETURN_IF_ERROR(reading.status());
  return DecodeKeyStoreAnchor(reading->payload);
}

// `storage` is null when there is no database.
absl::StatusOr<Found> LookAt(const KeyStorePorts& ports, const Storage* storage) {
  Found found;
  ASSIGN_OR_RETURN(found.masters, ports.master_keys->Load());
  ASSIGN_OR_RETURN(found.anchor, ReadAnchor(ports));
  if (storage == nullptr) return found;
  ASSIGN_OR_RETURN(const std::optional<std::string> store,
                   storage->Get(kKeyStoreMetaTable, kStoreRow));
  ASSIGN_OR_RETURN(const std::optional<std::string> state,
                   storage->Get(kKeyStoreMetaTable, kStateRow));
  ASSIGN_OR_RETURN(found.secret, storage->Get(kKeyStoreMetaTable, kSecretRow));
  if (store.has_value()) {
    ASSIGN_OR_RETURN(found.store, DecodeStoreRow(*store));
  }
  if (state.has_value()) {
    ASSIGN_OR_RETURN(found.state, DecodeState(*state));
  }
  return found;
}

absl::Status CheckMasterKey(const Found& found, const std::string& name) {
  if (found.secret->size() < kMasterKeyCheckSize) return DamagedRow(kKeyStoreMetaTable, kSecretRow);
  for (const MasterKey& master : *found.masters) {
    ASSIGN_OR_RETURN(const std::string check, MasterKeyCheck(master, *found.store));
    if (found.secret->substr(0, kMasterKeyCheckSize) == check) return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the master key in ", name,
                   " is not that of this key store. Restore the key that was kept with it."));
}

// The database must be where the anchor says, or one batch ahead: a crash came between the two.
absl::Status CheckAnchor(const Found& found, const std::string& path) {
  if (PLANTED_BUG("key-anchor-not-compared")) return absl::OkStatus();
  const KeyStoreState& state = *found.state;
  if (!found.anchor.has_value()) {
    if (state.sequence == 1) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("the key store is at change ", state.sequence,
                                            ", but its anchor ", path, " is missing"));
  }
  const KeyStoreAnchor& anchor = *found.anchor;
  if (anchor.store != *found.store) {
    return absl::DataLossError(absl::StrCat("the anchor ", path, " is that of another key store"));
  }
  if (state.sequence == anchor.sequence && state.hash == anchor.hash) return absl::OkStatus();
  if (state.sequence == anchor.sequence + 1 && state.previous_hash == anchor.hash) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      "the key store is at change ", state.sequence, ", but its anchor says ", anchor.sequence,
      state.sequence < anchor.sequence ? ": changes are lost" : ": it has another history"));
}

// Writes nothing.
absl::Status CheckTogether(const Found& found, const KeyStorePorts& ports) {
  const bool database = found.store.has_value() && found.state.has_value() && found.secret;
  if (!database && (found.store.has_value() || found.state.has_value() || found.secret)) {
    return absl::DataLossError("the key store is damaged: a row of its table meta is missing");
  }
  if (!found.masters.has_value() && (database || found.anchor.has_value())) {
    return absl::FailedPreconditionError(
        absl::StrCat("the master key ", ports.master_keys->name(),
                     " is missing, but there is a key store: restore the key; a new one would open "
                     "nothing, so none is made"));
  }
  if (!database && found.anchor.has_value()) {
    return absl::DataLossError(
        absl::StrCat("the database of the key store is missing, but its "
                     "anchor ",
                     ports.anchor_path, " says that it was at change ", found.anchor->sequence));
  }
  if (!database) return absl::OkStatus();
  RETURN_IF_ERROR(CheckAnchor(found, ports.anchor_path));
  return CheckMasterKey(found, ports.master_keys->name());
}

// When the rows of keys and directory are counted. The fences are counted at every start: they are
// few, and all of them are read.
enum class Counted { kBefore, kWhileServing };

// All that is known before anything is written. `storage` is null when there is no database.
// `may_count_later`: whether a long store may be counted while it serves.
absl::StatusOr<Counted> CheckAll(const KeyStorePorts& ports, const Storage* storage,
                                 bool may_count_later) {
  ASSIGN_OR_RETURN(const Found found, LookAt(ports, storage));
  RETURN_IF_ERROR(CheckTogether(found, ports));
  if (!found.state.has_value()) return Counted::kBefore;
  const RowCounts& rows = found.state->rows;
  RETURN_IF_ERROR(CountRows(*storage, rows, {kFencesTable}));
  const uint64_t others = rows[kKeysTable.index] + rows[kDirectoryTable.index];
  if (may_count_later && others > ports.rows_counted_at_start_max) return Counted::kWhileServing;
  RETURN_IF_ERROR(CountRows(*storage, rows, {kKeysTable, kDirectoryTable}));
  return Counted::kBefore;
}

// Makes what a new store has: a master key unless there is one, its secret, and the first batch.
absl::Status Make(const KeyStorePorts& ports, Found* found) {
  if (!found->masters.has_value()) {
    ASSIGN_OR_RETURN(MasterKey first, MasterKey::Generate(1, ports.clock->Now(), *ports.random));
    found->masters.emplace().push_back(std::move(first));
    RETURN_IF_ERROR(ports.master_keys->Save(*found->masters));
  }
  ASSIGN_OR_RETURN(found->store, StoreId::Generate(*ports.random));
  ASSIGN_OR_RETURN(const RowSealer sealer, RowSealer::Create(*found->masters, *found->store));
  ASSIGN_OR_RETURN(const std::string check, MasterKeyCheck(found->masters->back(), *found->store));
  ASSIGN_OR_RETURN(const SecretBytes secret,
                   SecretBytes::Generate(*ports.random, kStoreSecretSize));
  ASSIGN_OR_RETURN(const std::string sealed,
                   sealer.Seal(kKeyStoreMetaTable, kSecretRow, secret.view(), *ports.random));
  found->secret = absl::StrCat(check, sealed);
  StorageBatch batch;
  batch.Put(kKeyStoreMetaTable, kStoreRow, EncodeStoreRow(*found->store));
  batch.Put(kKeyStoreMetaTable, kSecretRow, *found->secret);
  found->state = NextState(KeyStoreState{}, batch, RowCounts{});
  batch.Put(kKeyStoreMetaTable, kStateRow, EncodeState(*found->state));
  return ports.storage->Write(batch, Storage::Durability::kSynced);
}

ErasureHead ErasuresOf(const Found& found) {
  return found.anchor.has_value() ? found.anchor->erasures : ErasureHead();
}

absl::StatusOr<std::unique_ptr<Anchor>> OpenAnchor(const KeyStorePorts& ports, const Found& found) {
  const std::string payload = EncodeKeyStoreAnchor(
      {*found.store, found.state->sequence, found.state->hash, ErasuresOf(found)});
  if (!found.anchor.has_value()) {
    RETURN_IF_ERROR(Anchor::Create(*ports.anchors, ports.anchor_path, payload));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Anchor> anchor, Anchor::Open(*ports.anchors, ports.anchor_path));
  if (anchor->reading().payload != payload) RETURN_IF_ERROR(anchor->Write(payload));
  return anchor;
}

absl::StatusOr<absl::flat_hash_set<SubjectId>> LoadFences(const Storage& storage,
                                                          const RowSealer& sealer) {
  absl::flat_hash_set<SubjectId> fenced;
  const std::unique_ptr<Cursor> cursor = storage.NewCursor(kFencesTable);
  for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
    ASSIGN_OR_RETURN(const SecretBytes bytes,
                     sealer.Open(kFencesTable, cursor->key(), cursor->value()));
    const auto subject = SubjectId::FromBytes(bytes.view());
    if (!subject.ok()) return DamagedRow(kFencesTable, cursor->key());
    if (!PLANTED_BUG("fences-forgotten-at-start")) fenced.insert(*subject);
  }
  RETURN_IF_ERROR(cursor->status());
  return fenced;
}

absl::StatusOr<std::unique_ptr<KeyStore>> OpenWith(KeyStorePorts ports, Counted counted,
                                                   DurableKeyStore::Owned owned,
                                                   DurableKeyStore::CopyDatabase copy_database) {
  ASSIGN_OR_RETURN(Found found, LookAt(ports, ports.storage));
  RETURN_IF_ERROR(CheckTogether(found, ports));
  if (!found.state.has_value()) RETURN_IF_ERROR(Make(ports, &found));
  ASSIGN_OR_RETURN(RowSealer sealer, RowSealer::Create(*found.masters, *found.store));
  ASSIGN_OR_RETURN(const SecretBytes secret,
                   sealer.Open(kKeyStoreMetaTable, kSecretRow,
                               absl::string_view(*found.secret).substr(kMasterKeyCheckSize)));
  ASSIGN_OR_RETURN(StoreSecrets secrets, StoreSecrets::Create(secret));
  ASSIGN_OR_RETURN(absl::flat_hash_set<SubjectId> fenced, LoadFences(*ports.storage, sealer));
  ASSIGN_OR_RETURN(std::unique_ptr<Anchor> anchor, OpenAnchor(ports, found));
  const bool rotating = ports.ends_rotation && found.masters->size() > 1;
  auto store = std::make_unique<DurableKeyStore>(
      DurableKeyStore::Parts{.owned = std::move(owned),
                             .ports = ports,
                             .copy_database = std::move(copy_database),
                             .store = *found.store,
                             .masters = *std::move(found.masters),
                             .secrets = std::move(secrets),
                             .anchor = std::move(anchor),
                             .state = *found.state,
                             .erasures = ErasuresOf(found),
                             .fenced = std::move(fenced),
                             .count_rows = counted == Counted::kWhileServing},
      std::move(sealer));
  if (rotating) RETURN_IF_ERROR(store->FinishRotation().status());
  return store;
}

RocksStorageOptions DatabaseOptions(const KeyStoreOptions& options, RocksMode mode) {
  RocksStorageOptions database;
  database.path = absl::StrCat(options.data_dir, "/", kKeyStoreFolder);
  for (size_t i = 0; i < kKeyStoreTables; ++i) {
    database.tables.push_back({.name = std::string(KeyStoreTableName(Table{i})),
                               .point_lookups = true,
                               .write_buffer_bytes = size_t{4} << 20});
  }
  database.mode = mode;
  database.block_cache_bytes = size_t{32} << 20;
  database.write_ahead_log_bytes_max = size_t{32} << 20;
  database.env = options.env;
  return database;
}

// Looks without writing. RocksDB opens a damaged database cleanly and deletes what it did not read,
// so the anchor must be compared before.
absl::StatusOr<Counted> CheckReadOnly(const KeyStoreOptions& options, const KeyStorePorts& ports) {
  absl::StatusOr<std::unique_ptr<RocksStorage>> storage =
      RocksStorage::Open(DatabaseOptions(options, RocksMode::kReadOnly));
  if (!storage.ok() && !absl::IsNotFound(storage.status())) return storage.status();
  if (!storage.ok()) return CheckAll(ports, nullptr, /*may_count_later=*/false);
  // A table file that the database does not know would be deleted when it is opened for writing. A
  // crash leaves one behind, but so does a manifest that lost its end: then the count tells.
  ASSIGN_OR_RETURN(const bool knows_all, (*storage)->KnowsAllTableFiles());
  return CheckAll(ports, storage->get(), knows_all);
}

absl::Status WithAdvice(const KeyStoreOptions& options, const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return status;
  return absl::DataLossError(absl::StrCat("the key store does not start: ", status.message(),
                                          ". Nothing was changed. Restore ", options.data_dir, "/",
                                          kKeyStoreFolder, " and ", kKeyStoreAnchorFile,
                                          ", together, from the newest backup of the keys."));
}

}  // namespace

absl::StatusOr<std::unique_ptr<KeyStore>> OpenKeyStoreOver(const KeyStorePorts& ports) {
  ASSIGN_OR_RETURN(const Counted counted, CheckAll(ports, ports.storage, /*may_count_later=*/true));
  return OpenWith(ports, counted, {}, nullptr);
}

namespace {

absl::StatusOr<std::unique_ptr<KeyStore>> OpenFiles(const KeyStoreOptions& options) {
  if (!options.is_restoring) {
    RETURN_IF_ERROR(CheckRestoreFinished(options.env, options.data_dir));
  }
  DurableKeyStore::Owned owned;
  owned.master_keys = std::make_unique<MasterKeyFile>(
      options.master_key_file.empty() ? absl::StrCat(options.data_dir, "/", kMasterKeyFile)
                                      : options.master_key_file);
  KeyStorePorts ports;
  ports.anchors = &PosixAnchorFiles();
  ports.anchor_path = absl::StrCat(options.data_dir, "/", kKeyStoreAnchorFile);
  ports.master_keys = owned.master_keys.get();
  ports.clock = options.clock;
  ports.random = options.random;
  ports.on_fatal = [options](const absl::Status& status) {
    if (options.on_fatal) options.on_fatal(WithAdvice(options, status));
  };
  ports.rows_counted_at_start_max = options.rows_counted_at_start_max;
  ports.ends_rotation = !options.is_restoring;
  ASSIGN_OR_RETURN(const std::optional<KeyStoreAnchor> anchor, ReadAnchor(ports));
  // Without an anchor a first start may have been cut short at any point.
  Counted counted = Counted::kBefore;
  if (anchor.has_value()) {
    ASSIGN_OR_RETURN(counted, CheckReadOnly(options, ports));
  }
  const RocksMode mode = anchor.has_value() ? RocksMode::kWrite : RocksMode::kCreate;
  ASSIGN_OR_RETURN(std::unique_ptr<RocksStorage> storage,
                   RocksStorage::Open(DatabaseOptions(options, mode)));
  RocksStorage* const database = storage.get();
  ports.storage = database;
  owned.storage = std::move(storage);
  return OpenWith(std::move(ports), counted, std::move(owned),
                  [database](const std::string& folder) { return database->CopyTo(folder); });
}

}  // namespace

absl::StatusOr<std::unique_ptr<KeyStore>> OpenKeyStore(const KeyStoreOptions& options) {
  auto store = OpenFiles(options);
  if (!store.ok()) return WithAdvice(options, store.status());
  return store;
}

}  // namespace records::eventstore
