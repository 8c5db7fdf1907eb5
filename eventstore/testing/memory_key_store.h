#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/clock.h"
#include "eventstore/key_store.h"
#include "eventstore/random.h"
#include "eventstore/store_secrets.h"

namespace records::eventstore::testing {

// A key store in memory, for tests of what uses one. All that the real one does, but nothing
// outlasts it: durability, anchor and master key are the real one's. CopyTo() is refused.
//
// Thread-safe. Must not outlive clock and random.
class MemoryKeyStore final : public KeyStore {
 public:
  MemoryKeyStore(const Clock& clock, Random& random);

  absl::StatusOr<std::vector<LeasedKey>> GetOrCreateKeys(
      absl::Span<const KeyPurpose> purposes) override;
  absl::StatusOr<std::optional<LeasedKey>> FindKey(const KeyPurpose& purpose) override;
  absl::StatusOr<std::optional<ReleasedKey>> ReleaseKey(const KeyReference& reference) override;
  absl::Status EndKey(const KeyPurpose& purpose) override;
  absl::StatusOr<std::string> MakeReference(const KeyReference& reference) override;
  absl::StatusOr<KeyReference> OpenReference(absl::string_view reference) const override;
  absl::StatusOr<DirectoryEntry> Claim(absl::string_view organisation, absl::string_view name_space,
                                       absl::string_view reference) override;
  absl::StatusOr<std::optional<DirectoryEntry>> Resolve(absl::string_view organisation,
                                                        absl::string_view name_space,
                                                        absl::string_view reference) const override;
  absl::StatusOr<std::optional<std::string>> ReferenceOf(const SubjectId& subject) const override;
  absl::StatusOr<DirectoryEntry> PseudoEntry(absl::string_view organisation,
                                             absl::string_view name_space,
                                             absl::string_view reference) const override;
  Digest KeyedHash(absl::string_view label, absl::string_view data) const override;
  absl::StatusOr<Digest> SubjectHash(const SubjectId& subject, absl::string_view label,
                                     absl::string_view data) override;
  absl::StatusOr<std::string> SealToken(absl::string_view label, absl::string_view caller,
                                        absl::string_view data) const override;
  absl::StatusOr<std::string> OpenToken(absl::string_view label, absl::string_view caller,
                                        absl::string_view token) const override;
  absl::Status Fence(const SubjectId& subject) override;
  bool IsFenced(const SubjectId& subject) const override;
  bool LeasesEnded(const SubjectId&) override { return true; }
  absl::StatusOr<SubjectHoldings> HoldingsOf(const SubjectId& subject) const override;
  absl::StatusOr<DestroyedSubject> DestroySubject(const SubjectId& subject) override;
  absl::Status CompactDestroyed() override { return absl::OkStatus(); }
  ErasureHead KnownErasures() const override;
  void SetErasureHead(const ErasureHead& head) override;
  KeyStoreStatus GetStatus() const override;
  absl::StatusOr<uint64_t> RotateMasterKey() override;
  absl::StatusOr<KeyStoreCopy> CopyTo(const std::string& folder) override;

  absl::Status Check(const Append& append) const override;
  uint64_t Sequence() const override;

 private:
  struct Key {
    KeyId id;
    std::shared_ptr<const Aead> aead;  // lint: allow(shared_ptr) as in LeasedKey
    SecretBytes secret;
  };
  using Reference = std::tuple<std::string, std::string, std::string>;

  absl::StatusOr<const Key*> GetOrCreate(const KeyPurpose& purpose)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  LeasedKey Lease(const Key& key) const;

  const Clock& clock_;
  Random& random_;
  const StoreSecrets secrets_;
  mutable absl::Mutex mutex_;
  std::map<KeyPurpose, Key> keys_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<KeyId> ended_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<SubjectId> fenced_ ABSL_GUARDED_BY(mutex_);
  std::map<Reference, DirectoryEntry> directory_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<SubjectId, std::string> references_ ABSL_GUARDED_BY(mutex_);
  ErasureHead erasures_ ABSL_GUARDED_BY(mutex_);
  uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 1;
  uint32_t generation_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace records::eventstore::testing
