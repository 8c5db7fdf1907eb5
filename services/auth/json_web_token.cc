#include "services/auth/json_web_token.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "eventstore/status_macros.h"
#include "services/errors/errors.h"

namespace records::services {
namespace {

using Json = nlohmann::json;

constexpr int kJsonDepthMax = 8;

// Two parsers may disagree on which of two equal names counts, so there may not be two.
class StrictnessCheck {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kJsonDepthMax) strict_ = false;
    if (event == Json::parse_event_t::object_start) names_.emplace_back();
    if (event == Json::parse_event_t::object_end && !names_.empty()) names_.pop_back();
    if (event == Json::parse_event_t::key && !names_.empty()) {
      if (!names_.back().insert(parsed.get<std::string>()).second) strict_ = false;
    }
    return true;
  }
  bool strict() const { return strict_; }

 private:
  std::vector<std::set<std::string>> names_;
  bool strict_ = true;
};

absl::Status Malformed(absl::string_view message) {
  return TokenRefused("TOKEN_MALFORMED", message);
}

absl::StatusOr<Json> DecodePart(absl::string_view part) {
  ASSIGN_OR_RETURN(const std::string text, DecodeBase64Url(part));
  return ParseStrictObject(text);
}

// A key that comes with the token proves nothing, and an extension that must be understood is not.
absl::Status CheckNoForeignKeys(const Json& header) {
  for (const char* name : {"crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc"}) {
    if (header.contains(name)) {
      return Malformed(
          "The token's header has a member that is not accepted (a key of its own or an "
          "extension). "
          "Get a token from the configured issuer.");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<TokenAlgorithm> AlgorithmOf(const Json& header) {
  const std::string name = StringMember(header, "alg");
  if (name == "RS256") return TokenAlgorithm::kRs256;
  if (name == "ES256") return TokenAlgorithm::kEs256;
  return TokenRefused("TOKEN_ALGORITHM_REFUSED",
                      "The token must be signed with RS256 or ES256. "
                      "Get a token from the configured issuer.");
}

bool IsTokenType(const Json& header) {
  if (!header.contains("typ")) return true;
  const std::string type = absl::AsciiStrToLower(StringMember(header, "typ"));
  return type == "jwt" || type == "at+jwt";
}

}  // namespace

absl::Status TokenRefused(absl::string_view reason, absl::string_view message) {
  return Refusal(absl::StatusCode::kUnauthenticated, reason, message);
}

absl::StatusOr<UnverifiedToken> ParseToken(absl::string_view token) {
  if (token.size() > kTokenBytesMax) {
    return Malformed("The token is longer than 8192 bytes. Ask the issuer for a smaller one.");
  }
  const std::vector<absl::string_view> parts =
      absl::StrSplit(token, absl::MaxSplits('.', 3));  // a fourth part is seen, no fifth is made
  if (parts.size() != 3) return Malformed("The token is not a JWT: three parts are expected.");
  const absl::StatusOr<Json> header = DecodePart(parts[0]);
  if (!header.ok()) return Malformed("The token's header is not base64url of a JSON object.");
  ASSIGN_OR_RETURN(const TokenAlgorithm algorithm, AlgorithmOf(*header));
  RETURN_IF_ERROR(CheckNoForeignKeys(*header));
  if (!IsTokenType(*header)) return Malformed("The token's type is not JWT.");
  absl::StatusOr<Json> claims = DecodePart(parts[1]);
  if (!claims.ok()) return Malformed("The token's claims are not base64url of a JSON object.");
  const absl::StatusOr<std::string> signature = DecodeBase64Url(parts[2]);
  if (!signature.ok()) return Malformed("The token's signature is not base64url.");
  UnverifiedToken result{algorithm, StringMember(*header, "kid"), StringMember(*claims, "iss"),
                         *std::move(claims), signature->size()};
  if (result.key_id.empty()) return Malformed("The token's header names no key (kid).");
  if (result.issuer.empty()) return Malformed("The token names no issuer (iss).");
  return result;
}

absl::StatusOr<Json> ParseStrictObject(absl::string_view text) {
  StrictnessCheck check;
  Json parsed = Json::parse(
      text.begin(), text.end(),
      [&check](int depth, Json::parse_event_t event, Json& value) {
        return check(depth, event, value);
      },
      /*allow_exceptions=*/false);
  if (!parsed.is_object() || !check.strict()) {
    return absl::InvalidArgumentError("not a JSON object with unique names");
  }
  return parsed;
}

absl::StatusOr<std::string> DecodeBase64Url(absl::string_view text) {
  std::string bytes;
  const bool decoded = absl::WebSafeBase64Unescape(text, &bytes);
  if (!decoded || EncodeBase64Url(bytes) != text) {
    return absl::InvalidArgumentError("not base64url without padding");
  }
  return bytes;
}

std::string EncodeBase64Url(absl::string_view bytes) {
  return absl::WebSafeBase64Escape(bytes);  // leaves the padding out
}

std::string StringMember(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return "";
  return found->get<std::string>();
}

}  // namespace records::services
