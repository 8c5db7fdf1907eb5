#pragma once

#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/clock.h"
#include "eventstore/crypto.h"
#include "eventstore/key_store.h"
#include "services/remote/ledger_client.h"

namespace records::services {

// The keys of a view in another process, leased from the ledger. Data subjects and purposes have
// names here that only tell what is the same. It opens and looks up; it makes, fences and ends
// nothing (kUnimplemented).
//
// A key is gone from here when its lease has ended, whether it is used or not: an erasure waits for
// that, and for no message. What could not be asked for is kUnavailable, and never "there is none":
// a part left out could be a safety marker.
//
// Thread-safe; waits for the ledger where it must ask. Ledger and clock outlive it.
class RemoteKeys final : public eventstore::KeyStore {
 public:
  // References that are remembered, at most; then all are asked for anew.
  static constexpr size_t kReferencesMax = 200'000;

  RemoteKeys(LedgerClient& ledger, const eventstore::Clock& clock);
  ~RemoteKeys() override;

  void Expect(absl::Span<const records::log::v1::Event* const> events) override;
  void ExpectNames(absl::Span<const eventstore::SubjectId> subjects) override;
  void ExpectTokens(absl::Span<const eventstore::TokenContent> tokens) override;
  absl::StatusOr<eventstore::KeyReference> OpenReference(
      absl::string_view reference) const override;
  absl::StatusOr<std::optional<eventstore::LeasedKey>> FindKey(
      const eventstore::KeyPurpose& purpose) override;
  // Of members of staff only.
  absl::StatusOr<std::optional<std::string>> ReferenceOf(
      const eventstore::SubjectId& subject) const override;
  // Of the labels that the ledger makes for views.
  absl::StatusOr<std::string> SealToken(absl::string_view label, absl::string_view caller,
                                        absl::string_view data) const override;
  absl::StatusOr<std::string> OpenToken(absl::string_view label, absl::string_view caller,
                                        absl::string_view token) const override;
  // The ledger gives no key of a fenced subject.
  bool IsFenced(const eventstore::SubjectId&) const override { return false; }

  // Keys that are leased now.
  size_t leased() const;

  absl::StatusOr<std::vector<eventstore::LeasedKey>> GetOrCreateKeys(
      absl::Span<const eventstore::KeyPurpose>) override;
  absl::StatusOr<std::optional<eventstore::ReleasedKey>> ReleaseKey(
      const eventstore::KeyReference&) override;
  absl::Status EndKey(const eventstore::KeyPurpose&) override;
  absl::StatusOr<std::string> MakeReference(const eventstore::KeyReference&) override;
  absl::StatusOr<eventstore::DirectoryEntry> Claim(absl::string_view, absl::string_view,
                                                   absl::string_view) override;
  absl::StatusOr<std::optional<eventstore::DirectoryEntry>> Resolve(
      absl::string_view, absl::string_view, absl::string_view) const override;
  absl::StatusOr<eventstore::DirectoryEntry> PseudoEntry(absl::string_view, absl::string_view,
                                                         absl::string_view) const override;
  // Zeros: no secret of the ledger's is here.
  std::array<uint8_t, 32> KeyedHash(absl::string_view, absl::string_view) const override;
  absl::StatusOr<std::array<uint8_t, 32>> SubjectHash(const eventstore::SubjectId&,
                                                      absl::string_view,
                                                      absl::string_view) override;
  absl::Status Fence(const eventstore::SubjectId&) override;
  bool LeasesEnded(const eventstore::SubjectId&) override { return false; }
  absl::StatusOr<eventstore::SubjectHoldings> HoldingsOf(
      const eventstore::SubjectId&) const override;
  absl::StatusOr<eventstore::DestroyedSubject> DestroySubject(
      const eventstore::SubjectId&) override;
  absl::Status CompactDestroyed() override;
  eventstore::KeyStoreStatus GetStatus() const override { return {}; }
  absl::StatusOr<uint64_t> RotateMasterKey() override;
  absl::StatusOr<eventstore::KeyStoreCopy> CopyTo(const std::string&) override;
  absl::Status Check(const eventstore::Append&) const override;
  uint64_t Sequence() const override { return 0; }

 private:
  struct Known {
    eventstore::KeyReference reference;
    bool damaged = false;
    absl::Time until = absl::InfinitePast();
  };
  struct Held {
    std::optional<eventstore::LeasedKey> key;  // none: it has ended
    absl::Time until = absl::InfinitePast();
  };

  // Each asks once, for at most kItemsPerCall, and remembers the answers.
  absl::Status Fetch(absl::Span<const std::string> references) const;
  absl::Status FetchNames(absl::Span<const eventstore::SubjectId> subjects) const;
  absl::Status FetchTokens(absl::Span<const eventstore::TokenContent> tokens) const;
  absl::Status Keep(const std::string& reference, const records::api::v1::ReleasedKey& released,
                    absl::Time until) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<Known> Find(absl::string_view reference) const;
  // The name that is remembered, empty: none; nullopt: not known.
  std::optional<std::string> FindName(const eventstore::SubjectId& subject) const;
  std::optional<std::string> FindToken(const eventstore::Digest& content) const;
  absl::StatusOr<records::api::v1::ExchangedToken> Exchange(
      bool open, const eventstore::TokenContent& content) const;
  void Sweep() const;
  void RunSweeps();

  LedgerClient& ledger_;
  const eventstore::Clock& clock_;
  mutable absl::Mutex mutex_;
  mutable absl::flat_hash_map<std::string, Known> references_ ABSL_GUARDED_BY(mutex_);
  mutable std::map<eventstore::KeyPurpose, Held> keys_ ABSL_GUARDED_BY(mutex_);
  // The same content gives the same token each time. Kept by digest: a content may name somebody.
  mutable absl::flat_hash_map<eventstore::Digest, std::string> tokens_ ABSL_GUARDED_BY(mutex_);
  mutable absl::flat_hash_map<eventstore::SubjectId, std::pair<std::string, absl::Time>> names_
      ABSL_GUARDED_BY(mutex_);
  mutable absl::Time swept_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread sweeper_;
};

}  // namespace records::services
