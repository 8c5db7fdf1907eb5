#include "services/auth/development_issuer.h"

#include <cjose/cjose.h>
#include <openssl/crypto.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "services/auth/json_web_token.h"
#include "services/auth/key_files.h"

namespace records::services {
namespace {

using Json = nlohmann::json;

struct JwsDeleter {
  void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
};
struct HeaderDeleter {
  void operator()(cjose_header_t* header) const { cjose_header_release(header); }
};

// Wipes the text of a private key when it goes out of scope.
class SecretText {
 public:
  explicit SecretText(std::string text) : text_(std::move(text)) {}
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { OPENSSL_cleanse(text_.data(), text_.size()); }
  const std::string& get() const { return text_; }

 private:
  std::string text_;
};

absl::StatusOr<std::string> KeyToJson(const cjose_jwk_t* key, bool with_private_part) {
  cjose_err error{};
  char* text = cjose_jwk_to_json(key, with_private_part, &error);
  if (text == nullptr) return absl::InternalError("the development key cannot be written as JSON");
  std::string result(text);
  OPENSSL_cleanse(text, result.size());
  free(text);
  return result;
}

// The thumbprint of an EC key (RFC 7638 section 3): the hash of its required members in order.
std::string Thumbprint(const Json& key) {
  const std::string canonical =
      absl::StrCat(R"({"crv":")", StringMember(key, "crv"), R"(","kty":"EC","x":")",
                   StringMember(key, "x"), R"(","y":")", StringMember(key, "y"), R"("})");
  const TokenDigest digest = DigestOf(canonical);
  return EncodeBase64Url({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

absl::Status CreateKeyFile(const std::filesystem::path& path) {
  cjose_err error{};
  const JsonWebKeyHandle key(cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &error));
  if (key == nullptr) return absl::UnavailableError("cannot make a development key");
  ASSIGN_OR_RETURN(std::string json, KeyToJson(key.get(), /*with_private_part=*/true));
  const SecretText text(std::move(json));
  const absl::Status status = WriteKeyFile(path, text.get(), 0600, /*replace=*/false);
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;  // another process was faster
}

absl::StatusOr<std::string> Sign(const cjose_jwk_t* key, const std::string& key_id,
                                 const std::string& claims) {
  cjose_err error{};
  const std::unique_ptr<cjose_header_t, HeaderDeleter> header(cjose_header_new(&error));
  const char* compact = nullptr;
  if (header == nullptr || !cjose_header_set(header.get(), "alg", "ES256", &error) ||
      !cjose_header_set(header.get(), "kid", key_id.c_str(), &error) ||
      !cjose_header_set(header.get(), "typ", "JWT", &error)) {
    return absl::ResourceExhaustedError("cannot make the token's header");
  }
  const std::unique_ptr<cjose_jws_t, JwsDeleter> jws(cjose_jws_sign(
      key, header.get(), reinterpret_cast<const uint8_t*>(claims.data()), claims.size(), &error));
  if (jws == nullptr || !cjose_jws_export(jws.get(), &compact, &error)) {
    return absl::InternalError("cannot sign the token");
  }
  return std::string(compact);
}

// A private part that is missing or does not fit the public one must show at start, not at the
// first token.
absl::Status ProveKey(const cjose_jwk_t* key, const std::string& key_id,
                      const std::string& public_keys) {
  ASSIGN_OR_RETURN(const std::string token, Sign(key, key_id, R"({"iss":"proof"})"));
  ASSIGN_OR_RETURN(const JsonWebKeySet keys, JsonWebKeySet::Parse(public_keys));
  ASSIGN_OR_RETURN(const UnverifiedToken parsed, ParseToken(token));
  return keys.VerifySignature(token, parsed);
}

absl::StatusOr<std::string> RandomTokenId(eventstore::Random& random) {
  uint8_t bytes[16];
  RETURN_IF_ERROR(random.Fill(absl::MakeSpan(bytes)));
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes), sizeof(bytes)});
}

}  // namespace

DevelopmentIssuer::DevelopmentIssuer(std::filesystem::path folder, const eventstore::Clock& clock,
                                     eventstore::Random& random)
    : folder_(std::move(folder)), clock_(clock), random_(random) {}

