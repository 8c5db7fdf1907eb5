#include "services/auth/token_verifier.h"

#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "services/auth/json_web_token.h"
#include "services/auth/key_files.h"

namespace records::services {
namespace {

using Json = nlohmann::json;

constexpr size_t kSubjectBytesMax = 256;
constexpr size_t kRoleBytesMax = 64;
constexpr size_t kRolesMax = 64;
constexpr size_t kDevelopmentClaimsMax = 16;
constexpr double kSecondsMax = 253402300799;  // the end of the year 9999

absl::Status Malformed(absl::string_view message) {
  return TokenRefused("TOKEN_MALFORMED", message);
}

absl::Status Expired() {
  return TokenRefused("TOKEN_EXPIRED", "The token has expired. Get a new one.");
}

absl::Status NotYetValid() {
  return TokenRefused(
      "TOKEN_NOT_YET_VALID",
      "The token is not valid yet. Wait, or check the clocks of issuer and server.");
}

// A NumericDate (RFC 7519 section 2); nothing when it is no number or no time of these millennia.
std::optional<absl::Time> TimeClaim(const Json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_number()) return std::nullopt;
  const double seconds = found->get<double>();
  if (!(seconds >= 0 && seconds <= kSecondsMax)) return std::nullopt;
  return absl::FromUnixSeconds(static_cast<int64_t>(std::floor(seconds)));
}

bool IsRole(absl::string_view text) {
  if (text.empty() || text.size() > kRoleBytesMax || text[0] < 'a' || text[0] > 'z') return false;
  for (const char c : text) {
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') return false;
  }
  return true;
}

bool AudienceIncludes(const Json& claims, const std::string& audience) {
  const auto found = claims.find("aud");
  if (found == claims.end()) return false;
  if (found->is_string()) return *found == audience;
  if (!found->is_array()) return false;
  for (const Json& entry : *found) {
    if (entry.is_string() && entry == audience) return true;
  }
  return false;
}

// Issuers also list roles of other systems: a name that cannot be one of ours is left out.
absl::StatusOr<std::vector<std::string>> RolesOf(const Json& claims) {
  std::vector<std::string> roles;
  const auto found = claims.find("roles");
  if (found == claims.end()) return roles;
  if (!found->is_array()) return Malformed("The claim roles is not an array of strings.");
  for (const Json& entry : *found) {
    if (!entry.is_string()) return Malformed("The claim roles is not an array of strings.");
    std::string role = entry.get<std::string>();
    if (!IsRole(role)) continue;
    if (roles.size() >= kRolesMax) return Malformed("The claim roles has more than 64 roles.");
    roles.push_back(std::move(role));
  }
  return roles;
}

bool IsRegisteredClaim(absl::string_view name) {
  for (absl::string_view registered : {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "roles"}) {
    if (name == registered) return true;
  }
  return false;
}

std::map<std::string, std::string> OtherStringClaims(const Json& claims) {
  std::map<std::string, std::string> result;
  for (const auto& [name, value] : claims.items()) {
    if (result.size() >= kDevelopmentClaimsMax) break;
    if (!IsRegisteredClaim(name) && value.is_string()) result[name] = value.get<std::string>();
  }
  return result;
}

absl::Status CheckOptions(const TokenVerifierOptions& options) {
  if (options.issuers.empty())
    return absl::InvalidArgumentError("no issuer of tokens is configured");
  if (options.audience.empty()) return absl::InvalidArgumentError("no audience is configured");
  if (options.cached_tokens_max == 0) {
    return absl::InvalidArgumentError("cached_tokens_max must be at least 1");
  }
  for (const TokenIssuer& issuer : options.issuers) {
    if (issuer.name.empty()) return absl::InvalidArgumentError("an issuer of tokens has no name");
  }
  return absl::OkStatus();
}

}  // namespace

bool IsTokenSubject(absl::string_view text) {
  if (text.empty() || text.size() > kSubjectBytesMax) return false;
  for (const char c : text) {
    const bool safe = absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                      absl::string_view("._@|:+=~-").find(c) != absl::string_view::npos;
    if (!safe) return false;
  }
  return true;
}

TokenVerifier::TokenVerifier(TokenVerifierOptions options, const eventstore::Clock& clock)
    : options_(std::move(options)), clock_(clock), cache_(options_.cached_tokens_max) {}

absl::StatusOr<std::unique_ptr<TokenVerifier>> TokenVerifier::Create(
    TokenVerifierOptions options, const eventstore::Clock& clock) {
  RETURN_IF_ERROR(CheckOptions(options));
  KeyRing keys;
  for (const TokenIssuer& issuer : options.issuers) {
    ASSIGN_OR_RETURN(auto issuer_keys, ReadKeys(issuer));
    if (!keys.emplace(issuer.name, std::move(issuer_keys)).second) {
      return absl::InvalidArgumentError(absl::StrCat("issuer ", issuer.name, " is there twice"));
    }
  }
  std::unique_ptr<TokenVerifier> verifier(new TokenVerifier(std::move(options), clock));
  absl::MutexLock lock(&verifier->mutex_);
  verifier->keys_ = std::move(keys);
  return verifier;
}

