#pragma once

// Who calls, and what for.

#include <grpcpp/server_context.h>
#include <grpcpp/support/string_ref.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/auth/rate_limiter.h"
#include "services/auth/token_verifier.h"

namespace records::services {

struct Caller {
  std::string issuer;
  std::string subject;
  std::vector<std::string> token_roles;  // offered by the token; a role counts when granted too
  // Of the token, with what is allowed for clocks that differ: no call begins from then on, and a
  // stream ends.
  absl::Time ends_at;
  std::string purpose;             // [a-z-]{1,64}; whether it is one of ours is for Decide()
  std::string break_glass_reason;  // "" when the glass is not to be broken; at most 512 bytes
  bool peer_is_loopback = false;
  bool development = false;  // of the development issuer, and so on loopback
  std::map<std::string, std::string> development_claims;

  // One name for the caller across issuers, for limits and request scopes. A subject holds no
  // newline, so two callers never share one.
  std::string key() const { return issuer + "\n" + subject; }
};

// Metadata of a call, as both gRPC interfaces give it.
using CallMetadata = std::multimap<grpc::string_ref, grpc::string_ref>;

// True for the peer string of a connection from this machine: 127.0.0.0/8, ::1, unix, in process.
bool IsLoopbackPeer(absl::string_view peer);

// Reads the caller of a call from its metadata.
//
// Thread-safe. Verifier and limiter must outlive it.
//
// The token is verified twice a call, by AuthenticationProcessor and here, the second time from the
// cache. The processor cannot hand over what it found: in gRPC 1.51 the AuthContext belongs to the
// connection, not to the call, so a second caller on a connection would be taken for the first.
class Authenticator {
 public:
  // `limiter` may be null: no limit for each caller.
  Authenticator(TokenVerifier& verifier, RateLimiter* limiter)
      : verifier_(verifier), limiter_(limiter) {}

  // Verifies the bearer token.
  // kUnauthenticated: as TokenVerifier; TOKEN_MISSING: no `authorization: Bearer <token>`, or two;
  // TOKEN_DEVELOPMENT_REFUSED: a token of the development issuer that did not come over loopback.
  absl::StatusOr<Token> Authenticate(const CallMetadata& metadata, bool peer_is_loopback) const;

  // As CallerFrom(), and counts the call against the caller's limit. First line of every handler.
  // kResourceExhausted (CALLER_RATE_EXCEEDED, with RetryInfo): the caller is too fast.
  absl::StatusOr<Caller> Admit(const grpc::ServerContextBase& context) const;
  absl::StatusOr<Caller> Admit(const CallMetadata& metadata, absl::string_view peer) const;

  // Returns the caller. Errors as Authenticate(), and kInvalidArgument: PURPOSE_MISSING,
  // PURPOSE_INVALID (two, or not [a-z-]{1,64}), BREAK_GLASS_REASON_INVALID (two, or too long).
  absl::StatusOr<Caller> CallerFrom(const grpc::ServerContextBase& context) const;
  absl::StatusOr<Caller> CallerFrom(const CallMetadata& metadata, absl::string_view peer) const;

 private:
  TokenVerifier& verifier_;
  RateLimiter* const limiter_;
};

}  // namespace records::services
