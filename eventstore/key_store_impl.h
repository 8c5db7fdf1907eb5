#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/directory_cache.h"
#include "eventstore/key_cache.h"
#include "eventstore/key_store.h"
#include "eventstore/key_store_committer.h"
#include "eventstore/key_store_open.h"
#include "eventstore/key_store_row_count.h"
#include "eventstore/key_store_rows.h"
#include "eventstore/store_secrets.h"

namespace records::eventstore {

// The key store over a Storage, its anchor and its master key. See KeyStore and OpenKeyStore().
class DurableKeyStore final : public KeyStore {
 public:
  // What stands under the ports and ends after the store.
  struct Owned {
    std::unique_ptr<Storage> storage;
    std::unique_ptr<MasterKeyHome> master_keys;
  };
  // Copies the database into a new folder.
  using CopyDatabase = std::function<absl::Status(const std::string& folder)>;

  // What was found and checked at the start.
  struct Parts {
    Owned owned;
    KeyStorePorts ports;
    CopyDatabase copy_database;  // without it CopyTo() is kUnimplemented
    StoreId store;
    MasterKeys masters;
    StoreSecrets secrets;
    std::unique_ptr<Anchor> anchor;
    KeyStoreState state;
    ErasureHead erasures;
    absl::flat_hash_set<SubjectId> fenced;
    bool count_rows = false;  // nobody has counted them yet
  };
  DurableKeyStore(Parts parts, RowSealer sealer);

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
  bool LeasesEnded(const SubjectId& subject) override;
  absl::StatusOr<SubjectHoldings> HoldingsOf(const SubjectId& subject) const override;
  absl::StatusOr<DestroyedSubject> DestroySubject(const SubjectId& subject) override;
  absl::Status CompactDestroyed() override;
  ErasureHead KnownErasures() const override { return committer_.erasures(); }
  void SetErasureHead(const ErasureHead& head) override { committer_.SetErasures(head); }
  KeyStoreStatus GetStatus() const override;
  absl::StatusOr<uint64_t> RotateMasterKey() override;
  absl::StatusOr<KeyStoreCopy> CopyTo(const std::string& folder) override;
  absl::Status Check(const Append& append) const override;
  uint64_t Sequence() const override;

  // Wraps everything under the newest master key and forgets the other. Called at the start when
  // there are two.
  [[nodiscard]] absl::StatusOr<uint64_t> FinishRotation();

 private:
  using SealerPointer =
      std::shared_ptr<const RowSealer>;  // lint: allow(shared_ptr) readers outlast a rotation

  // Keys of `purposes`, in their order: from the cache, else the database, else made.
  absl::StatusOr<std::vector<ReadyKeyPointer>> ReadyKeys(absl::Span<const KeyPurpose> purposes);
  // `keys`, unless a subject was fenced meanwhile: a fence has not seen these holders.
  absl::StatusOr<std::vector<ReadyKeyPointer>> NoneFenced(absl::Span<const KeyPurpose> purposes,
                                                          std::vector<ReadyKeyPointer> keys) const;
  // From cache or database; nullptr: there is none.
  absl::StatusOr<ReadyKeyPointer> FindReadyKey(const KeyPurpose& purpose);
  absl::StatusOr<ReadyKeyPointer> CreateKey(const KeyPurpose& purpose, PendingChanges& changes);
  static absl::StatusOr<ReadyKeyPointer> Ready(const KeyPurpose& purpose, KeyRow row);
  static LeasedKey Lease(const ReadyKeyPointer& key, absl::Time lease_ends);

  absl::StatusOr<std::optional<DirectoryRow>> ReadDirectory(const std::string& row) const;
  // A row, opened; nullopt: there is none, which waits for the count of rows.
  absl::StatusOr<std::optional<SecretBytes>> ReadRow(Table table, const std::string& row) const;

  SealerPointer sealer() const;
  absl::Status InstallMasters(MasterKeys masters);
  absl::Status BeginRotation() ABSL_EXCLUSIVE_LOCKS_REQUIRED(rotation_mutex_);
  absl::StatusOr<uint64_t> WrapAllAnew() ABSL_EXCLUSIVE_LOCKS_REQUIRED(rotation_mutex_);
  absl::Status WrapSecretAnew();
  // Returns how many rows were sealed anew.
  absl::StatusOr<uint64_t> WrapTableAnew(Table table);
  absl::Status WrapRowsAnew(Table table, absl::Span<const std::string> rows);
  absl::StatusOr<std::vector<std::string>> RowsOfOldMaster(Table table) const;

  // Names of the keys of a subject.
  absl::StatusOr<std::vector<std::string>> KeyRowsOf(const SubjectId& subject) const;
  // Deletes a row and adds its bytes, sealed and opened. Returns what was opened; nullopt: there is
  // no row. Empty: it is damaged.
  absl::StatusOr<std::optional<SecretBytes>> DestroyRow(Table table, const std::string& row,
                                                        PendingChanges& changes,
                                                        DestroyedSubject& destroyed);
  absl::Status DestroyDirectoryRows(const SubjectId& subject, PendingChanges& changes,
                                    DestroyedSubject& destroyed);

  // kResourceExhausted: too many keys ended in a short time.
  absl::Status CheckRoomForEnded();
  void RememberEnded(const KeyId& key);

  const Owned owned_;
  const KeyStorePorts ports_;
  const CopyDatabase copy_database_;
  const StoreId store_;
  const StoreSecrets secrets_;
  KeyCache cache_;
  mutable DirectoryCache directory_cache_;
  const std::unique_ptr<const RowCount> rows_;
  KeyStoreCommitter committer_;

  mutable absl::Mutex guard_mutex_;
  absl::flat_hash_set<SubjectId> fenced_ ABSL_GUARDED_BY(guard_mutex_);
  // Keys of fenced subjects that somebody may still hold.
  absl::flat_hash_map<SubjectId, std::vector<std::weak_ptr<const ReadyKey>>> leases_
      ABSL_GUARDED_BY(guard_mutex_);
  // Keys that ended since the start, so that an append that was sealed before is refused. Those
  // that ended before the start need not be here: an append never outlives the process that sealed
  // it.
  absl::flat_hash_set<KeyId> ended_ ABSL_GUARDED_BY(guard_mutex_);
  std::deque<std::pair<absl::Time, KeyId>> ended_in_order_ ABSL_GUARDED_BY(guard_mutex_);

  absl::Mutex rotation_mutex_ ABSL_ACQUIRED_BEFORE(master_mutex_);
  mutable absl::Mutex master_mutex_;
  MasterKeys masters_ ABSL_GUARDED_BY(master_mutex_);
  SealerPointer sealer_ ABSL_GUARDED_BY(master_mutex_);
};

}  // namespace records::eventstore
