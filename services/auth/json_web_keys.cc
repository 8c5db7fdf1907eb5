#include "services/auth/json_web_keys.h"

#include <cjose/cjose.h>

#include <optional>
#include <utility>

#include "eventstore/status_macros.h"

namespace records::services {
namespace {

using Json = nlohmann::json;

// RSA: below, keys are too weak (NIST SP 800-131A); above, verifying takes too long.
constexpr size_t kRsaBitsMin = 2048;
constexpr size_t kRsaBitsMax = 8192;

// R and S of P-256 (RFC 7518 section 3.4). The library splits a longer signature in the middle and
// leaves the rest unread, so that one token would have many spellings.
constexpr size_t kEs256SignatureBytes = 64;

struct JwsDeleter {
  void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
};

bool HoldsSecret(const Json& json) {
  for (const char* name : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (json.contains(name)) return true;
  }
  return StringMember(json, "kty") == "oct";
}

bool IsAbsentOr(const Json& json, const char* name, const char* value) {
  return !json.contains(name) || StringMember(json, name) == value;
}

bool MayVerify(const Json& json) {
  const auto operations = json.find("key_ops");
  if (operations == json.end()) return true;
  if (!operations->is_array()) return false;
  for (const Json& operation : *operations) {
    if (operation == "verify") return true;
  }
  return false;
}

// What the key is for; nothing when it is not for signing tokens that are accepted here.
std::optional<TokenAlgorithm> AlgorithmFor(const Json& json) {
  if (!IsAbsentOr(json, "use", "sig") || !MayVerify(json)) return std::nullopt;
  const std::string type = StringMember(json, "kty");
  if (type == "RSA" && IsAbsentOr(json, "alg", "RS256")) return TokenAlgorithm::kRs256;
  if (type == "EC" && StringMember(json, "crv") == "P-256" && IsAbsentOr(json, "alg", "ES256")) {
    return TokenAlgorithm::kEs256;
  }
  return std::nullopt;
}

// The key alone: the library never sees what else the set says about it.
std::string BareKey(const Json& json, TokenAlgorithm algorithm) {
  Json bare;
  if (algorithm == TokenAlgorithm::kRs256) {
    bare = {{"kty", "RSA"}, {"n", StringMember(json, "n")}, {"e", StringMember(json, "e")}};
  } else {
    bare = {{"kty", "EC"},
            {"crv", "P-256"},
            {"x", StringMember(json, "x")},
            {"y", StringMember(json, "y")}};
  }
  return bare.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool IsSignedBy(const cjose_jwk_t* key, absl::string_view token) {
  cjose_err error{};
  const std::unique_ptr<cjose_jws_t, JwsDeleter> jws(
      cjose_jws_import(token.data(), token.size(), &error));
  return jws != nullptr && cjose_jws_verify(jws.get(), key, &error);
}

}  // namespace

void JsonWebKeyDeleter::operator()(_cjose_jwk_int* key) const { cjose_jwk_release(key); }

absl::StatusOr<JsonWebKeySet::Key> JsonWebKeySet::ParseKey(const Json& json,
                                                           TokenAlgorithm algorithm) {
  const std::string bare = BareKey(json, algorithm);
  cjose_err error{};
  JsonWebKeyHandle handle(cjose_jwk_import(bare.data(), bare.size(), &error));
  if (handle == nullptr) return absl::InvalidArgumentError("a key does not parse");
  if (algorithm == TokenAlgorithm::kRs256) {
    const size_t bits = cjose_jwk_get_keysize(handle.get(), &error);
    if (bits < kRsaBitsMin || bits > kRsaBitsMax) {
      return absl::InvalidArgumentError("an RSA key is not 2048 to 8192 bits long");
    }
  }
  return Key{algorithm, std::move(handle)};
}

absl::Status JsonWebKeySet::Add(const Json& json) {
  if (!json.is_object()) return absl::InvalidArgumentError("a key is not an object");
  if (HoldsSecret(json)) {
    return absl::InvalidArgumentError("a private or symmetric key is in it; publish public keys");
  }
  const std::optional<TokenAlgorithm> algorithm = AlgorithmFor(json);
  const std::string id = StringMember(json, "kid");
  if (!algorithm || id.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Key key, ParseKey(json, *algorithm));
  if (!keys_.emplace(id, std::move(key)).second) {
    return absl::InvalidArgumentError("a key id (kid) is there twice");
  }
  return absl::OkStatus();
}

absl::StatusOr<JsonWebKeySet> JsonWebKeySet::Parse(absl::string_view text) {
  ASSIGN_OR_RETURN(const Json json, ParseStrictObject(text));
  const auto keys = json.find("keys");
  if (keys == json.end() || !keys->is_array()) {
    return absl::InvalidArgumentError("there is no array \"keys\"");
  }
  JsonWebKeySet result;
  for (const Json& key : *keys) RETURN_IF_ERROR(result.Add(key));
  if (result.keys_.empty()) {
    return absl::InvalidArgumentError("there is no RS256 or ES256 key with an id (kid)");
  }
  return result;
}

absl::Status JsonWebKeySet::VerifySignature(absl::string_view token,
                                            const UnverifiedToken& parsed) const {
  const auto found = keys_.find(parsed.key_id);
  if (found == keys_.end()) {
    return TokenRefused("TOKEN_KEY_UNKNOWN",
                        "The token's key is not among the issuer's keys. Get a new token; if that "
                        "does not help, the server's copy of the issuer's keys is out of date.");
  }
  if (found->second.algorithm != parsed.algorithm) {
    return TokenRefused("TOKEN_ALGORITHM_REFUSED",
                        "The token's algorithm is not that of its key. Get a new token.");
  }
  const bool has_size =
      parsed.algorithm != TokenAlgorithm::kEs256 || parsed.signature_bytes == kEs256SignatureBytes;
  if (!has_size || !IsSignedBy(found->second.handle.get(), token)) {
    return TokenRefused("TOKEN_SIGNATURE_INVALID",
                        "The token's signature is not of its issuer. Get a new token.");
  }
  return absl::OkStatus();
}

}  // namespace records::services
