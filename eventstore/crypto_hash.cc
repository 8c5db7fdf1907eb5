#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <cstdlib>

#include "absl/strings/escaping.h"
#include "eventstore/crypto.h"
#include "eventstore/internal/big_endian.h"

namespace records::eventstore {
namespace {

const unsigned char* Data(absl::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// The library has no memory or no provider: see crypto.h.
void EndProcessUnless(bool done) {
  if (!done) std::abort();
}

// Looking an algorithm up by name costs more than hashing a short message.
const EVP_MD* Sha256Algorithm() {
  static const EVP_MD* const algorithm = [] {
    EVP_MD* fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    EndProcessUnless(fetched != nullptr);
    return fetched;
  }();
  return algorithm;
}

EVP_MD_CTX* NewDigestContext() {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EndProcessUnless(context != nullptr);
  return context;
}

void Start(EVP_MD_CTX* context) {
  EndProcessUnless(EVP_DigestInit_ex2(context, Sha256Algorithm(), nullptr) == 1);
}

void Add(EVP_MD_CTX* context, absl::string_view part) {
  EndProcessUnless(EVP_DigestUpdate(context, part.data(), part.size()) == 1);
}

Digest Finish(EVP_MD_CTX* context) {
  Digest digest;
  EndProcessUnless(EVP_DigestFinal_ex(context, digest.data(), nullptr) == 1);
  return digest;
}

EVP_MD_CTX* ThreadDigestContext() {
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      NewDigestContext(), &EVP_MD_CTX_free);
  return context.get();
}

EVP_MAC_CTX* NewHmacContext() {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  EndProcessUnless(algorithm != nullptr);
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(algorithm);
  char digest_name[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
      OSSL_PARAM_construct_end()};
  EndProcessUnless(context != nullptr && EVP_MAC_CTX_set_params(context, parameters) == 1);
  return context;
}

// One HMAC computation in this thread's context, which forgets the key at the end.
class HmacComputation {
 public:
  explicit HmacComputation(const SecretBytes& key) : context_(ThreadContext()) {
    // A null key would keep the one before.
    static constexpr unsigned char kNoBytes[1] = {};
    SetKey(key.empty() ? kNoBytes : Data(key.view()), key.size());
  }
  ~HmacComputation() {
    static constexpr unsigned char kZeroKey[kDigestSize] = {};
    SetKey(kZeroKey, sizeof(kZeroKey));
  }
  HmacComputation(const HmacComputation&) = delete;
  HmacComputation& operator=(const HmacComputation&) = delete;

  void Update(absl::string_view part) {
    EndProcessUnless(EVP_MAC_update(context_, Data(part), part.size()) == 1);
  }

  Digest Finish() {
    Digest digest;
    size_t size = 0;
    EndProcessUnless(EVP_MAC_final(context_, digest.data(), &size, digest.size()) == 1);
    return digest;
  }

 private:
  static EVP_MAC_CTX* ThreadContext() {
    thread_local const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(
        NewHmacContext(), &EVP_MAC_CTX_free);
    return context.get();
  }

  void SetKey(const unsigned char* key, size_t size) {
    EndProcessUnless(EVP_MAC_init(context_, key, size, nullptr) == 1);
  }

  EVP_MAC_CTX* const context_;
};

OSSL_PARAM OctetParameter(const char* name, absl::string_view bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(bytes.data()), bytes.size());
}

bool Derive(absl::string_view secret, absl::string_view salt, absl::string_view info,
            unsigned char* output, size_t size) {
  static EVP_KDF* const algorithm = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(
      EVP_KDF_CTX_new(algorithm), &EVP_KDF_CTX_free);
  if (context == nullptr) return false;
  char digest_name[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_name, 0),
      OctetParameter(OSSL_KDF_PARAM_KEY, secret), OctetParameter(OSSL_KDF_PARAM_SALT, salt),
      OctetParameter(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), output, size, parameters) == 1;
}

constexpr size_t kMaxHkdfSize = 255 * kDigestSize;

}  // namespace

Digest Sha256(absl::string_view message) { return Sha256({message}); }

Digest Sha256(std::initializer_list<absl::string_view> parts) {
  EVP_MD_CTX* context = ThreadDigestContext();
  Start(context);
  for (const absl::string_view part : parts) Add(context, part);
  return Finish(context);
}

Sha256Stream::Sha256Stream() : context_(NewDigestContext()) { Start(context_); }

Sha256Stream::~Sha256Stream() { EVP_MD_CTX_free(context_); }

void Sha256Stream::Update(absl::string_view part) { Add(context_, part); }

Digest Sha256Stream::Finish() {
  const Digest digest = eventstore::Finish(context_);
  Start(context_);
  return digest;
}

Digest HmacSha256(const SecretBytes& key, absl::string_view message) {
  HmacComputation computation(key);
  computation.Update(message);
  return computation.Finish();
}

Digest HmacSha256OfParts(const SecretBytes& key, absl::Span<const absl::string_view> parts) {
  HmacComputation computation(key);
  for (const absl::string_view part : parts) {
    std::string length;
    internal::AppendBigEndian(length, uint64_t{part.size()});
    computation.Update(length);
    computation.Update(part);
  }
  return computation.Finish();
}

Digest HmacSha256OfParts(const SecretBytes& key, std::initializer_list<absl::string_view> parts) {
  return HmacSha256OfParts(key, absl::MakeConstSpan(parts.begin(), parts.size()));
}

absl::StatusOr<SecretBytes> HkdfSha256(const SecretBytes& secret, absl::string_view salt,
                                       absl::string_view info, size_t size) {
  if (secret.empty() || size == 0 || size > kMaxHkdfSize) {
    return absl::InvalidArgumentError("HKDF needs a secret and gives 1 to 8160 bytes");
  }
  SecretBytes derived(size);
  const absl::Span<uint8_t> output = derived.mutable_span();
  EndProcessUnless(Derive(secret.view(), salt, info, output.data(), output.size()));
  return derived;
}

std::string Base64Encode(absl::string_view bytes) { return absl::Base64Escape(bytes); }

absl::StatusOr<std::string> Base64Decode(absl::string_view text) {
  std::string bytes;
  // The library also takes white space, missing padding and stray bits.
  if (!absl::Base64Unescape(text, &bytes) || absl::Base64Escape(bytes) != text) {
    return absl::InvalidArgumentError("not standard base64 with padding");
  }
  return bytes;
}

}  // namespace records::eventstore
