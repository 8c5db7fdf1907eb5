#include "eventstore/testing/memory_key_store.h"

#include <utility>

#include "eventstore/limits.h"
#include "eventstore/status_macros.h"

namespace records::eventstore::testing {

MemoryKeyStore::MemoryKeyStore(const Clock& clock, Random& random)
    : clock_(clock),
      random_(random),
      secrets_(StoreSecrets::Create(SecretBytes::Generate(random, 32).value()).value()) {}

LeasedKey MemoryKeyStore::Lease(const Key& key) const {
  return {.id = key.id, .aead = key.aead, .lease_ends = clock_.Now() + kKeyLease};
}

absl::StatusOr<const MemoryKeyStore::Key*> MemoryKeyStore::GetOrCreate(const KeyPurpose& purpose) {
  const auto found = keys_.find(purpose);
  if (found != keys_.end()) return &found->second;
  ASSIGN_OR_RETURN(const KeyId id, KeyId::Generate(random_));
  ASSIGN_OR_RETURN(SecretBytes secret, SecretBytes::Generate(random_, kAeadKeySize));
  SecretBytes copy = SecretBytes::CopyOf(secret.view());
  ASSIGN_OR_RETURN(Aead aead, Aead::Create(std::move(secret)));
  ++sequence_;
  Key key{id, std::make_shared<const Aead>(std::move(aead)), std::move(copy)};
  return &keys_.emplace(purpose, std::move(key)).first->second;
}

absl::StatusOr<std::vector<LeasedKey>> MemoryKeyStore::GetOrCreateKeys(
    absl::Span<const KeyPurpose> purposes) {
  absl::MutexLock lock(&mutex_);
  for (const KeyPurpose& purpose : purposes) {
    RETURN_IF_ERROR(CheckPurpose(purpose));
    if (fenced_.contains(purpose.subject)) return SubjectFenced();
  }
  std::vector<LeasedKey> keys;
  for (const KeyPurpose& purpose : purposes) {
    ASSIGN_OR_RETURN(const Key* key, GetOrCreate(purpose));
    keys.push_back(Lease(*key));
  }
  return keys;
}

absl::StatusOr<std::optional<LeasedKey>> MemoryKeyStore::FindKey(const KeyPurpose& purpose) {
  RETURN_IF_ERROR(CheckPurpose(purpose));
  absl::MutexLock lock(&mutex_);
  const auto found = keys_.find(purpose);
  if (found == keys_.end() || fenced_.contains(purpose.subject)) return std::nullopt;
  return Lease(found->second);
}

absl::StatusOr<std::optional<ReleasedKey>> MemoryKeyStore::ReleaseKey(
    const KeyReference& reference) {
  RETURN_IF_ERROR(CheckPurpose(reference.purpose));
  absl::MutexLock lock(&mutex_);
  const auto found = keys_.find(reference.purpose);
  if (found == keys_.end() || fenced_.contains(reference.purpose.subject)) return std::nullopt;
  const Key& key = found->second;
  if (reference.tag != KeyTag{} && reference.tag != TagOf(key.id)) return std::nullopt;
  return ReleasedKey{key.id, SecretBytes::CopyOf(key.secret.view())};
}

absl::Status MemoryKeyStore::EndKey(const KeyPurpose& purpose) {
  RETURN_IF_ERROR(CheckPurpose(purpose));
  absl::MutexLock lock(&mutex_);
  const auto found = keys_.find(purpose);
  if (found == keys_.end()) return absl::OkStatus();
  ended_.insert(found->second.id);
  keys_.erase(found);
  ++sequence_;
  return absl::OkStatus();
}

absl::StatusOr<std::string> MemoryKeyStore::MakeReference(const KeyReference& reference) {
  return secrets_.MakeReference(reference, random_);
}

absl::StatusOr<KeyReference> MemoryKeyStore::OpenReference(absl::string_view reference) const {
  return secrets_.OpenReference(reference);
}

absl::StatusOr<DirectoryEntry> MemoryKeyStore::Claim(absl::string_view organisation,
                                                     absl::string_view name_space,
                                                     absl::string_view reference) {
  RETURN_IF_ERROR(CheckReference(organisation, name_space, reference));
  absl::MutexLock lock(&mutex_);
  const Reference name{organisation, name_space, reference};
  const auto found = directory_.find(name);
  if (found != directory_.end()) return found->second;
  ASSIGN_OR_RETURN(const SubjectId subject, SubjectId::Generate(random_));
  ASSIGN_OR_RETURN(const RootId root, RootId::Generate(random_));
  references_[subject] = std::string(reference);
  ++sequence_;
  return directory_[name] = {.subject = subject, .root = root};
}

absl::StatusOr<std::optional<DirectoryEntry>> MemoryKeyStore::Resolve(
    absl::string_view organisation, absl::string_view name_space,
    absl::string_view reference) const {
  RETURN_IF_ERROR(CheckReference(organisation, name_space, reference));
  absl::MutexLock lock(&mutex_);
  const auto found = directory_.find(Reference{organisation, name_space, reference});
  if (found == directory_.end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<std::optional<std::string>> MemoryKeyStore::ReferenceOf(
    const SubjectId& subject) const {
  absl::MutexLock lock(&mutex_);
  const auto found = references_.find(subject);
  if (found == references_.end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<DirectoryEntry> MemoryKeyStore::PseudoEntry(absl::string_view organisation,
                                                           absl::string_view name_space,
                                                           absl::string_view reference) const {
  RETURN_IF_ERROR(CheckReference(organisation, name_space, reference));
  return secrets_.PseudoEntry(organisation, name_space, reference);
}

Digest MemoryKeyStore::KeyedHash(absl::string_view label, absl::string_view data) const {
  return secrets_.KeyedHash(label, data);
}

absl::StatusOr<Digest> MemoryKeyStore::SubjectHash(const SubjectId& subject,
                                                   absl::string_view label,
                                                   absl::string_view data) {
  if (subject.is_nil()) return absl::InvalidArgumentError("no data subject");
  absl::MutexLock lock(&mutex_);
  if (fenced_.contains(subject)) return SubjectFenced();
  ASSIGN_OR_RETURN(const Key* key, GetOrCreate(SubjectHashPurpose(subject)));
  return HashUnderSubjectKey(key->secret, label, data);
}

absl::StatusOr<std::string> MemoryKeyStore::SealToken(absl::string_view label,
                                                      absl::string_view caller,
                                                      absl::string_view data) const {
  return secrets_.SealToken(label, caller, data);
}

absl::StatusOr<std::string> MemoryKeyStore::OpenToken(absl::string_view label,
                                                      absl::string_view caller,
                                                      absl::string_view token) const {
  return secrets_.OpenToken(label, caller, token);
}

absl::Status MemoryKeyStore::Fence(const SubjectId& subject) {
  if (subject.is_nil()) return absl::InvalidArgumentError("no data subject");
  absl::MutexLock lock(&mutex_);
  if (fenced_.insert(subject).second) ++sequence_;
  return absl::OkStatus();
}

bool MemoryKeyStore::IsFenced(const SubjectId& subject) const {
  absl::MutexLock lock(&mutex_);
  return fenced_.contains(subject);
}

absl::StatusOr<SubjectHoldings> MemoryKeyStore::HoldingsOf(const SubjectId& subject) const {
  absl::MutexLock lock(&mutex_);
  SubjectHoldings holdings;
  for (const auto& [purpose, key] : keys_) {
    if (purpose.subject == subject) ++holdings.keys[purpose.category];
  }
  holdings.directory_rows = references_.contains(subject) ? 2 : 0;
  return holdings;
}

absl::StatusOr<DestroyedSubject> MemoryKeyStore::DestroySubject(const SubjectId& subject) {
  if (!IsFenced(subject)) return absl::FailedPreconditionError("the subject is not fenced");
  DestroyedSubject destroyed;
  ASSIGN_OR_RETURN(destroyed.holdings, HoldingsOf(subject));
  absl::MutexLock lock(&mutex_);
  std::erase_if(keys_, [&](const auto& entry) { return entry.first.subject == subject; });
  std::erase_if(directory_, [&](const auto& entry) { return entry.second.subject == subject; });
  references_.erase(subject);
  ++sequence_;
  return destroyed;
}

ErasureHead MemoryKeyStore::KnownErasures() const {
  absl::MutexLock lock(&mutex_);
  return erasures_;
}

void MemoryKeyStore::SetErasureHead(const ErasureHead& head) {
  absl::MutexLock lock(&mutex_);
  erasures_ = head;
}

KeyStoreStatus MemoryKeyStore::GetStatus() const {
  absl::MutexLock lock(&mutex_);
  return {.master_key_generation = generation_,
          .master_key_created_at = clock_.Now(),
          .keys = keys_.size(),
          .fenced_subjects = fenced_.size(),
          .sequence = sequence_};
}

absl::StatusOr<uint64_t> MemoryKeyStore::RotateMasterKey() {
  absl::MutexLock lock(&mutex_);
  ++generation_;
  return keys_.size();
}

absl::StatusOr<KeyStoreCopy> MemoryKeyStore::CopyTo(const std::string&) {
  return absl::UnimplementedError("this key store has no files to copy");
}

absl::Status MemoryKeyStore::Check(const Append& append) const {
  absl::MutexLock lock(&mutex_);
  for (const SubjectId& subject : append.subjects) {
    if (fenced_.contains(subject)) return SubjectFenced();
  }
  for (const KeyId& key : append.keys) {
    if (ended_.contains(key)) return KeyEnded();
  }
  return absl::OkStatus();
}

uint64_t MemoryKeyStore::Sequence() const {
  absl::MutexLock lock(&mutex_);
  return sequence_;
}

}  // namespace records::eventstore::testing
