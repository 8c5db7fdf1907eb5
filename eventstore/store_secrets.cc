#include "eventstore/store_secrets.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/internal/big_endian.h"
#include "eventstore/limits.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using internal::AppendBigEndian;
using internal::TakeBigEndian;

constexpr size_t kSecretSize = 32;
constexpr char kPurposeVersion = 1;
constexpr absl::string_view kReferenceData = "records key reference v1";

static_assert(kKeyReferenceSize == kAeadNonceSize + kEncodedPurposeSize + kAeadTagSize);

// The tag of a reference lies where a purpose ends with zeros.
constexpr std::ptrdiff_t kTagSize = std::tuple_size_v<KeyTag>;

// Rows and subjects are named by the first half of a keyed hash: 2^64 of them before two meet.
constexpr size_t kRowNameSize = 16;

std::string RowName(const Digest& digest) {
  return std::string(AsBytes(digest).substr(0, kRowNameSize));
}

// Ids of pseudo-entries look like all others: version 4, variant of RFC 9562.
IdBytes AsRandomId(absl::string_view bytes) {
  IdBytes id;
  std::copy_n(bytes.begin(), kIdSize, id.begin());
  id[6] = static_cast<uint8_t>((id[6] & 0x0f) | 0x40);
  id[8] = static_cast<uint8_t>((id[8] & 0x3f) | 0x80);
  return id;
}

std::string TokenData(absl::string_view label, absl::string_view caller) {
  std::string data;
  AppendBigEndian(data, static_cast<uint32_t>(label.size()));
  return absl::StrCat(data, label, caller);
}

absl::StatusOr<SecretBytes> Derive(const SecretBytes& secret, absl::string_view use) {
  return HkdfSha256(secret, "records key store v1", use, kSecretSize);
}

}  // namespace

std::string EncodePurpose(const KeyPurpose& purpose) {
  std::string bytes;
  bytes.reserve(kEncodedPurposeSize);
  bytes.push_back(kPurposeVersion);
  bytes.push_back(static_cast<char>(purpose.scope.kind));
  AppendBigEndian(bytes, purpose.category);
  AppendBigEndian(bytes, purpose.scope.epoch);
  absl::StrAppend(&bytes, purpose.subject.bytes());
  absl::StrAppend(&bytes, purpose.scope.root.bytes());
  bytes.resize(kEncodedPurposeSize, '\0');
  return bytes;
}

absl::StatusOr<KeyPurpose> DecodePurpose(absl::string_view bytes) {
  if (bytes.size() != kEncodedPurposeSize || bytes[0] != kPurposeVersion) {
    return absl::DataLossError("a key's purpose has another form");
  }
  KeyPurpose purpose;
  purpose.scope.kind = static_cast<KeyScopeKind>(bytes[1]);
  absl::string_view rest = bytes.substr(2);
  purpose.category = TakeBigEndian<uint32_t>(rest);
  purpose.scope.epoch = TakeBigEndian<uint32_t>(rest);
  IdBytes id;
  std::copy_n(rest.begin(), kIdSize, id.begin());
  purpose.subject = SubjectId(id);
  std::copy_n(rest.begin() + kIdSize, kIdSize, id.begin());
  purpose.scope.root = RootId(id);
  if (EncodePurpose(purpose) != bytes) {
    return absl::DataLossError("a key's purpose has another form");
  }
  return purpose;
}

absl::Status CheckPurpose(const KeyPurpose& purpose) {
  const KeyScope& scope = purpose.scope;
  const bool epoch = scope.kind == KeyScopeKind::kYear || scope.kind == KeyScopeKind::kMonth;
  const bool root = scope.kind == KeyScopeKind::kRoot;
  if (purpose.subject.is_nil() || purpose.category == 0 || purpose.category > kCategoryNumberMax ||
      (!epoch && !root && scope.kind != KeyScopeKind::kSubject) || epoch != (scope.epoch != 0) ||
      root == scope.root.is_nil()) {
    return absl::InvalidArgumentError("a key needs a subject, a category and a scope");
  }
  return absl::OkStatus();
}

absl::Status CheckReference(absl::string_view organisation, absl::string_view name_space,
                            absl::string_view reference) {
  for (const absl::string_view text : {organisation, name_space, reference}) {
    if (text.empty() || text.size() > kReferenceLengthMax) {
      return absl::InvalidArgumentError(absl::StrCat(
          "organisation, name space and reference have 1 to ", kReferenceLengthMax, " bytes"));
    }
  }
  return absl::OkStatus();
}

KeyPurpose SubjectHashPurpose(const SubjectId& subject) {
  return {.subject = subject, .category = kCategoryNumberMax + 1, .scope = {}};
}

Digest HashUnderSubjectKey(const SecretBytes& key, absl::string_view label,
                           absl::string_view data) {
  return HmacSha256OfParts(key, {"records subject hash v1", label, data});
}

absl::Status SubjectFenced() {
  return absl::FailedPreconditionError("SUBJECT_FENCED: the data subject is being erased");
}

absl::Status KeyEnded() {
  return absl::FailedPreconditionError("KEY_ENDED: a key that the event was sealed with has ended");
}

bool IsKeyRefusal(const absl::Status& status) {
  return status == SubjectFenced() || status == KeyEnded();
}

StoreSecrets::StoreSecrets(Aead reference, SecretBytes rows, SecretBytes directory,
                           SecretBytes hashes, DeterministicAead tokens)
    : reference_(std::move(reference)),
      rows_(std::move(rows)),
      directory_(std::move(directory)),
      hashes_(std::move(hashes)),
      tokens_(std::move(tokens)) {}

