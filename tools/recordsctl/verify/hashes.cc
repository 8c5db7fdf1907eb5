#include "tools/recordsctl/verify/hashes.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"

namespace records::tools::verify {
namespace {

constexpr size_t kEd25519KeySize = 32;

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;

const uint8_t* AsBytes(absl::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

}  // namespace

Hash Sha256(std::initializer_list<absl::string_view> parts) {
  // Making a context costs more than a short hash.
  thread_local const Context context(EVP_MD_CTX_new());
  Hash hash{};
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  for (const absl::string_view part : parts) {
    EVP_DigestUpdate(context.get(), part.data(), part.size());
  }
  EVP_DigestFinal_ex(context.get(), hash.data(), nullptr);
  return hash;
}

absl::StatusOr<Hash> Sha256OfFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, "cannot be opened");
  const absl::Cleanup closer = [file] { close(file); };
  const Context context(EVP_MD_CTX_new());
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::string piece(size_t{1} << 20, '\0');
  while (true) {
    const ssize_t count = read(file, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, "cannot be read");
    if (count == 0) break;
    EVP_DigestUpdate(context.get(), piece.data(), static_cast<size_t>(count));
  }
  Hash hash{};
  EVP_DigestFinal_ex(context.get(), hash.data(), nullptr);
  return hash;
}

Hash LeafHash(absl::string_view leaf) { return Sha256({absl::string_view("\0", 1), leaf}); }

Hash NodeHash(const Hash& left, const Hash& right) {
  return Sha256({"\x01", AsView(left), AsView(right)});
}

Hash EmptyRoot() { return Sha256({}); }

bool IsSignedBy(absl::string_view public_key, absl::string_view message,
                absl::string_view signature) {
  if (public_key.size() != kEd25519KeySize) return false;
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, AsBytes(public_key),
                                            public_key.size()));
  const Context context(EVP_MD_CTX_new());
  return key != nullptr && context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), AsBytes(signature), signature.size(), AsBytes(message),
                          message.size()) == 1;
}

absl::StatusOr<std::string> PublicKeyOf(absl::string_view seed) {
  if (seed.size() != kEd25519KeySize) return absl::InvalidArgumentError("not a key");
  const Key key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, AsBytes(seed), seed.size()));
  std::string public_key(kEd25519KeySize, '\0');
  size_t size = public_key.size();
  if (key == nullptr || EVP_PKEY_get_raw_public_key(
                            key.get(), reinterpret_cast<uint8_t*>(public_key.data()), &size) != 1) {
    return absl::InvalidArgumentError("not a key");
  }
  return public_key;
}

absl::StatusOr<std::string> DecodeBase64(absl::string_view text) {
  std::string bytes;
  // Abseil takes other spellings of the same bytes, too.
  if (!absl::Base64Unescape(text, &bytes) || EncodeBase64(bytes) != text) {
    return absl::InvalidArgumentError("not base64");
  }
  return bytes;
}

std::string EncodeBase64(absl::string_view bytes) { return absl::Base64Escape(bytes); }

}  // namespace records::tools::verify
