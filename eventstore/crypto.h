#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eventstore/random.h"

// The cryptography of the event store, on OpenSSL 3: what is used, and nothing else.
//
// Free functions and const methods are thread-safe. Contexts of the library are kept per thread,
// because one per call costs more than the call; after each call their key is overwritten, so that
// a destroyed SecretBytes leaves no copy behind. Functions that return no Status end the process
// when the library itself breaks (no memory, no provider), as a failed `new` does; nothing read can
// cause that.
//
// No message of a status repeats any input.

struct evp_md_ctx_st;

namespace records::eventstore {

// Key material: cannot be copied, and is wiped when it is destroyed or moved from.
//
// Not thread-safe while it is written; const methods are.
class SecretBytes {
 public:
  // Empty: no key.
  SecretBytes() = default;
  // All zero, to be filled by mutable_span().
  explicit SecretBytes(size_t size);
  ~SecretBytes();
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  // Copies `bytes`; wiping the source is the caller's part.
  static SecretBytes CopyOf(absl::string_view bytes);

  // Copies `bytes`, then wipes and empties it.
  static SecretBytes TakeFrom(std::string& bytes);

  // Returns `size` random bytes. Fails when `random` does.
  static absl::StatusOr<SecretBytes> Generate(Random& random, size_t size);

  // The bytes, which live as long as this object.
  absl::string_view view() const;
  absl::Span<uint8_t> mutable_span() { return absl::MakeSpan(bytes_.get(), size_); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Compares in a time that depends on the size alone.
  bool ConstantTimeEquals(const SecretBytes& other) const;

 private:
  void Wipe();

  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_ = 0;
};

// Overwrites `bytes` so that the compiler cannot leave it out, and empties it.
void WipeString(std::string& bytes);

// Compares in a time that depends on the sizes alone.
bool ConstantTimeEquals(absl::string_view left, absl::string_view right);

inline constexpr size_t kDigestSize = 32;
using Digest = std::array<uint8_t, kDigestSize>;

inline absl::string_view AsBytes(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// SHA-256 (FIPS 180-4) of the concatenation of `parts`.
Digest Sha256(absl::string_view message);
Digest Sha256(std::initializer_list<absl::string_view> parts);

// SHA-256 of what comes in pieces.
//
// Not thread-safe.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;

  void Update(absl::string_view part);

  // Returns the digest of all parts so far and starts anew.
  Digest Finish();

 private:
  evp_md_ctx_st* context_;
};

// HMAC-SHA-256 (RFC 2104) of `message`.
Digest HmacSha256(const SecretBytes& key, absl::string_view message);

// HMAC-SHA-256 of several parts, each preceded by its length (8 bytes, big-endian), so that moving
// a byte from one part to the next changes the result. By custom the first part names the use.
Digest HmacSha256OfParts(const SecretBytes& key, absl::Span<const absl::string_view> parts);
Digest HmacSha256OfParts(const SecretBytes& key, std::initializer_list<absl::string_view> parts);

// HKDF-SHA-256 (RFC 5869): derives `size` bytes from `secret`; `info` names the use.
// kInvalidArgument: `secret` is empty, `size` is 0 or more than 8160 (255 digests, RFC 5869
// section 2.3).
absl::StatusOr<SecretBytes> HkdfSha256(const SecretBytes& secret, absl::string_view salt,
                                       absl::string_view info, size_t size);

inline constexpr size_t kAeadKeySize = 32;
inline constexpr size_t kAeadNonceSize = 12;
inline constexpr size_t kAeadTagSize = 16;
// Our own limit on one message, far below that of GCM (64 GiB, SP 800-38D).
inline constexpr size_t kMaxAeadMessageSize = size_t{256} << 20;

// AES-256-GCM (NIST SP 800-38D) under one key.
//
// Thread-safe. Owns its key and wipes it at destruction. A nonce must never be used twice under a
// key: with random nonces, seal at most 2^32 messages (SP 800-38D section 8.3).
class Aead {
 public:
  // kInvalidArgument: `key` is not 32 bytes.
  static absl::StatusOr<Aead> Create(SecretBytes key);

  Aead(Aead&&) = default;
  Aead& operator=(Aead&&) = default;

