#include "services/remote/remote_gate.h"

#include <memory>
#include <utility>
#include <variant>

#include "eventstore/status_macros.h"
#include "services/errors/errors.h"
#include "services/policy/decide.h"
#include "services/policy/view_policy.h"
#include "services/runtime/asked_for.h"
#include "services/runtime/command.h"

namespace records::services {
namespace {

namespace api = records::api::v1;

std::string First(const CallMetadata& metadata, const char* name) {
  const auto found = metadata.find(name);
  if (found == metadata.end()) return "";
  return {found->second.data(), found->second.size()};
}

}  // namespace

template <typename Request>
void RemoteGate::SayWhoCalls(const grpc::ServerContextBase& context, const Caller& caller,
                             absl::string_view method, Request& request) const {
  request.set_authorization(First(context.client_metadata(), "authorization"));
  request.set_purpose(caller.purpose);
  request.set_break_glass_reason(caller.break_glass_reason);
  request.set_over_loopback(caller.peer_is_loopback);
  request.set_method(std::string(method));
  request.set_register_digest(register_digest_);
}

absl::StatusOr<AdmittedRead> RemoteGate::ReadFrom(Caller caller, const api::ResolveRequest& request,
                                                  api::ResolveResponse answer) const {
  const auto* access = methods_.Find(request.method());
  if (access == nullptr) return PermissionDenied();
  const absl::flat_hash_set<std::string> granted(answer.granted_roles().begin(),
                                                 answer.granted_roles().end());
  auto decided = Decide({.offered = caller.token_roles,
                         .granted = granted,
                         .access = *access,
                         .purpose = caller.purpose,
                         .relations = {}},
                        decisions_);
  const auto* decision = std::get_if<Decision>(&decided);
  if (decision == nullptr) return PermissionDenied();
  AdmittedRead read{
      .caller = {.caller = std::move(caller), .method = request.method(), .staff = {}},
      .asked_for = request.customer(),
      .whom = {},
      .absent = answer.absent(),
      .ticket = answer.ticket()};
  read.caller.decision = *decision;
  ASSIGN_OR_RETURN(read.whom.root, eventstore::RootId::FromBytes(answer.root()));
  api::ResolveRequest again = request;
  again.set_again(true);
  read.again = again.SerializeAsString();
  return read;
}

void RemoteGate::Admit(const grpc::ServerContextBase& context, absl::string_view method,
                       absl::string_view customer,
                       absl::AnyInvocable<void(absl::StatusOr<AdmittedRead>)> done) {
  absl::StatusOr<Caller> caller = authenticator_.Admit(context);
  if (!caller.ok()) return done(caller.status());
  api::ResolveRequest request;
  SayWhoCalls(context, *caller, method, request);
  request.set_customer(std::string(customer));
  auto answered = [this, caller = *std::move(caller), request,
                   done = std::move(done)](absl::StatusOr<api::ResolveResponse> answer) mutable {
    auto shared = std::make_shared<decltype(done)>(std::move(done));
    auto go_on = [this, shared, caller = std::move(caller), request = std::move(request),
                  answer = std::move(answer)]() mutable {
      if (!answer.ok()) return (*shared)(answer.status());
      (*shared)(ReadFrom(std::move(caller), request, *std::move(answer)));
    };
    if (!executor_.Run(std::move(go_on))) (*shared)(ServerBusy());
  };
  ledger_.ResolveAsync(std::move(request), std::move(answered));
}

void RemoteGate::Trace(const AdmittedRead& read, const std::vector<std::string>& categories,
                       uint32_t events, absl::AnyInvocable<void(absl::Status)> done) {
  api::TraceReadRequest request;
  request.set_ticket(read.ticket);
  for (const std::string& category : categories) request.add_categories(category);
  request.set_events_opened(events);
  // What follows may ask the ledger, and gRPC has few threads.
  auto traced = [this, done = std::move(done)](absl::Status status) mutable {
    auto shared = std::make_shared<decltype(done)>(std::move(done));
    if (!executor_.Run([shared, status] { (*shared)(status); })) (*shared)(ServerBusy());
  };
  ledger_.TraceReadAsync(std::move(request), std::move(traced));
}

void RemoteGate::Refuse(const AdmittedRead& read, absl::AnyInvocable<void(absl::Status)> done) {
  api::TraceReadRequest request;
  request.set_ticket(read.ticket);
  request.set_refused(true);
  ledger_.TraceReadAsync(std::move(request), [done = std::move(done)](absl::Status traced) mutable {
    // The ledger's own answer is the refusal; an OK would be none.
    done(traced.ok() ? PermissionDenied() : std::move(traced));
  });
}

absl::StatusOr<bool> RemoteGate::StillAdmitted(const AdmittedRead& read) {
  if (streams_.ended()) return ServerStopping();
  if (clock_.Now() >= read.caller.caller.ends_at) return TokenExpired();
  api::ResolveRequest request;
  if (!request.ParseFromString(read.again)) return absl::InternalError("a read of no gate");
  ASSIGN_OR_RETURN(api::ResolveResponse answer, ledger_.Resolve(request));
  const bool is_there = !answer.absent();
  ASSIGN_OR_RETURN(const AdmittedRead now,
                   ReadFrom(read.caller.caller, request, std::move(answer)));
  if (!StillCovers(now.caller.decision, read.caller.decision)) return PermissionDenied();
  return is_there;
}

void RemoteGate::AdmitOperator(const grpc::ServerContextBase& context, absl::string_view method,
                               absl::AnyInvocable<void(absl::StatusOr<AdmittedOperator>)> done) {
  absl::StatusOr<Caller> caller = authenticator_.Admit(context);
  if (!caller.ok()) return done(caller.status());
  api::AdmitOperatorRequest request;
  SayWhoCalls(context, *caller, method, request);
  AdmittedOperator admitted{
      .caller = {.caller = *std::move(caller), .method = std::string(method), .staff = {}}};
  auto shared = std::make_shared<decltype(done)>(std::move(done));
  auto ask = [this, shared, admitted = std::move(admitted), request]() mutable {
    const absl::Status answer = ledger_.AdmitOperator(request);
    if (!answer.ok()) return (*shared)(answer);
    request.set_again(true);
    admitted.again = request.SerializeAsString();
    (*shared)(std::move(admitted));
  };
  if (!executor_.Run(std::move(ask))) (*shared)(ServerBusy());
}

absl::Status RemoteGate::StillAdmitted(const AdmittedOperator& admitted) {
  if (streams_.ended()) return ServerStopping();
  if (clock_.Now() >= admitted.caller.caller.ends_at) return TokenExpired();
  api::AdmitOperatorRequest request;
  if (!request.ParseFromString(admitted.again)) return absl::InternalError("a call of no gate");
  return ledger_.AdmitOperator(request);
}

}  // namespace records::services
