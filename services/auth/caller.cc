#include "services/auth/caller.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "eventstore/status_macros.h"
#include "services/auth/json_web_token.h"
#include "services/errors/errors.h"

namespace records::services {
namespace {

constexpr size_t kPurposeBytesMax = 64;
constexpr size_t kBreakGlassReasonBytesMax = 512;

absl::string_view View(grpc::string_ref text) { return {text.data(), text.size()}; }

absl::Status TokenMissing() {
  return TokenRefused("TOKEN_MISSING",
                      "The call carries no token, or two. Send metadata "
                      "authorization: Bearer <token> once.");
}

// The credentials of RFC 6750 section 2.1; the scheme's case does not matter.
absl::StatusOr<absl::string_view> BearerToken(const CallMetadata& metadata) {
  const auto [first, last] = metadata.equal_range("authorization");
  if (first == last || std::next(first) != last) return TokenMissing();
  const absl::string_view value = View(first->second);
  constexpr absl::string_view kScheme = "Bearer ";
  if (!absl::StartsWithIgnoreCase(value, kScheme)) return TokenMissing();
  return value.substr(kScheme.size());
}

bool IsPurpose(absl::string_view text) {
  if (text.empty() || text.size() > kPurposeBytesMax) return false;
  for (const char c : text) {
    if (!(c >= 'a' && c <= 'z') && c != '-') return false;
  }
  return true;
}

absl::StatusOr<std::string> PurposeFrom(const CallMetadata& metadata) {
  const auto [first, last] = metadata.equal_range("purpose");
  if (first == last) {
    return Refusal(absl::StatusCode::kInvalidArgument, "PURPOSE_MISSING",
                   "The call does not say what it is for. Send metadata purpose, for example "
                   "service-delivery.");
  }
  if (std::next(first) != last || !IsPurpose(View(first->second))) {
    return Refusal(absl::StatusCode::kInvalidArgument, "PURPOSE_INVALID",
                   "The metadata purpose must be there once, as 1 to 64 of a-z and hyphen.");
  }
  return std::string(View(first->second));
}

absl::StatusOr<std::string> BreakGlassReasonFrom(const CallMetadata& metadata) {
  const auto [first, last] = metadata.equal_range("break-glass-reason");
  if (first == last) return std::string();
  const absl::string_view reason = View(first->second);
  if (std::next(first) != last || reason.empty() || reason.size() > kBreakGlassReasonBytesMax) {
    return Refusal(absl::StatusCode::kInvalidArgument, "BREAK_GLASS_REASON_INVALID",
                   "The metadata break-glass-reason may be there once, with 1 to 512 characters.");
  }
  return std::string(reason);
}

}  // namespace

bool IsLoopbackPeer(absl::string_view peer) {
  if (absl::StartsWith(peer, "unix:") || absl::StartsWith(peer, "inproc")) return true;
  if (absl::StartsWith(peer, "ipv4:127.")) return true;
  return absl::StartsWith(peer, "ipv6:[::1]:") || absl::StartsWith(peer, "ipv6:%5B::1%5D:");
}

absl::StatusOr<Token> Authenticator::Authenticate(const CallMetadata& metadata,
                                                  bool peer_is_loopback) const {
  ASSIGN_OR_RETURN(const absl::string_view text, BearerToken(metadata));
  ASSIGN_OR_RETURN(Token token, verifier_.Verify(text));
  if (token.development && !peer_is_loopback) {
    return TokenRefused("TOKEN_DEVELOPMENT_REFUSED",
                        "A token of the development issuer counts on this machine only. Get one "
                        "from the configured issuer.");
  }
  return token;
}

absl::StatusOr<Caller> Authenticator::Admit(const grpc::ServerContextBase& context) const {
  return Admit(context.client_metadata(), context.peer());
}

absl::StatusOr<Caller> Authenticator::Admit(const CallMetadata& metadata,
                                            absl::string_view peer) const {
  ASSIGN_OR_RETURN(Caller caller, CallerFrom(metadata, peer));
  if (limiter_ != nullptr) RETURN_IF_ERROR(limiter_->Admit(caller.key()));
  return caller;
}

absl::StatusOr<Caller> Authenticator::CallerFrom(const grpc::ServerContextBase& context) const {
  return CallerFrom(context.client_metadata(), context.peer());
}

absl::StatusOr<Caller> Authenticator::CallerFrom(const CallMetadata& metadata,
                                                 absl::string_view peer) const {
  Caller caller;
  caller.peer_is_loopback = IsLoopbackPeer(peer);
  ASSIGN_OR_RETURN(Token token, Authenticate(metadata, caller.peer_is_loopback));
  ASSIGN_OR_RETURN(caller.purpose, PurposeFrom(metadata));
  ASSIGN_OR_RETURN(caller.break_glass_reason, BreakGlassReasonFrom(metadata));
  caller.issuer = std::move(token.issuer);
  caller.subject = std::move(token.subject);
  caller.token_roles = std::move(token.roles);
  caller.ends_at = verifier_.EndOf(token);
  caller.development = token.development;
  caller.development_claims = std::move(token.development_claims);
  return caller;
}

}  // namespace records::services