  // Returns ciphertext || tag (16 bytes).
  // kInvalidArgument: `nonce` is not 12 bytes, or a message is over kMaxAeadMessageSize.
  absl::StatusOr<std::string> Seal(absl::string_view nonce, absl::string_view plaintext,
                                   absl::string_view associated_data) const;

  // Returns the plaintext of what Seal() returned.
  // kDataLoss: not sealed under this key, nonce and associated data, or changed since.
  // kInvalidArgument: as for Seal().
  absl::StatusOr<std::string> Open(absl::string_view nonce, absl::string_view sealed,
                                   absl::string_view associated_data) const;

  // As Open(), for a sealed key: the plaintext is never anywhere but in the result.
  absl::StatusOr<SecretBytes> OpenSecret(absl::string_view nonce, absl::string_view sealed,
                                         absl::string_view associated_data) const;

 private:
  explicit Aead(SecretBytes key) : key_(std::move(key)) {}

  SecretBytes key_;
};

// Sealing that needs no nonce: the same message gives the same bytes (for tokens and page tokens).
//
// The nonce is HMAC(k1, associated data, plaintext) cut to 12 bytes, the message is sealed with
// AES-256-GCM under k2, and opening computes the nonce again and compares; k1 and k2 come from
// `key` by HKDF. Equal messages can be seen to be equal. Among n different messages two share a
// nonce with a chance of about n^2 / 2^97. Thread-safe; owns its subkeys.
class DeterministicAead {
 public:
  // kInvalidArgument: `key` is not 32 bytes.
  static absl::StatusOr<DeterministicAead> Create(const SecretBytes& key);

  DeterministicAead(DeterministicAead&&) = default;
  DeterministicAead& operator=(DeterministicAead&&) = default;

  // Returns nonce || ciphertext || tag.
  // kInvalidArgument: `plaintext` is over kMaxAeadMessageSize.
  absl::StatusOr<std::string> Seal(absl::string_view plaintext,
                                   absl::string_view associated_data) const;

  // kDataLoss: not sealed under this key and associated data, or changed since.
  absl::StatusOr<std::string> Open(absl::string_view sealed,
                                   absl::string_view associated_data) const;

 private:
  DeterministicAead(SecretBytes nonce_key, Aead aead)
      : nonce_key_(std::move(nonce_key)), aead_(std::move(aead)) {}

  std::string NonceOf(absl::string_view plaintext, absl::string_view associated_data) const;

  SecretBytes nonce_key_;
  Aead aead_;
};

inline constexpr size_t kEd25519KeySize = 32;
inline constexpr size_t kEd25519SignatureSize = 64;

// The private key of Ed25519 (RFC 8032).
//
// Thread-safe. Owns its seed and wipes it at destruction.
class Ed25519PrivateKey {
 public:
  // Fails when `random` does.
  static absl::StatusOr<Ed25519PrivateKey> Generate(Random& random);

  // From the 32 bytes that RFC 8032 calls the private key. kInvalidArgument: another size.
  static absl::StatusOr<Ed25519PrivateKey> FromSeed(SecretBytes seed);

  Ed25519PrivateKey(Ed25519PrivateKey&&) = default;
  Ed25519PrivateKey& operator=(Ed25519PrivateKey&&) = default;

  // The 32 bytes of the public key.
  const std::string& public_key() const { return public_key_; }

  // The secret, to be kept sealed.
  const SecretBytes& seed() const { return seed_; }

  // Returns the 64 bytes of the signature. kInternal: the library failed.
  absl::StatusOr<std::string> Sign(absl::string_view message) const;

 private:
  Ed25519PrivateKey(SecretBytes seed, std::string public_key)
      : seed_(std::move(seed)), public_key_(std::move(public_key)) {}

  SecretBytes seed_;
  std::string public_key_;
};

// OK when `signature` of `message` was made with the private key of `public_key`.
// kInvalidArgument: `public_key` is not 32 bytes. kDataLoss: the signature is not valid.
absl::Status Ed25519Verify(absl::string_view public_key, absl::string_view message,
                           absl::string_view signature);

// Standard base64 with padding (RFC 4648 section 4).
std::string Base64Encode(absl::string_view bytes);

// Accepts exactly what Base64Encode() returns. kInvalidArgument: anything else.
absl::StatusOr<std::string> Base64Decode(absl::string_view text);

}  // namespace records::eventstore
