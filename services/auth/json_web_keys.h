#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/auth/json_web_token.h"

struct _cjose_jwk_int;

namespace records::services {

struct JsonWebKeyDeleter {
  void operator()(_cjose_jwk_int* key) const;
};
using JsonWebKeyHandle = std::unique_ptr<_cjose_jwk_int, JsonWebKeyDeleter>;

// The public keys of one issuer (a JWK Set, RFC 7517), each fit for exactly one algorithm.
//
// Immutable and thread-safe after parsing.
class JsonWebKeySet {
 public:
  // Parses a JWK Set. Keys that are for something else (other type, use or algorithm, or without an
  // id) are left out, as issuers publish those too.
  // kInvalidArgument, without any of the text: not a JWK Set, a private or symmetric key in it, an
  // id twice, an RSA key that is not 2048 to 8192 bits long, a point that is not on P-256, or no
  // key that can be used.
  static absl::StatusOr<JsonWebKeySet> Parse(absl::string_view json);

  // Verifies the signature of a compact token. `parsed` is what ParseToken() gave for `token`.
  // TOKEN_KEY_UNKNOWN: no such key. TOKEN_ALGORITHM_REFUSED: the key is for the other algorithm.
  // TOKEN_SIGNATURE_INVALID: the signature is not of this key.
  absl::Status VerifySignature(absl::string_view token, const UnverifiedToken& parsed) const;

 private:
  struct Key {
    TokenAlgorithm algorithm;
    JsonWebKeyHandle handle;
  };

  static absl::StatusOr<Key> ParseKey(const nlohmann::json& json, TokenAlgorithm algorithm);
  absl::Status Add(const nlohmann::json& json);

  std::map<std::string, Key> keys_;
};

}  // namespace records::services
