#pragma once

#include <initializer_list>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/recordsctl/verify/format.h"

// The cryptography that the verifier needs, straight on OpenSSL. Thread-safe.
namespace records::tools::verify {

// SHA-256 (FIPS 180-4) of the parts joined.
Hash Sha256(std::initializer_list<absl::string_view> parts);

// SHA-256 of a whole file, in pieces. kNotFound, kPermissionDenied, kUnavailable.
absl::StatusOr<Hash> Sha256OfFile(const std::string& path);

// RFC 6962, section 2.1.
Hash LeafHash(absl::string_view leaf);
Hash NodeHash(const Hash& left, const Hash& right);
Hash EmptyRoot();

// Ed25519 (RFC 8032). False for anything malformed, too.
bool IsSignedBy(absl::string_view public_key, absl::string_view message,
                absl::string_view signature);

// The public key of a seed. kInvalidArgument: it is not 32 bytes.
absl::StatusOr<std::string> PublicKeyOf(absl::string_view seed);

// Standard base64 with padding, and nothing else. kInvalidArgument.
absl::StatusOr<std::string> DecodeBase64(absl::string_view text);
std::string EncodeBase64(absl::string_view bytes);

}  // namespace records::tools::verify
