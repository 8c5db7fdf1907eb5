#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/clock.h"
#include "services/auth/json_web_keys.h"
#include "services/auth/token_cache.h"

namespace records::services {

// One issuer that is trusted.
struct TokenIssuer {
  std::string name;                 // what the claim `iss` must be, exactly
  std::filesystem::path keys_file;  // its JWK Set
  bool development = false;         // its tokens count on loopback only
};

struct TokenVerifierOptions {
  std::vector<TokenIssuer> issuers;  // at least one
  std::string audience = "records";
  absl::Duration clock_skew = absl::Seconds(30);  // allowed between issuer and server, both ways
  absl::Duration lifetime_max = absl::Hours(24);  // from `iat` to `exp`
  size_t cached_tokens_max = 16384;               // about 0.5 KiB each
};

// Says whether tokens may name such a subject: 1 to 256 of [A-Za-z0-9._@|:+=~-].
bool IsTokenSubject(absl::string_view text);

// Says whether a bearer token is genuine, ours and in force, and what it says (RFC 7519, RFC 8725).
//
// Thread-safe. The clock must outlive it. A verified token is cached by its SHA-256 and served from
// there until it expires; the keys' rotation empties the cache.
//
// Every refusal is kUnauthenticated with one of the reasons TOKEN_MISSING, TOKEN_MALFORMED,
// TOKEN_ALGORITHM_REFUSED, TOKEN_ISSUER_UNKNOWN, TOKEN_KEY_UNKNOWN, TOKEN_SIGNATURE_INVALID,
// TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, TOKEN_AUDIENCE_WRONG and a message that says what to do. No
// message holds any part of the token.
class TokenVerifier {
 public:
  // Reads the keys of all issuers.
  // kInvalidArgument: no issuer, an issuer twice or without a name, no audience, a bad JWK Set.
  // kNotFound, kUnavailable: a keys file is not there or cannot be read.
  static absl::StatusOr<std::unique_ptr<TokenVerifier>> Create(TokenVerifierOptions options,
                                                               const eventstore::Clock& clock);

  // Verifies a compact JWT.
  absl::StatusOr<Token> Verify(absl::string_view token);

  // From when on the token does not count: its expiry and what is allowed for clocks that differ.
  absl::Time EndOf(const Token& token) const { return token.expires_at + options_.clock_skew; }

  // Reads the keys files again. Where one changed, its keys are replaced and the cache is emptied.
  // A file that cannot be read or parsed leaves its issuer's keys as they were; the first such
  // error is returned after all files were tried.
  absl::Status Reload();

  // How many verified tokens are cached now.
  size_t cached_tokens() const { return cache_.size(); }

 private:
  struct IssuerKeys {
    bool development = false;
    TokenDigest file_digest;
    JsonWebKeySet keys;
  };
  using KeyRing = std::map<std::string, std::shared_ptr<const IssuerKeys>, std::less<>>;

  TokenVerifier(TokenVerifierOptions options, const eventstore::Clock& clock);

  static absl::StatusOr<std::shared_ptr<const IssuerKeys>> ReadKeys(const TokenIssuer& issuer);
  std::shared_ptr<const IssuerKeys> KeysOf(absl::string_view issuer) const;
  absl::StatusOr<Token> VerifyUncached(absl::string_view token) const;
  absl::Status CheckTimes(const Token& token) const;
  absl::StatusOr<Token> ReadClaims(const UnverifiedToken& parsed, bool development) const;

  const TokenVerifierOptions options_;
  const eventstore::Clock& clock_;
  TokenCache cache_;
  mutable absl::Mutex mutex_;
  KeyRing keys_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::services
