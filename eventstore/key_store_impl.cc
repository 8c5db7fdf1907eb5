#include "eventstore/key_store_impl.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/limits.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

// An append reaches the committer within its lease and the time it waits in a queue that drains in
// milliseconds; this is far beyond both.
constexpr absl::Duration kEndedKeysKept = absl::Minutes(10);

}  // namespace

DurableKeyStore::DurableKeyStore(Parts parts, RowSealer sealer)
    : owned_(std::move(parts.owned)),
      ports_(std::move(parts.ports)),
      copy_database_(std::move(parts.copy_database)),
      store_(parts.store),
      secrets_(std::move(parts.secrets)),
      cache_(ports_.cached_keys),
      directory_cache_(ports_.cached_keys),
      rows_(parts.count_rows ? std::make_unique<const RowCount>(*ports_.storage, parts.state.rows,
                                                                ports_.on_fatal)
                             : std::make_unique<const RowCount>()),
      committer_(*ports_.storage, *rows_, std::move(parts.anchor), parts.store, parts.state,
                 parts.erasures, ports_.on_fatal),
      fenced_(std::move(parts.fenced)),
      masters_(std::move(parts.masters)),
      sealer_(std::make_shared<const RowSealer>(std::move(sealer))) {}

LeasedKey DurableKeyStore::Lease(const ReadyKeyPointer& key, absl::Time lease_ends) {
  return {.id = key->id,
          .aead = std::shared_ptr<const Aead>(key, &key->aead),
          .lease_ends = lease_ends};
}

absl::StatusOr<std::vector<LeasedKey>> DurableKeyStore::GetOrCreateKeys(
    absl::Span<const KeyPurpose> purposes) {
  // Taken before the fence is looked at, so that no lease outlasts a fence by more than kKeyLease.
  const absl::Time lease_ends = ports_.clock->Now() + kKeyLease;
  for (const KeyPurpose& purpose : purposes) RETURN_IF_ERROR(CheckPurpose(purpose));
  ASSIGN_OR_RETURN(const std::vector<ReadyKeyPointer> keys, ReadyKeys(purposes));
  std::vector<LeasedKey> leased;
  leased.reserve(keys.size());
  for (const ReadyKeyPointer& key : keys) leased.push_back(Lease(key, lease_ends));
  return leased;
}

absl::StatusOr<std::optional<LeasedKey>> DurableKeyStore::FindKey(const KeyPurpose& purpose) {
  const absl::Time lease_ends = ports_.clock->Now() + kKeyLease;
  RETURN_IF_ERROR(CheckPurpose(purpose));
  if (IsFenced(purpose.subject)) return std::nullopt;
  ASSIGN_OR_RETURN(const ReadyKeyPointer key, FindReadyKey(purpose));
  // Asked again: a fence between the two has not seen this holder.
  if (key == nullptr || IsFenced(purpose.subject)) return std::nullopt;
  return Lease(key, lease_ends);
}

absl::StatusOr<std::vector<ReadyKeyPointer>> DurableKeyStore::ReadyKeys(
    absl::Span<const KeyPurpose> purposes) {
  // After a failed write the database may show a key that is not on the disk.
  RETURN_IF_ERROR(committer_.health());
  std::vector<ReadyKeyPointer> keys(purposes.size());
  bool complete = true;
  const uint64_t epoch = cache_.epoch();
  for (size_t i = 0; i < purposes.size(); ++i) {
    if (IsFenced(purposes[i].subject)) return SubjectFenced();
    ASSIGN_OR_RETURN(keys[i], FindReadyKey(purposes[i]));
    complete &= keys[i] != nullptr;
  }
  if (complete) return NoneFenced(purposes, std::move(keys));
  RETURN_IF_ERROR(committer_.Commit([&](PendingChanges& changes) -> absl::Status {
    for (size_t i = 0; i < purposes.size(); ++i) {
      if (keys[i] != nullptr) continue;
      ASSIGN_OR_RETURN(keys[i], CreateKey(purposes[i], changes));
    }
    return absl::OkStatus();
  }));
  for (size_t i = 0; i < purposes.size(); ++i) cache_.Insert(purposes[i], keys[i], epoch);
  return NoneFenced(purposes, std::move(keys));
}

absl::StatusOr<std::vector<ReadyKeyPointer>> DurableKeyStore::NoneFenced(
    absl::Span<const KeyPurpose> purposes, std::vector<ReadyKeyPointer> keys) const {
  absl::ReaderMutexLock lock(&guard_mutex_);
  for (const KeyPurpose& purpose : purposes) {
    if (fenced_.contains(purpose.subject)) return SubjectFenced();
  }
  return keys;
}

