#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "eventstore/categories.h"
#include "eventstore/crypto.h"
#include "eventstore/erasure_head.h"
#include "eventstore/ids.h"
#include "eventstore/log.h"
#include "records/log/v1/event.pb.h"

namespace records::eventstore {

// The span that a key is for: a retention epoch or a root.
struct KeyScope {
  KeyScopeKind kind = KeyScopeKind::kSubject;
  uint32_t epoch = 0;  // kYear: 2026; kMonth: 202611
  RootId root;         // kRoot
  friend auto operator<=>(const KeyScope&, const KeyScope&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const KeyScope& scope) {
    return H::combine(std::move(state), scope.kind, scope.epoch, scope.root);
  }
};

// What a key is for. One key for each: who has one cannot open another.
struct KeyPurpose {
  SubjectId subject;
  uint32_t category = 0;  // number of the category in the register; 0 in dummies
  KeyScope scope;
  friend auto operator<=>(const KeyPurpose&, const KeyPurpose&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const KeyPurpose& purpose) {
    return H::combine(std::move(state), purpose.subject, purpose.category, purpose.scope);
  }
};

inline constexpr size_t kKeyReferenceSize = 76;

// What SealToken() makes a token of.
struct TokenContent {
  std::string label;
  std::string caller;
  std::string data;
};

// The first bytes of a key's id, all of them random: which of the keys that one purpose had, one
// after the other, is meant.
using KeyTag = std::array<uint8_t, 6>;
[[nodiscard]] KeyTag TagOf(const KeyId& key);

// What a sealed part says of its key, opened.
struct KeyReference {
  KeyPurpose purpose;
  KeyTag tag{};  // zeros: any key of the purpose (references made before there were tags; dummies)
  friend bool operator==(const KeyReference&, const KeyReference&) = default;
};

// A data key, leased: it may be used until `lease_ends`, then it must be asked for again. Wiped
// with its last holder.
struct LeasedKey {
  KeyId id;
  std::shared_ptr<const Aead> aead;  // lint: allow(shared_ptr) cache and holders end at any time
  absl::Time lease_ends;
};

// A data key as it is, for a holder in another process. Wiped with its last holder there too.
struct ReleasedKey {
  KeyId id;
  SecretBytes key;
};

// Whom or what a reference leads to.
struct DirectoryEntry {
  SubjectId subject;
  RootId root;
};

// What a store holds of a data subject.
struct SubjectHoldings {
  std::map<uint32_t, uint64_t> keys;  // by category; above kCategoryNumberMax: that of keyed hashes
  uint64_t directory_rows = 0;
  uint64_t key_count() const;
};

// What was destroyed, and the bytes that must be in no file any more once the files are compacted.
struct DestroyedSubject {
  SubjectHoldings holdings;
  // Keys, wrapped keys, directory rows: empty when they were destroyed before.
  std::vector<SecretBytes> bytes;
  // Names of their rows, which can be told at any time.
  std::vector<std::string> row_names;
};

// State of the key store, never a key.
struct KeyStoreStatus {
  uint32_t master_key_generation = 0;
  absl::Time master_key_created_at;
  uint64_t keys = 0;
  uint64_t fenced_subjects = 0;
  uint64_t sequence = 0;
};

// What a copy of a key store holds.
struct KeyStoreCopy {
  uint64_t sequence = 0;               // how far it has come
  uint32_t master_key_generation = 0;  // what opens it
  ErasureHead erasures;                // how far the ledger had come
};

// Keys, directory and fences: what a copy of the log is worth nothing without.
//
// Thread-safe. Every mutation is synced and covered by the key store's own anchor before it
// returns. Nothing in it is in the clear: keys are wrapped by the master key, directory rows
// sealed, row keys are keyed hashes. The master key lies in a file of its own (0600), never in the
// database.
class KeyStore : public AppendGuard {
 public:
  ~KeyStore() override = default;

