#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/crypto.h"
#include "eventstore/key_store.h"
#include "eventstore/random.h"

namespace records::eventstore {

// What a key store does under secrets of its own that last as long as the store: key references,
// keyed row names, pseudo-entries, keyed hashes and tokens. Each use has a key of its own, derived
// by HKDF from one random secret. No state besides.
//
// Thread-safe.
class StoreSecrets {
 public:
  // kInvalidArgument: `secret` is not 32 bytes.
  [[nodiscard]] static absl::StatusOr<StoreSecrets> Create(const SecretBytes& secret);

  // As KeyStore::MakeReference() and OpenReference(). The nonces are random: after 2^32 references
  // the chance that two share one is 2^-33, as SP 800-38D section 8.3 allows.
  [[nodiscard]] absl::StatusOr<std::string> MakeReference(const KeyReference& reference,
                                                          Random& random) const;
  [[nodiscard]] absl::StatusOr<KeyReference> OpenReference(absl::string_view reference) const;

  // Names of rows. Those of one subject's keys begin alike (16 bytes), so that they can be ended
  // together; nothing else about two names tells whether they have something in common.
  [[nodiscard]] std::string KeyRow(const KeyPurpose& purpose) const;
  // What the names of all keys of a subject begin with.
  [[nodiscard]] std::string KeyRowPrefix(const SubjectId& subject) const;
  [[nodiscard]] std::string FenceRow(const SubjectId& subject) const;
  [[nodiscard]] std::string ReferenceRow(absl::string_view organisation,
                                         absl::string_view name_space,
                                         absl::string_view reference) const;
  [[nodiscard]] std::string SubjectRow(const SubjectId& subject) const;

  // As the methods of KeyStore.
  [[nodiscard]] DirectoryEntry PseudoEntry(absl::string_view organisation,
                                           absl::string_view name_space,
                                           absl::string_view reference) const;
  [[nodiscard]] Digest KeyedHash(absl::string_view label, absl::string_view data) const;
  [[nodiscard]] absl::StatusOr<std::string> SealToken(absl::string_view label,
                                                      absl::string_view caller,
                                                      absl::string_view data) const;
  [[nodiscard]] absl::StatusOr<std::string> OpenToken(absl::string_view label,
                                                      absl::string_view caller,
                                                      absl::string_view token) const;

 private:
  StoreSecrets(Aead reference, SecretBytes rows, SecretBytes directory, SecretBytes hashes,
               DeterministicAead tokens);

  Aead reference_;
  SecretBytes rows_;
  SecretBytes directory_;
  SecretBytes hashes_;
  DeterministicAead tokens_;
};

// The bytes of a purpose, 48, in references and key rows (FORMAT.md).
inline constexpr size_t kEncodedPurposeSize = 48;
[[nodiscard]] std::string EncodePurpose(const KeyPurpose& purpose);
// kDataLoss: not what EncodePurpose() returns.
[[nodiscard]] absl::StatusOr<KeyPurpose> DecodePurpose(absl::string_view bytes);

// kInvalidArgument: no subject, a category out of range, or a scope that is not one.
[[nodiscard]] absl::Status CheckPurpose(const KeyPurpose& purpose);

// kInvalidArgument: a text is empty or longer than kReferenceLengthMax.
[[nodiscard]] absl::Status CheckReference(absl::string_view organisation,
                                          absl::string_view name_space,
                                          absl::string_view reference);

// The key of KeyStore::SubjectHash() has a category that no register can have.
[[nodiscard]] KeyPurpose SubjectHashPurpose(const SubjectId& subject);
// The hash itself, under the 32 bytes of that key.
[[nodiscard]] Digest HashUnderSubjectKey(const SecretBytes& key, absl::string_view label,
                                         absl::string_view data);

// The refusal of the fence; its reason is SUBJECT_FENCED.
[[nodiscard]] absl::Status SubjectFenced();
// The refusal of the guard; its reason is KEY_ENDED.
[[nodiscard]] absl::Status KeyEnded();
// Whether it is one of these two: the keys that a write was sealed with are gone, or about to be.
[[nodiscard]] bool IsKeyRefusal(const absl::Status& status);

}  // namespace records::eventstore