absl::StatusOr<ReadyKeyPointer> DurableKeyStore::FindReadyKey(const KeyPurpose& purpose) {
  if (ReadyKeyPointer cached = cache_.Find(purpose)) return cached;
  const uint64_t epoch = cache_.epoch();
  const std::string row = secrets_.KeyRow(purpose);
  ASSIGN_OR_RETURN(const std::optional<SecretBytes> bytes, ReadRow(kKeysTable, row));
  if (!bytes.has_value()) return nullptr;
  ASSIGN_OR_RETURN(KeyRow key, DecodeKeyRow(*bytes));
  if (key.purpose != purpose) return DamagedRow(kKeysTable, row);
  ASSIGN_OR_RETURN(ReadyKeyPointer ready, Ready(purpose, std::move(key)));
  cache_.Insert(purpose, ready, epoch);
  return ready;
}

absl::StatusOr<ReadyKeyPointer> DurableKeyStore::CreateKey(const KeyPurpose& purpose,
                                                           PendingChanges& changes) {
  // Asked of the database: a fence that was decided just before may not be in memory yet.
  ASSIGN_OR_RETURN(const std::optional<std::string> fence,
                   changes.Get(kFencesTable, secrets_.FenceRow(purpose.subject)));
  if (fence.has_value()) return SubjectFenced();
  const SealerPointer sealer = this->sealer();
  const std::string row = secrets_.KeyRow(purpose);
  ASSIGN_OR_RETURN(const std::optional<std::string> there, changes.Get(kKeysTable, row));
  if (there.has_value()) {
    ASSIGN_OR_RETURN(const SecretBytes bytes, sealer->Open(kKeysTable, row, *there));
    ASSIGN_OR_RETURN(KeyRow key, DecodeKeyRow(bytes));
    return Ready(purpose, std::move(key));
  }
  KeyRow key{.purpose = purpose, .created_at = ports_.clock->Now()};
  ASSIGN_OR_RETURN(key.id, KeyId::Generate(*ports_.random));
  ASSIGN_OR_RETURN(key.key, SecretBytes::Generate(*ports_.random, kAeadKeySize));
  ASSIGN_OR_RETURN(std::string value,
                   sealer->Seal(kKeysTable, row, EncodeKeyRow(key).view(), *ports_.random));
  changes.Insert(kKeysTable, row, std::move(value));
  return Ready(purpose, std::move(key));
}

absl::StatusOr<ReadyKeyPointer> DurableKeyStore::Ready(const KeyPurpose& purpose, KeyRow row) {
  SecretBytes hash_key;
  if (purpose.category > kCategoryNumberMax) hash_key = SecretBytes::CopyOf(row.key.view());
  ASSIGN_OR_RETURN(Aead aead, Aead::Create(std::move(row.key)));
  return std::make_shared<const ReadyKey>(ReadyKey{row.id, std::move(aead), std::move(hash_key)});
}

// From the database and not from the cache, whose keys cannot be taken out of their ciphers.
absl::StatusOr<std::optional<ReleasedKey>> DurableKeyStore::ReleaseKey(
    const KeyReference& reference) {
  const KeyPurpose& purpose = reference.purpose;
  RETURN_IF_ERROR(CheckPurpose(purpose));
  const std::string row = secrets_.KeyRow(purpose);
  ASSIGN_OR_RETURN(const std::optional<SecretBytes> bytes, ReadRow(kKeysTable, row));
  if (!bytes.has_value()) return std::nullopt;
  ASSIGN_OR_RETURN(KeyRow key, DecodeKeyRow(*bytes));
  if (key.purpose != purpose) return DamagedRow(kKeysTable, row);
  if (reference.tag != KeyTag{} && reference.tag != TagOf(key.id)) return std::nullopt;
  if (IsFenced(purpose.subject)) return std::nullopt;
  return ReleasedKey{key.id, std::move(key.key)};
}

absl::Status DurableKeyStore::EndKey(const KeyPurpose& purpose) {
  RETURN_IF_ERROR(CheckPurpose(purpose));
  std::optional<KeyId> ended;
  RETURN_IF_ERROR(committer_.Commit([&](PendingChanges& changes) -> absl::Status {
    const std::string row = secrets_.KeyRow(purpose);
    ASSIGN_OR_RETURN(const std::optional<std::string> there, changes.Get(kKeysTable, row));
    if (!there.has_value()) return absl::OkStatus();
    RETURN_IF_ERROR(CheckRoomForEnded());
    // A damaged row is ended too; nobody can hold its key.
    const auto bytes = sealer()->Open(kKeysTable, row, *there);
    if (bytes.ok()) {
      ASSIGN_OR_RETURN(const KeyRow key, DecodeKeyRow(*bytes));
      ended = key.id;
    }
    changes.Delete(kKeysTable, row);
    return absl::OkStatus();
  }));
  if (ended.has_value()) RememberEnded(*ended);
  if (!PLANTED_BUG("ended-key-stays-cached")) cache_.Evict(purpose);
  return absl::OkStatus();
}