  // Returns the keys, in the order of `purposes`, making those that are absent, all in one sync; a
  // new key is durable before this returns. kFailedPrecondition (SUBJECT_FENCED): a subject is
  // fenced; no key was made. kInvalidArgument: a purpose without subject, category or scope.
  // kUnavailable: the store takes no more changes, since one failed.
  [[nodiscard]] virtual absl::StatusOr<std::vector<LeasedKey>> GetOrCreateKeys(
      absl::Span<const KeyPurpose> purposes) = 0;

  // As GetOrCreateKeys(), for one.
  [[nodiscard]] absl::StatusOr<LeasedKey> GetOrCreateKey(const KeyPurpose& purpose);

  // Returns the key, or nullopt: it never was, it was ended, or the subject is fenced; all look
  // alike. kDataLoss: the row is damaged.
  [[nodiscard]] virtual absl::StatusOr<std::optional<LeasedKey>> FindKey(
      const KeyPurpose& purpose) = 0;

  // As FindKey(), for the very key that a reference names: one that was made for the same purpose
  // after it had ended is another.
  [[nodiscard]] absl::StatusOr<std::optional<LeasedKey>> FindReferencedKey(
      const KeyReference& reference);

  // The very key that a reference names, to be leased to another process, or nullopt: as
  // FindReferencedKey(). LeasesEnded() does not know of such leases. So who calls notes them, and
  // before it asks: a fence that comes later finds the note, one that came earlier is found here.
  // kUnimplemented: a store that has its keys from another.
  [[nodiscard]] virtual absl::StatusOr<std::optional<ReleasedKey>> ReleaseKey(
      const KeyReference& reference) = 0;

  // Ends one key: no store hands it out again, and the guard refuses appends that were sealed with
  // it (KEY_ENDED). Durable when it returns. Leases end within kKeyLease. Its wrapped bytes leave
  // the files with the next compaction, which is the erasure's part. OK when there is no such key.
  [[nodiscard]] virtual absl::Status EndKey(const KeyPurpose& purpose) = 0;

  // A fresh ciphertext of the reference, kKeyReferenceSize bytes: two references to one key cannot
  // be told from two to different ones. A purpose with category 0 makes a dummy.
  [[nodiscard]] virtual absl::StatusOr<std::string> MakeReference(
      const KeyReference& reference) = 0;

  // What an answer is about to ask for, one by one. A store that has it from another process asks
  // there for all at once; what fails shows when it is asked for by itself.
  // The references in these events, and their keys.
  virtual void Expect(absl::Span<const records::log::v1::Event* const>) {}
  // ReferenceOf() of these.
  virtual void ExpectNames(absl::Span<const SubjectId>) {}
  // SealToken() of these.
  virtual void ExpectTokens(absl::Span<const TokenContent>) {}

  // What a reference names. kDataLoss: it is not one of ours, or damaged.
  [[nodiscard]] virtual absl::StatusOr<KeyReference> OpenReference(
      absl::string_view reference) const = 0;

  // Claims `reference` in a name space ("customer", "staff", "contract") of an organisation for a
  // new subject and root, or returns what it was claimed for before: the same for ever, so that a
  // retry goes on where it stopped. Whether the root was ever used is the log's to say.
  // kInvalidArgument: a text is empty or longer than kReferenceLengthMax.
  [[nodiscard]] virtual absl::StatusOr<DirectoryEntry> Claim(absl::string_view organisation,
                                                             absl::string_view name_space,
                                                             absl::string_view reference) = 0;

  // What a reference leads to, or nullopt.
  [[nodiscard]] virtual absl::StatusOr<std::optional<DirectoryEntry>> Resolve(
      absl::string_view organisation, absl::string_view name_space,
      absl::string_view reference) const = 0;

  // The reference that a subject was claimed under, or nullopt (unknown, or erased).
  [[nodiscard]] virtual absl::StatusOr<std::optional<std::string>> ReferenceOf(
      const SubjectId& subject) const = 0;