absl::StatusOr<StoreSecrets> StoreSecrets::Create(const SecretBytes& secret) {
  if (secret.size() != kSecretSize) {
    return absl::InvalidArgumentError("the secret of a key store is 32 bytes");
  }
  ASSIGN_OR_RETURN(SecretBytes reference_key, Derive(secret, "references"));
  ASSIGN_OR_RETURN(SecretBytes rows, Derive(secret, "rows"));
  ASSIGN_OR_RETURN(SecretBytes directory, Derive(secret, "directory"));
  ASSIGN_OR_RETURN(SecretBytes hashes, Derive(secret, "hashes"));
  ASSIGN_OR_RETURN(const SecretBytes token_key, Derive(secret, "tokens"));
  ASSIGN_OR_RETURN(Aead reference, Aead::Create(std::move(reference_key)));
  ASSIGN_OR_RETURN(DeterministicAead tokens, DeterministicAead::Create(token_key));
  return StoreSecrets(std::move(reference), std::move(rows), std::move(directory),
                      std::move(hashes), std::move(tokens));
}

absl::StatusOr<std::string> StoreSecrets::MakeReference(const KeyReference& reference,
                                                        Random& random) const {
  if (reference.purpose.category != 0) RETURN_IF_ERROR(CheckPurpose(reference.purpose));
  std::array<uint8_t, kAeadNonceSize> nonce_bytes;
  RETURN_IF_ERROR(random.Fill(absl::MakeSpan(nonce_bytes)));
  const absl::string_view nonce(reinterpret_cast<const char*>(nonce_bytes.data()),
                                nonce_bytes.size());
  std::string bytes = EncodePurpose(reference.purpose);
  std::copy(reference.tag.begin(), reference.tag.end(), bytes.end() - kTagSize);
  ASSIGN_OR_RETURN(const std::string sealed, reference_.Seal(nonce, bytes, kReferenceData));
  return absl::StrCat(nonce, sealed);
}

absl::StatusOr<KeyReference> StoreSecrets::OpenReference(absl::string_view reference) const {
  if (reference.size() != kKeyReferenceSize) {
    return absl::DataLossError("a key reference has another size");
  }
  ASSIGN_OR_RETURN(std::string bytes,
                   reference_.Open(reference.substr(0, kAeadNonceSize),
                                   reference.substr(kAeadNonceSize), kReferenceData));
  KeyReference opened;
  const auto tag = bytes.end() - std::min<std::ptrdiff_t>(kTagSize, std::ssize(bytes));
  std::copy(tag, bytes.end(), opened.tag.begin());
  std::fill(tag, bytes.end(), '\0');
  ASSIGN_OR_RETURN(opened.purpose, DecodePurpose(bytes));
  return opened;
}

std::string StoreSecrets::KeyRowPrefix(const SubjectId& subject) const {
  return RowName(HmacSha256OfParts(rows_, {"keys of subject", subject.bytes()}));
}

std::string StoreSecrets::KeyRow(const KeyPurpose& purpose) const {
  return absl::StrCat(KeyRowPrefix(purpose.subject),
                      RowName(HmacSha256OfParts(rows_, {"key", EncodePurpose(purpose)})));
}

std::string StoreSecrets::FenceRow(const SubjectId& subject) const {
  return RowName(HmacSha256OfParts(rows_, {"fence", subject.bytes()}));
}

std::string StoreSecrets::ReferenceRow(absl::string_view organisation, absl::string_view name_space,
                                       absl::string_view reference) const {
  return std::string(
      AsBytes(HmacSha256OfParts(directory_, {"reference", organisation, name_space, reference})));
}

std::string StoreSecrets::SubjectRow(const SubjectId& subject) const {
  return RowName(HmacSha256OfParts(directory_, {"subject", subject.bytes()}));
}

DirectoryEntry StoreSecrets::PseudoEntry(absl::string_view organisation,
                                         absl::string_view name_space,
                                         absl::string_view reference) const {
  const Digest digest =
      HmacSha256OfParts(directory_, {"pseudo entry", organisation, name_space, reference});
  const absl::string_view bytes = AsBytes(digest);
  return {.subject = SubjectId(AsRandomId(bytes)),
          .root = RootId(AsRandomId(bytes.substr(kIdSize)))};
}

Digest StoreSecrets::KeyedHash(absl::string_view label, absl::string_view data) const {
  return HmacSha256OfParts(hashes_, {label, data});
}

absl::StatusOr<std::string> StoreSecrets::SealToken(absl::string_view label,
                                                    absl::string_view caller,
                                                    absl::string_view data) const {
  if (data.size() > kTokenBytesMax) return absl::InvalidArgumentError("too long for a token");
  ASSIGN_OR_RETURN(const std::string sealed, tokens_.Seal(data, TokenData(label, caller)));
  return absl::WebSafeBase64Escape(sealed);
}

absl::StatusOr<std::string> StoreSecrets::OpenToken(absl::string_view label,
                                                    absl::string_view caller,
                                                    absl::string_view token) const {
  const absl::Status refusal = absl::InvalidArgumentError("not a token of this call and caller");
  std::string sealed;
  // Only the one text form that SealToken() gives.
  if (token.size() > kTokenBytesMax * 2 || !absl::WebSafeBase64Unescape(token, &sealed) ||
      absl::WebSafeBase64Escape(sealed) != token) {
    return refusal;
  }
  absl::StatusOr<std::string> data = tokens_.Open(sealed, TokenData(label, caller));
  if (!data.ok()) return refusal;
  return data;
}

}  // namespace records::eventstore
