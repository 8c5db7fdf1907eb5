#pragma once

// Makes tokens for tests, right ones and wrong ones. Links only what an issuer has.

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct _cjose_jwk_int;

namespace records::services::testing {

// A signing key of an issuer under test.
class TestKey {
 public:
  static TestKey Es256(const std::string& key_id);
  static TestKey Rs256(const std::string& key_id, size_t bits = 2048);

  // The header that a right token has.
  nlohmann::json Header() const;
  // The public JWK, with kid, use and alg.
  nlohmann::json PublicKey() const;
  // The private JWK.
  nlohmann::json PrivateKey() const;
  // A token signed by this key, whatever `header` says besides `alg`, which must fit the key.
  // Values of the header are strings, arrays or objects.
  std::string Sign(const nlohmann::json& header, const nlohmann::json& claims) const;
  std::string Sign(const nlohmann::json& claims) const { return Sign(Header(), claims); }

 private:
  std::string algorithm_;
  std::string key_id_;
  std::shared_ptr<_cjose_jwk_int> key_;
};

// {"keys": [...]} of public keys.
std::string KeySet(const std::vector<nlohmann::json>& keys);

// The claims of a right token of `issuer` that is valid for ten minutes from `now`.
nlohmann::json GoodClaims(const std::string& issuer, absl::Time now);

// base64url of header and claims, and of `signature`, joined by dots.
std::string Compact(absl::string_view header, absl::string_view claims,
                    absl::string_view signature);

// The signature that HS256 gives with `secret`.
std::string HmacSha256(absl::string_view secret, absl::string_view message);

}  // namespace records::services::testing