absl::Status DurableKeyStore::CheckRoomForEnded() {
  absl::MutexLock lock(&guard_mutex_);
  const absl::Time oldest = ports_.clock->Now() - kEndedKeysKept;
  while (!ended_in_order_.empty() && ended_in_order_.front().first < oldest) {
    ended_.erase(ended_in_order_.front().second);
    ended_in_order_.pop_front();
  }
  if (ended_.size() < kEndedKeysMax) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("more than ", kEndedKeysMax, " keys ended within ten minutes: go on later"));
}

void DurableKeyStore::RememberEnded(const KeyId& key) {
  absl::MutexLock lock(&guard_mutex_);
  if (ended_.insert(key).second) ended_in_order_.emplace_back(ports_.clock->Now(), key);
}

absl::StatusOr<Digest> DurableKeyStore::SubjectHash(const SubjectId& subject,
                                                    absl::string_view label,
                                                    absl::string_view data) {
  if (subject.is_nil()) return absl::InvalidArgumentError("no data subject");
  ASSIGN_OR_RETURN(const std::vector<ReadyKeyPointer> keys,
                   ReadyKeys({SubjectHashPurpose(subject)}));
  return HashUnderSubjectKey(keys.front()->hash_key, label, data);
}

absl::Status DurableKeyStore::Fence(const SubjectId& subject) {
  if (subject.is_nil()) return absl::InvalidArgumentError("no data subject");
  RETURN_IF_ERROR(committer_.Commit([&](PendingChanges& changes) -> absl::Status {
    const std::string row = secrets_.FenceRow(subject);
    ASSIGN_OR_RETURN(const std::optional<std::string> there, changes.Get(kFencesTable, row));
    if (there.has_value()) return absl::OkStatus();
    ASSIGN_OR_RETURN(std::string value,
                     sealer()->Seal(kFencesTable, row, subject.bytes(), *ports_.random));
    changes.Insert(kFencesTable, row, std::move(value));
    return absl::OkStatus();
  }));
  {
    absl::MutexLock lock(&guard_mutex_);
    fenced_.insert(subject);
  }
  const auto held = cache_.EvictSubject(subject);
  absl::MutexLock lock(&guard_mutex_);
  auto& leases = leases_[subject];
  leases.insert(leases.end(), held.begin(), held.end());
  return absl::OkStatus();
}

bool DurableKeyStore::IsFenced(const SubjectId& subject) const {
  absl::ReaderMutexLock lock(&guard_mutex_);
  return fenced_.contains(subject);
}

absl::Status DurableKeyStore::Check(const Append& append) const {
  absl::ReaderMutexLock lock(&guard_mutex_);
  for (const SubjectId& subject : append.subjects) {
    if (fenced_.contains(subject) && !PLANTED_BUG("fence-ignored")) return SubjectFenced();
  }
  for (const KeyId& key : append.keys) {
    if (ended_.contains(key) && !PLANTED_BUG("ended-key-not-guarded")) return KeyEnded();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> DurableKeyStore::MakeReference(const KeyReference& reference) {
  return secrets_.MakeReference(reference, *ports_.random);
}

absl::StatusOr<KeyReference> DurableKeyStore::OpenReference(absl::string_view reference) const {
  return secrets_.OpenReference(reference);
}

Digest DurableKeyStore::KeyedHash(absl::string_view label, absl::string_view data) const {
  return secrets_.KeyedHash(label, data);
}

absl::StatusOr<std::string> DurableKeyStore::SealToken(absl::string_view label,
                                                       absl::string_view caller,
                                                       absl::string_view data) const {
  return secrets_.SealToken(label, caller, data);
}

absl::StatusOr<std::string> DurableKeyStore::OpenToken(absl::string_view label,
                                                       absl::string_view caller,
                                                       absl::string_view token) const {
  return secrets_.OpenToken(label, caller, token);
}

uint64_t DurableKeyStore::Sequence() const { return committer_.state().sequence; }

KeyStoreStatus DurableKeyStore::GetStatus() const {
  const KeyStoreState state = committer_.state();
  KeyStoreStatus status{.keys = state.rows[kKeysTable.index], .sequence = state.sequence};
  {
    absl::ReaderMutexLock lock(&guard_mutex_);
    status.fenced_subjects = fenced_.size();
  }
  absl::MutexLock lock(&master_mutex_);
  status.master_key_generation = masters_.back().generation;
  status.master_key_created_at = masters_.back().created_at;
  return status;
}

}  // namespace records::eventstore
