#include "tests/services/token_factory.h"

#include <cjose/cjose.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace records::services::testing {
namespace {

using Json = nlohmann::json;

std::shared_ptr<_cjose_jwk_int> Own(cjose_jwk_t* key) {
  return {key, [](cjose_jwk_t* released) { cjose_jwk_release(released); }};
}

Json ToJson(const cjose_jwk_t* key, bool with_private_part) {
  cjose_err error{};
  char* text = cjose_jwk_to_json(key, with_private_part, &error);
  Json result = Json::parse(text);
  free(text);
  return result;
}

}  // namespace

TestKey TestKey::Es256(const std::string& key_id) {
  cjose_err error{};
  TestKey result;
  result.algorithm_ = "ES256";
  result.key_id_ = key_id;
  result.key_ = Own(cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &error));
  return result;
}

TestKey TestKey::Rs256(const std::string& key_id, size_t bits) {
  cjose_err error{};
  const uint8_t exponent[] = {1, 0, 1};
  TestKey result;
  result.algorithm_ = "RS256";
  result.key_id_ = key_id;
  result.key_ = Own(cjose_jwk_create_RSA_random(bits, exponent, sizeof(exponent), &error));
  return result;
}

Json TestKey::Header() const { return {{"alg", algorithm_}, {"kid", key_id_}, {"typ", "JWT"}}; }

Json TestKey::PublicKey() const {
  Json result = ToJson(key_.get(), false);
  result["kid"] = key_id_;
  result["use"] = "sig";
  result["alg"] = algorithm_;
  return result;
}

Json TestKey::PrivateKey() const {
  Json result = ToJson(key_.get(), true);
  result["kid"] = key_id_;
  return result;
}

std::string TestKey::Sign(const Json& header, const Json& claims) const {
  cjose_err error{};
  cjose_header_t* raw = cjose_header_new(&error);
  for (const auto& [name, value] : header.items()) {
    if (value.is_string()) {
      cjose_header_set(raw, name.c_str(), value.get<std::string>().c_str(), &error);
    } else {
      cjose_header_set_raw(raw, name.c_str(), value.dump().c_str(), &error);
    }
  }
  const std::string text = claims.dump();
  cjose_jws_t* jws = cjose_jws_sign(key_.get(), raw, reinterpret_cast<const uint8_t*>(text.data()),
                                    text.size(), &error);
  const char* compact = nullptr;
  std::string result;
  if (jws != nullptr && cjose_jws_export(jws, &compact, &error)) result = compact;
  cjose_jws_release(jws);
  cjose_header_release(raw);
  return result;
}

std::string KeySet(const std::vector<Json>& keys) { return Json{{"keys", keys}}.dump(); }

Json GoodClaims(const std::string& issuer, absl::Time now) {
  const int64_t seconds = absl::ToUnixSeconds(now);
  return {{"iss", issuer},
          {"sub", "amy"},
          {"aud", "records"},
          {"iat", seconds},
          {"nbf", seconds},
          {"exp", seconds + 600},
          {"roles", {"contact-officer"}}};
}

std::string Compact(absl::string_view header, absl::string_view claims,
                    absl::string_view signature) {
  return absl::StrCat(absl::WebSafeBase64Escape(header), ".", absl::WebSafeBase64Escape(claims),
                      ".", absl::WebSafeBase64Escape(signature));
}

std::string HmacSha256(absl::string_view secret, absl::string_view message) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const uint8_t*>(message.data()), message.size(), digest, &size);
  return {reinterpret_cast<const char*>(digest), size};
}

}  // namespace records::services::testing
