#include "services/runtime/authoriser.h"

#include <utility>
#include <variant>

#include "eventstore/limits.h"
#include "eventstore/status_macros.h"
#include "services/customer/customers.h"
#include "services/errors/errors.h"
#include "services/policy/view_policy.h"
#include "services/runtime/asked_for.h"

namespace records::services {
namespace {

constexpr size_t kAskedForBytesMax = 64;

records::events::v1::ReadTrace RefusalTrace(const Authorised& refused,
                                            absl::string_view asked_for) {
  records::events::v1::ReadTrace trace;
  trace.set_reader(std::string(refused.staff.subject.bytes()));
  trace.set_purpose(refused.caller.purpose);
  trace.set_method(refused.method);
  trace.set_refused(true);
  trace.set_asked_for(std::string(CutAskedFor(asked_for, kAskedForBytesMax)));
  return trace;
}

}  // namespace

Authoriser::Authoriser(const Runtime& runtime, const DecisionTable& decisions,
                       const MethodTable& methods, const projections::GrantsView& grants,
                       const Authenticator& authenticator, const Tracer& tracer)
    : runtime_(runtime),
      decisions_(decisions),
      methods_(methods),
      grants_(grants),
      authenticator_(authenticator),
      tracer_(tracer) {}

absl::StatusOr<std::optional<eventstore::DirectoryEntry>> Authoriser::FindStaff(
    const Caller& caller) const {
  // Nobody was granted a role under a longer name; the directory refuses it.
  if (caller.key().size() > eventstore::kReferenceLengthMax) {
    return std::optional<eventstore::DirectoryEntry>();
  }
  return runtime_.keys.Resolve(runtime_.organisation, kStaffReferences, caller.key());
}

absl::StatusOr<Decision> Authoriser::DecideFor(const Caller& caller, absl::string_view method,
                                               const eventstore::DirectoryEntry& staff) const {
  const auto* access = methods_.Find(method);
  if (access == nullptr) return PermissionDenied();
  ASSIGN_OR_RETURN(auto granted, grants_.RolesOf(staff.root));
  auto decided = Decide({.offered = caller.token_roles,
                         .granted = granted,
                         .access = *access,
                         .purpose = caller.purpose,
                         .relations = {}},
                        decisions_);
  if (const auto* decision = std::get_if<Decision>(&decided)) return *decision;
  return PermissionDenied();
}

void Authoriser::Authorise(const grpc::ServerContextBase& context, absl::string_view method,
                           absl::string_view asked_for,
                           absl::AnyInvocable<void(absl::StatusOr<Authorised>)> done) {
  auto caller = authenticator_.Admit(context);
  if (!caller.ok()) return done(caller.status());
  AuthoriseCaller(*std::move(caller), method, asked_for, std::move(done));
}

void Authoriser::AuthoriseCaller(Caller caller, absl::string_view method,
                                 absl::string_view asked_for,
                                 absl::AnyInvocable<void(absl::StatusOr<Authorised>)> done) {
  auto staff = FindStaff(caller);
  if (!staff.ok()) return done(staff.status());
  // Nobody ever granted this caller a role: there is no record to leave a trace in.
  if (!staff->has_value()) return done(PermissionDenied());
  Authorised authorised{
      .caller = std::move(caller), .method = std::string(method), .staff = **staff};
  auto decision = DecideFor(authorised.caller, method, authorised.staff);
  if (absl::IsPermissionDenied(decision.status())) {
    return Refuse(authorised, asked_for,
                  [done = std::move(done)](absl::Status status) mutable { done(status); });
  }
  if (!decision.ok()) return done(decision.status());
  authorised.decision = *decision;
  done(std::move(authorised));
}

void Authoriser::AuthoriseWork(const grpc::ServerContextBase& context, absl::string_view method,
                               absl::string_view work_stream,
                               absl::AnyInvocable<void(absl::StatusOr<Authorised>)> done) {
  auto narrow = [this, stream = std::string(work_stream),
                 done = std::move(done)](absl::StatusOr<Authorised> caller) mutable {
    if (!caller.ok()) return done(caller.status());
    const auto decision = OnWorkStream(caller->decision, stream);
    if (!decision.has_value()) {
      return Refuse(*caller, stream,
                    [done = std::move(done)](absl::Status status) mutable { done(status); });
    }
    caller->decision = *decision;
    caller->work_stream = std::move(stream);
    done(std::move(caller));
  };
  Authorise(context, method, work_stream, std::move(narrow));
}

absl::Status Authoriser::StillAuthorised(const Authorised& authorised) const {
  if (streams_.ended()) return ServerStopping();
  if (runtime_.clock.Now() >= authorised.caller.ends_at) return TokenExpired();
  ASSIGN_OR_RETURN(const Decision decision,
                   DecideFor(authorised.caller, authorised.method, authorised.staff));
  std::optional<Decision> now = decision;
  if (!authorised.work_stream.empty()) now = OnWorkStream(decision, authorised.work_stream);
  if (now.has_value() && StillCovers(*now, authorised.decision)) return absl::OkStatus();
  return PermissionDenied();
}

void Authoriser::Refuse(const Authorised& authorised, absl::string_view asked_for,
                        absl::AnyInvocable<void(absl::Status)> done) {
  tracer_.Trace(authorised.staff, kStaff, RefusalTrace(authorised, asked_for),
                [done = std::move(done)](absl::Status traced) mutable {
                  // No trace, no answer: not even a refusal.
                  done(traced.ok() ? PermissionDenied() : traced);
                });
}

}  // namespace records::services
