#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "eventstore/crypto.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {

SecretBytes::SecretBytes(size_t size) : bytes_(std::make_unique<uint8_t[]>(size)), size_(size) {}

SecretBytes::~SecretBytes() { Wipe(); }

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this == &other) return *this;
  Wipe();
  bytes_ = std::move(other.bytes_);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void SecretBytes::Wipe() {
  if (bytes_ != nullptr) OPENSSL_cleanse(bytes_.get(), size_);
}

SecretBytes SecretBytes::CopyOf(absl::string_view bytes) {
  SecretBytes secret(bytes.size());
  std::copy(bytes.begin(), bytes.end(), secret.bytes_.get());
  return secret;
}

SecretBytes SecretBytes::TakeFrom(std::string& bytes) {
  SecretBytes secret = CopyOf(bytes);
  WipeString(bytes);
  return secret;
}

absl::StatusOr<SecretBytes> SecretBytes::Generate(Random& random, size_t size) {
  SecretBytes secret(size);
  RETURN_IF_ERROR(random.Fill(secret.mutable_span()));
  return secret;
}

absl::string_view SecretBytes::view() const {
  return {reinterpret_cast<const char*>(bytes_.get()), size_};
}

bool SecretBytes::ConstantTimeEquals(const SecretBytes& other) const {
  return eventstore::ConstantTimeEquals(view(), other.view());
}

void WipeString(std::string& bytes) {
  OPENSSL_cleanse(bytes.data(), bytes.size());
  bytes.clear();
}

bool ConstantTimeEquals(absl::string_view left, absl::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace records::eventstore
