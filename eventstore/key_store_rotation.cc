#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/key_store_impl.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

// Rows that one change of a rotation wraps anew: others wait no longer than for these.
constexpr size_t kRowsAtATime = 512;

}  // namespace

DurableKeyStore::SealerPointer DurableKeyStore::sealer() const {
  absl::ReaderMutexLock lock(&master_mutex_);
  return sealer_;
}

absl::StatusOr<uint64_t> DurableKeyStore::RotateMasterKey() {
  absl::MutexLock lock(&rotation_mutex_);
  RETURN_IF_ERROR(committer_.health());
  RETURN_IF_ERROR(BeginRotation());
  return WrapAllAnew();
}

absl::StatusOr<uint64_t> DurableKeyStore::FinishRotation() {
  absl::MutexLock lock(&rotation_mutex_);
  return WrapAllAnew();
}

absl::Status DurableKeyStore::BeginRotation() {
  MasterKeys both;
  {
    absl::ReaderMutexLock lock(&master_mutex_);
    // One that was cut short in this process is gone on with.
    if (masters_.size() > 1) return absl::OkStatus();
    both.push_back(masters_.front().Copy());
  }
  ASSIGN_OR_RETURN(MasterKey next, MasterKey::Generate(both.front().generation + 1,
                                                       ports_.clock->Now(), *ports_.random));
  both.push_back(std::move(next));
  RETURN_IF_ERROR(ports_.master_keys->Save(both));
  return InstallMasters(std::move(both));
}

absl::Status DurableKeyStore::InstallMasters(MasterKeys masters) {
  ASSIGN_OR_RETURN(RowSealer sealer, RowSealer::Create(masters, store_));
  absl::MutexLock lock(&master_mutex_);
  masters_ = std::move(masters);
  sealer_ = std::make_shared<const RowSealer>(std::move(sealer));
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> DurableKeyStore::WrapAllAnew() {
  // Goes through the committer: when it returns, whatever was decided under the old key is written,
  // and is seen by the walks below.
  RETURN_IF_ERROR(WrapSecretAnew());
  ASSIGN_OR_RETURN(const uint64_t keys, WrapTableAnew(kKeysTable));
  RETURN_IF_ERROR(WrapTableAnew(kDirectoryTable).status());
  RETURN_IF_ERROR(WrapTableAnew(kFencesTable).status());
  // The old wraps leave the files before the old key does, so that a start in between still knows
  // that there is something to do.
  for (const Table table : {kKeyStoreMetaTable, kKeysTable, kDirectoryTable, kFencesTable}) {
    RETURN_IF_ERROR(ports_.storage->Compact(table));
  }
  MasterKeys newest;
  {
    absl::ReaderMutexLock lock(&master_mutex_);
    newest.push_back(masters_.back().Copy());
  }
  RETURN_IF_ERROR(ports_.master_keys->Save(newest));
  RETURN_IF_ERROR(InstallMasters(std::move(newest)));
  return keys;
}

absl::Status DurableKeyStore::WrapSecretAnew() {
  return committer_.Commit([&](PendingChanges& changes) -> absl::Status {
    const SealerPointer sealer = this->sealer();
    ASSIGN_OR_RETURN(const std::optional<std::string> value,
                     changes.Get(kKeyStoreMetaTable, kSecretRow));
    if (!value.has_value() || value->size() < kMasterKeyCheckSize) {
      return DamagedRow(kKeyStoreMetaTable, kSecretRow);
    }
    const absl::string_view sealed = absl::string_view(*value).substr(kMasterKeyCheckSize);
    if (sealer->IsCurrent(sealed)) return absl::OkStatus();
    ASSIGN_OR_RETURN(const SecretBytes secret,
                     sealer->Open(kKeyStoreMetaTable, kSecretRow, sealed));
    ASSIGN_OR_RETURN(const std::string anew,
                     sealer->Seal(kKeyStoreMetaTable, kSecretRow, secret.view(), *ports_.random));
    absl::ReaderMutexLock lock(&master_mutex_);
    ASSIGN_OR_RETURN(const std::string check, MasterKeyCheck(masters_.back(), store_));
    changes.Replace(kKeyStoreMetaTable, kSecretRow, absl::StrCat(check, anew));
    return absl::OkStatus();
  });
}

absl::StatusOr<uint64_t> DurableKeyStore::WrapTableAnew(Table table) {
  uint64_t wrapped = 0;
  // Until a walk of the whole table finds none: the old key is not forgotten while a row needs it.
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<std::string> rows, RowsOfOldMaster(table));
    if (rows.empty()) return wrapped;
    for (size_t first = 0; first < rows.size(); first += kRowsAtATime) {
      const auto some = absl::MakeConstSpan(rows).subspan(first, kRowsAtATime);
      RETURN_IF_ERROR(WrapRowsAnew(table, some));
      wrapped += some.size();
    }
  }
}

absl::StatusOr<std::vector<std::string>> DurableKeyStore::RowsOfOldMaster(Table table) const {
  // So many at a time that the list stays small; the next walk finds the rest.
  constexpr size_t kRowsListed = 64 * kRowsAtATime;
  const SealerPointer sealer = this->sealer();
  std::vector<std::string> rows;
  const std::unique_ptr<Cursor> cursor = ports_.storage->NewCursor(table);
  for (cursor->Seek(""); cursor->Valid() && rows.size() < kRowsListed; cursor->Next()) {
    if (!sealer->IsCurrent(cursor->value())) rows.emplace_back(cursor->key());
  }
  RETURN_IF_ERROR(cursor->status());
  return rows;
}

absl::Status DurableKeyStore::WrapRowsAnew(Table table, absl::Span<const std::string> rows) {
  return committer_.Commit([&](PendingChanges& changes) -> absl::Status {
    const SealerPointer sealer = this->sealer();
    for (const std::string& row : rows) {
      ASSIGN_OR_RETURN(const std::optional<std::string> value, changes.Get(table, row));
      if (!value.has_value() || sealer->IsCurrent(*value)) continue;  // ended or made since
      ASSIGN_OR_RETURN(const SecretBytes bytes, sealer->Open(table, row, *value));
      ASSIGN_OR_RETURN(std::string anew, sealer->Seal(table, row, bytes.view(), *ports_.random));
      changes.Replace(table, row, std::move(anew));
    }
    return absl::OkStatus();
  });
}

}  // namespace records::eventstore