  // A keyed pseudo-entry for a reference that leads nowhere: the same for the same reference, and
  // nothing was ever written under it. Lets the work for an absent one be as for a forbidden one.
  [[nodiscard]] virtual absl::StatusOr<DirectoryEntry> PseudoEntry(
      absl::string_view organisation, absl::string_view name_space,
      absl::string_view reference) const = 0;

  // HMAC under a secret of this store for `label`; for request keys, digests and hidden index rows.
  [[nodiscard]] virtual std::array<uint8_t, 32> KeyedHash(absl::string_view label,
                                                          absl::string_view data) const = 0;

  // HMAC under a key of the subject that ends with it; made when absent. kFailedPrecondition:
  // fenced.
  [[nodiscard]] virtual absl::StatusOr<std::array<uint8_t, 32>> SubjectHash(
      const SubjectId& subject, absl::string_view label, absl::string_view data) = 0;

  // Seals a token for `caller`: deterministic, so that a repeated reply is the same to the byte.
  [[nodiscard]] virtual absl::StatusOr<std::string> SealToken(absl::string_view label,
                                                              absl::string_view caller,
                                                              absl::string_view data) const = 0;
  // kInvalidArgument: not a token of this label for this caller.
  [[nodiscard]] virtual absl::StatusOr<std::string> OpenToken(absl::string_view label,
                                                              absl::string_view caller,
                                                              absl::string_view token) const = 0;

  // Fences a subject: no key handed out or made, no append. Durable when it returns, and known to
  // IsFenced(). Leases handed out before end within kKeyLease, or when LeasesEnded().
  [[nodiscard]] virtual absl::Status Fence(const SubjectId& subject) = 0;
  [[nodiscard]] virtual bool IsFenced(const SubjectId& subject) const = 0;

  // Whether every holder in this process has let go of the keys of a fenced subject.
  [[nodiscard]] virtual bool LeasesEnded(const SubjectId& subject) = 0;

  // What the store holds of a subject; fenced or not. A damaged key counts as one of category 0.
  [[nodiscard]] virtual absl::StatusOr<SubjectHoldings> HoldingsOf(
      const SubjectId& subject) const = 0;

  // Deletes every key of a fenced subject and its rows of the directory, in one change, and tells
  // what there was: nothing, the second time. Durable when it returns; the bytes leave the files
  // with CompactDestroyed(). kFailedPrecondition: not fenced. Damaged rows are deleted too.
  [[nodiscard]] virtual absl::StatusOr<DestroyedSubject> DestroySubject(
      const SubjectId& subject) = 0;

  // Rewrites the files so that nothing that was deleted is in one. Slow.
  [[nodiscard]] virtual absl::Status CompactDestroyed() = 0;

  // How far the erasure ledger had come when the store's anchor was written last; the ledger is
  // opened with it. A store without an anchor knows of none.
  virtual ErasureHead KnownErasures() const { return {}; }
  // From the next change on the anchor says that the ledger has come to `head`.
  virtual void SetErasureHead(const ErasureHead&) {}

  [[nodiscard]] virtual KeyStoreStatus GetStatus() const = 0;
  // Makes a new master key, wraps everything anew, destroys the old one. Resumed at the next start
  // when cut short. Returns how many keys were wrapped.
  [[nodiscard]] virtual absl::StatusOr<uint64_t> RotateMasterKey() = 0;
  // Writes a consistent copy of database and anchor, still wrapped, into an empty folder, which
  // best lies on the same file system: then the files are linked, and changes wait for
  // milliseconds. Not the master key. Waits for a rotation to end; kFailedPrecondition: one was cut
  // short, and the copy would need two master keys. kUnimplemented: this store has no files.
  [[nodiscard]] virtual absl::StatusOr<KeyStoreCopy> CopyTo(const std::string& folder) = 0;
};

}  // namespace records::eventstore
