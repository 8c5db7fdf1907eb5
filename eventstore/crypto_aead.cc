#include <openssl/evp.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/crypto.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

constexpr unsigned char kZeroKey[kAeadKeySize] = {};
constexpr unsigned char kZeroNonce[kAeadNonceSize] = {};

const unsigned char* Data(absl::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

EVP_CIPHER_CTX* NewCipherContext() {
  static EVP_CIPHER* const algorithm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  // The library has no memory or no provider: see crypto.h.
  if (algorithm == nullptr || context == nullptr ||
      EVP_EncryptInit_ex2(context, algorithm, kZeroKey, kZeroNonce, nullptr) != 1) {
    std::abort();
  }
  return context;
}

// This thread's cipher under one key and nonce; it forgets the key at the end.
class CipherUse {
 public:
  CipherUse(const SecretBytes& key, absl::string_view nonce, bool encrypt)
      : context_(ThreadContext()),
        ready_(EVP_CipherInit_ex2(context_, nullptr, Data(key.view()), Data(nonce), encrypt ? 1 : 0,
                                  nullptr) == 1) {}
  ~CipherUse() {
    if (EVP_EncryptInit_ex2(context_, nullptr, kZeroKey, nullptr, nullptr) != 1) std::abort();
  }
  CipherUse(const CipherUse&) = delete;
  CipherUse& operator=(const CipherUse&) = delete;

  bool Authenticate(absl::string_view data) {
    int size = 0;
    return ready_ && (data.empty() || EVP_CipherUpdate(context_, nullptr, &size, Data(data),
                                                       static_cast<int>(data.size())) == 1);
  }

  bool Transform(absl::string_view input, unsigned char* output) {
    int size = 0;
    return input.empty() || EVP_CipherUpdate(context_, output, &size, Data(input),
                                             static_cast<int>(input.size())) == 1;
  }

  // Ends a sealing and writes the tag.
  bool FinishSeal(unsigned char* tag) {
    unsigned char none[kAeadTagSize];
    int size = 0;
    return EVP_CipherFinal_ex(context_, none, &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, tag) == 1;
  }

  // Ends an opening; false when the tag is another.
  bool FinishOpen(absl::string_view tag) {
    unsigned char none[kAeadTagSize];
    int size = 0;
    return EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_SET_TAG, kAeadTagSize,
                               const_cast<char*>(tag.data())) == 1 &&
           EVP_CipherFinal_ex(context_, none, &size) == 1;
  }

 private:
  static EVP_CIPHER_CTX* ThreadContext() {
    thread_local const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
        NewCipherContext(), &EVP_CIPHER_CTX_free);
    return context.get();
  }

  EVP_CIPHER_CTX* const context_;
  const bool ready_;
};

absl::Status CheckSizes(absl::string_view nonce, absl::string_view message,
                        absl::string_view associated_data) {
  if (nonce.size() != kAeadNonceSize) {
    return absl::InvalidArgumentError("a nonce of AES-256-GCM is 12 bytes");
  }
  if (message.size() > kMaxAeadMessageSize || associated_data.size() > kMaxAeadMessageSize) {
    return absl::InvalidArgumentError("too long for one sealed message");
  }
  return absl::OkStatus();
}

absl::Status NotAuthentic() {
  return absl::DataLossError("the sealed message is damaged or of another key or place");
}