absl::StatusOr<std::unique_ptr<DevelopmentIssuer>> DevelopmentIssuer::OpenOrCreate(
    const std::filesystem::path& folder, const eventstore::Clock& clock,
    eventstore::Random& random) {
  auto issuer = Open(folder, clock, random);
  if (absl::IsNotFound(issuer.status())) {
    RETURN_IF_ERROR(CreateKeyFile(folder / kDevelopmentKeyFile));
    issuer = Open(folder, clock, random);
  }
  RETURN_IF_ERROR(issuer.status());
  const std::filesystem::path public_file = folder / kDevelopmentKeysFile;
  const absl::StatusOr<std::string> published = ReadKeyFile(public_file);
  if (!published.ok() || *published != (*issuer)->public_keys_) {
    RETURN_IF_ERROR(WriteKeyFile(public_file, (*issuer)->public_keys_, 0644, /*replace=*/true));
  }
  return issuer;
}

absl::StatusOr<std::unique_ptr<DevelopmentIssuer>> DevelopmentIssuer::Open(
    const std::filesystem::path& folder, const eventstore::Clock& clock,
    eventstore::Random& random) {
  std::unique_ptr<DevelopmentIssuer> issuer(new DevelopmentIssuer(folder, clock, random));
  RETURN_IF_ERROR(issuer->LoadKey());
  return issuer;
}

absl::Status DevelopmentIssuer::LoadKey() {
  const std::filesystem::path path = folder_ / kDevelopmentKeyFile;
  ASSIGN_OR_RETURN(std::string content, ReadSecretFile(path));
  const SecretText text(std::move(content));
  cjose_err error{};
  key_.reset(cjose_jwk_import(text.get().data(), text.get().size(), &error));
  const absl::Status damaged = absl::DataLossError(
      absl::StrCat(path.string(), " is damaged. Remove it; a new key is made at the next start."));
  if (key_ == nullptr || cjose_jwk_get_kty(key_.get(), &error) != CJOSE_JWK_KTY_EC ||
      cjose_jwk_EC_get_curve(key_.get(), &error) != CJOSE_JWK_EC_P_256) {
    return damaged;
  }
  ASSIGN_OR_RETURN(const std::string public_key, KeyToJson(key_.get(), false));
  absl::StatusOr<Json> json = ParseStrictObject(public_key);
  if (!json.ok()) return damaged;
  // The library computes the public part from the private one, so a damaged one would go unseen.
  for (const char* name : {"x", "y"}) {
    if (!absl::StrContains(text.get(), StringMember(*json, name))) return damaged;
  }
  key_id_ = Thumbprint(*json);
  (*json)["kid"] = key_id_;
  (*json)["use"] = "sig";
  (*json)["alg"] = "ES256";
  public_keys_ = Json{{"keys", Json::array({*json})}}.dump(2) + "\n";
  return ProveKey(key_.get(), key_id_, public_keys_).ok() ? absl::OkStatus() : damaged;
}

absl::StatusOr<std::string> DevelopmentIssuer::Mint(
    absl::string_view subject, const std::vector<std::string>& roles, absl::Duration lifetime,
    const std::map<std::string, std::string>& extra_claims) const {
  if (subject.empty()) return absl::InvalidArgumentError("a token needs a subject");
  if (lifetime < absl::Seconds(1)) {
    return absl::InvalidArgumentError("a token must live for at least one second");
  }
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  ASSIGN_OR_RETURN(const std::string token_id, RandomTokenId(random_));
  Json claims = {{"iss", kDevelopmentIssuerName},
                 {"aud", kDevelopmentAudience},
                 {"sub", std::string(subject)},
                 {"jti", token_id},
                 {"roles", roles},
                 {"iat", now},
                 {"nbf", now},
                 {"exp", now + absl::ToInt64Seconds(lifetime)}};
  for (const auto& [name, value] : extra_claims) {
    if (claims.contains(name)) {
      return absl::InvalidArgumentError(absl::StrCat("the claim ", name, " is set by the issuer"));
    }
    claims[name] = value;
  }
  return Sign(key_.get(), key_id_, claims.dump(-1, ' ', true, Json::error_handler_t::replace));
}

TokenIssuer DevelopmentIssuer::AsTokenIssuer() const {
  return {kDevelopmentIssuerName, folder_ / kDevelopmentKeysFile, /*development=*/true};
}

}  // namespace records::services
