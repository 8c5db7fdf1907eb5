#pragma once

// The text of a JSON Web Token (RFC 7515, RFC 7519) and of its keys, read strictly and before any
// cryptography. Pure functions.

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace records::services {

// Longest token that is looked at: above what identity providers send, and what fits gRPC's default
// limit of 8 KiB on metadata.
inline constexpr size_t kTokenBytesMax = 8192;

// The two algorithms that are accepted (RFC 7518 section 3.1). Every other one is refused by name.
enum class TokenAlgorithm { kRs256, kEs256 };

// A token that is well formed. Nothing in it has been verified.
struct UnverifiedToken {
  TokenAlgorithm algorithm;
  std::string key_id;
  std::string issuer;
  nlohmann::json claims;  // an object
  size_t signature_bytes;
};

// kUnauthenticated with the reason `reason`; what every refusal of a token is.
absl::Status TokenRefused(absl::string_view reason, absl::string_view message);

// Takes a compact token apart.
// TOKEN_MALFORMED: too long, not three base64url parts of JSON objects without repeated names, no
// key
//   id or issuer, or a header that brings its own key or critical extensions.
// TOKEN_ALGORITHM_REFUSED: neither RS256 nor ES256.
absl::StatusOr<UnverifiedToken> ParseToken(absl::string_view token);

// Parses a JSON object. kInvalidArgument, without any of the text: not JSON, not an object, a name
// twice in one object, or nested deeper than 8.
absl::StatusOr<nlohmann::json> ParseStrictObject(absl::string_view text);

// base64url without padding (RFC 7515 section 2). kInvalidArgument: any other character, padding,
// or spare bits that are not zero.
absl::StatusOr<std::string> DecodeBase64Url(absl::string_view text);
std::string EncodeBase64Url(absl::string_view bytes);

// The member `name` when it is a string, else "".
std::string StringMember(const nlohmann::json& object, const char* name);

}  // namespace records::services