// Opens `sealed` into `plaintext`, which has room for all but the tag.
absl::Status OpenInto(const SecretBytes& key, absl::string_view nonce, absl::string_view sealed,
                      absl::string_view associated_data, unsigned char* plaintext) {
  const absl::string_view ciphertext = sealed.substr(0, sealed.size() - kAeadTagSize);
  CipherUse cipher(key, nonce, /*encrypt=*/false);
  if (!cipher.Authenticate(associated_data) || !cipher.Transform(ciphertext, plaintext) ||
      !cipher.FinishOpen(sealed.substr(ciphertext.size()))) {
    return NotAuthentic();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Aead> Aead::Create(SecretBytes key) {
  if (key.size() != kAeadKeySize) {
    return absl::InvalidArgumentError("a key of AES-256-GCM is 32 bytes");
  }
  return Aead(std::move(key));
}

absl::StatusOr<std::string> Aead::Seal(absl::string_view nonce, absl::string_view plaintext,
                                       absl::string_view associated_data) const {
  RETURN_IF_ERROR(CheckSizes(nonce, plaintext, associated_data));
  std::string sealed(plaintext.size() + kAeadTagSize, '\0');
  auto* output = reinterpret_cast<unsigned char*>(sealed.data());
  CipherUse cipher(key_, nonce, /*encrypt=*/true);
  if (!cipher.Authenticate(associated_data) || !cipher.Transform(plaintext, output) ||
      !cipher.FinishSeal(output + plaintext.size())) {
    return absl::InternalError("sealing failed");
  }
  return sealed;
}

absl::StatusOr<std::string> Aead::Open(absl::string_view nonce, absl::string_view sealed,
                                       absl::string_view associated_data) const {
  if (sealed.size() < kAeadTagSize) return NotAuthentic();
  RETURN_IF_ERROR(CheckSizes(nonce, sealed.substr(kAeadTagSize), associated_data));
  std::string plaintext(sealed.size() - kAeadTagSize, '\0');
  const absl::Status status = OpenInto(key_, nonce, sealed, associated_data,
                                       reinterpret_cast<unsigned char*>(plaintext.data()));
  if (!status.ok()) {
    WipeString(plaintext);
    return status;
  }
  return plaintext;
}

absl::StatusOr<SecretBytes> Aead::OpenSecret(absl::string_view nonce, absl::string_view sealed,
                                             absl::string_view associated_data) const {
  if (sealed.size() < kAeadTagSize) return NotAuthentic();
  RETURN_IF_ERROR(CheckSizes(nonce, sealed.substr(kAeadTagSize), associated_data));
  SecretBytes plaintext(sealed.size() - kAeadTagSize);
  RETURN_IF_ERROR(OpenInto(key_, nonce, sealed, associated_data, plaintext.mutable_span().data()));
  return plaintext;
}

absl::StatusOr<DeterministicAead> DeterministicAead::Create(const SecretBytes& key) {
  if (key.size() != kAeadKeySize) {
    return absl::InvalidArgumentError("a key of deterministic sealing is 32 bytes");
  }
  ASSIGN_OR_RETURN(SecretBytes nonce_key,
                   HkdfSha256(key, "", "records deterministic nonce v1", kDigestSize));
  ASSIGN_OR_RETURN(SecretBytes cipher_key,
                   HkdfSha256(key, "", "records deterministic cipher v1", kAeadKeySize));
  ASSIGN_OR_RETURN(Aead aead, Aead::Create(std::move(cipher_key)));
  return DeterministicAead(std::move(nonce_key), std::move(aead));
}

std::string DeterministicAead::NonceOf(absl::string_view plaintext,
                                       absl::string_view associated_data) const {
  const Digest digest = HmacSha256OfParts(nonce_key_, {associated_data, plaintext});
  return std::string(AsBytes(digest).substr(0, kAeadNonceSize));
}

absl::StatusOr<std::string> DeterministicAead::Seal(absl::string_view plaintext,
                                                    absl::string_view associated_data) const {
  const std::string nonce = NonceOf(plaintext, associated_data);
  ASSIGN_OR_RETURN(const std::string sealed, aead_.Seal(nonce, plaintext, associated_data));
  return absl::StrCat(nonce, sealed);
}

absl::StatusOr<std::string> DeterministicAead::Open(absl::string_view sealed,
                                                    absl::string_view associated_data) const {
  if (sealed.size() < kAeadNonceSize + kAeadTagSize) return NotAuthentic();
  const absl::string_view nonce = sealed.substr(0, kAeadNonceSize);
  ASSIGN_OR_RETURN(std::string plaintext,
                   aead_.Open(nonce, sealed.substr(kAeadNonceSize), associated_data));
  if (!ConstantTimeEquals(nonce, NonceOf(plaintext, associated_data))) return NotAuthentic();
  return plaintext;
}

}  // namespace records::eventstore