absl::StatusOr<std::shared_ptr<const TokenVerifier::IssuerKeys>> TokenVerifier::ReadKeys(
    const TokenIssuer& issuer) {
  ASSIGN_OR_RETURN(const std::string text, ReadKeyFile(issuer.keys_file));
  absl::StatusOr<JsonWebKeySet> keys = JsonWebKeySet::Parse(text);
  if (!keys.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("the keys of issuer ", issuer.name, " in ",
                                                   issuer.keys_file.string(), ": ",
                                                   keys.status().message()));
  }
  return std::make_shared<const IssuerKeys>(
      IssuerKeys{issuer.development, DigestOf(text), *std::move(keys)});
}

absl::Status TokenVerifier::Reload() {
  absl::Status first_error;
  bool changed = false;
  for (const TokenIssuer& issuer : options_.issuers) {
    auto keys = ReadKeys(issuer);
    if (!keys.ok()) {
      first_error.Update(keys.status());
      continue;
    }
    absl::MutexLock lock(&mutex_);
    std::shared_ptr<const IssuerKeys>& current = keys_[issuer.name];
    changed = changed || current->file_digest != (*keys)->file_digest;
    current = *std::move(keys);
  }
  // After the swap: a token verified with the old keys finds that the generation has moved on.
  if (changed) cache_.Clear();
  return first_error;
}

std::shared_ptr<const TokenVerifier::IssuerKeys> TokenVerifier::KeysOf(
    absl::string_view issuer) const {
  absl::MutexLock lock(&mutex_);
  const auto found = keys_.find(std::string(issuer));
  return found == keys_.end() ? nullptr : found->second;
}

absl::StatusOr<Token> TokenVerifier::Verify(absl::string_view token) {
  if (token.empty()) {
    return TokenRefused("TOKEN_MISSING",
                        "The call carries no token. Send metadata authorization: Bearer <token>.");
  }
  // Before hashing: what is too long costs nothing.
  if (token.size() > kTokenBytesMax) return ParseToken(token).status();
  const TokenDigest digest = DigestOf(token);
  if (std::optional<Token> cached = cache_.Find(digest)) {
    const absl::Status in_force = CheckTimes(*cached);
    if (in_force.ok()) return *std::move(cached);
    cache_.Erase(digest);
    return in_force;
  }
  const uint64_t generation = cache_.generation();
  ASSIGN_OR_RETURN(Token verified, VerifyUncached(token));
  cache_.Insert(generation, digest, verified);
  return verified;
}

absl::StatusOr<Token> TokenVerifier::VerifyUncached(absl::string_view token) const {
  ASSIGN_OR_RETURN(const UnverifiedToken parsed, ParseToken(token));
  const std::shared_ptr<const IssuerKeys> keys = KeysOf(parsed.issuer);
  if (keys == nullptr) {
    return TokenRefused(
        "TOKEN_ISSUER_UNKNOWN",
        "The token's issuer is not trusted here. Get one from the configured issuer.");
  }
  RETURN_IF_ERROR(keys->keys.VerifySignature(token, parsed));
  ASSIGN_OR_RETURN(Token result, ReadClaims(parsed, keys->development));
  RETURN_IF_ERROR(CheckTimes(result));
  return result;
}

absl::Status TokenVerifier::CheckTimes(const Token& token) const {
  const absl::Time now = clock_.Now();
  if (now >= EndOf(token)) return Expired();
  if (now + options_.clock_skew < token.not_before) return NotYetValid();
  return absl::OkStatus();
}

absl::StatusOr<Token> TokenVerifier::ReadClaims(const UnverifiedToken& parsed,
                                                bool development) const {
  const Json& claims = parsed.claims;
  if (!AudienceIncludes(claims, options_.audience)) {
    return TokenRefused("TOKEN_AUDIENCE_WRONG",
                        "The token was made for another service. Get one for this audience.");
  }
  const std::optional<absl::Time> expires_at = TimeClaim(claims, "exp");
  const std::optional<absl::Time> issued_at = TimeClaim(claims, "iat");
  const std::optional<absl::Time> not_before =
      claims.contains("nbf") ? TimeClaim(claims, "nbf") : issued_at;
  if (!expires_at || !issued_at || !not_before) {
    return Malformed("The claims exp and iat, and nbf if there is one, must be times.");
  }
  if (*expires_at <= *issued_at || *expires_at - *issued_at > options_.lifetime_max) {
    return Malformed("The token lives longer than this server allows, or ends before it begins.");
  }
  Token result{.issuer = parsed.issuer,
               .subject = StringMember(claims, "sub"),
               .not_before = std::max(*not_before, *issued_at),
               .expires_at = *expires_at,
               .development = development};
  if (!IsTokenSubject(result.subject)) {
    return Malformed("The claim sub must be 1 to 256 characters of A-Z a-z 0-9 . _ @ | : + = ~ -");
  }
  ASSIGN_OR_RETURN(result.roles, RolesOf(claims));
  if (development) result.development_claims = OtherStringClaims(claims);
  return result;
}

}  // namespace records::services
