#include <openssl/evp.h>

#include <utility>

#include "eventstore/crypto.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using KeyPointer = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using ContextPointer = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

const unsigned char* Data(absl::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

KeyPointer LoadPrivateKey(const SecretBytes& seed) {
  return {EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Data(seed.view()), seed.size()),
          &EVP_PKEY_free};
}

}  // namespace

absl::StatusOr<Ed25519PrivateKey> Ed25519PrivateKey::Generate(Random& random) {
  ASSIGN_OR_RETURN(SecretBytes seed, SecretBytes::Generate(random, kEd25519KeySize));
  return FromSeed(std::move(seed));
}

absl::StatusOr<Ed25519PrivateKey> Ed25519PrivateKey::FromSeed(SecretBytes seed) {
  if (seed.size() != kEd25519KeySize) {
    return absl::InvalidArgumentError("a private key of Ed25519 is 32 bytes");
  }
  const KeyPointer key = LoadPrivateKey(seed);
  std::string public_key(kEd25519KeySize, '\0');
  size_t size = public_key.size();
  if (key == nullptr ||
      EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(public_key.data()),
                                  &size) != 1 ||
      size != kEd25519KeySize) {
    return absl::InternalError("the private key could not be loaded");
  }
  return Ed25519PrivateKey(std::move(seed), std::move(public_key));
}

absl::StatusOr<std::string> Ed25519PrivateKey::Sign(absl::string_view message) const {
  const KeyPointer key = LoadPrivateKey(seed_);
  const ContextPointer context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  std::string signature(kEd25519SignatureSize, '\0');
  size_t size = signature.size();
  if (key == nullptr || context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     Data(message), message.size()) != 1 ||
      size != kEd25519SignatureSize) {
    return absl::InternalError("signing failed");
  }
  return signature;
}

absl::Status Ed25519Verify(absl::string_view public_key, absl::string_view message,
                           absl::string_view signature) {
  if (public_key.size() != kEd25519KeySize) {
    return absl::InvalidArgumentError("a public key of Ed25519 is 32 bytes");
  }
  const KeyPointer key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Data(public_key), public_key.size()),
      &EVP_PKEY_free);
  const ContextPointer context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (key == nullptr || context == nullptr ||
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1) {
    return absl::InternalError("the public key could not be loaded");
  }
  if (EVP_DigestVerify(context.get(), Data(signature), signature.size(), Data(message),
                       message.size()) != 1) {
    return absl::DataLossError("the signature is not valid");
  }
  return absl::OkStatus();
}

}  // namespace records::eventstore
