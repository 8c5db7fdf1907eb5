#pragma once

#include <grpcpp/server_context.h>

#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/key_store.h"
#include "projections/grants/grants_view.h"
#include "services/auth/caller.h"
#include "services/policy/decide.h"
#include "services/policy/method_table.h"
#include "services/runtime/open_streams.h"
#include "services/runtime/runtime.h"
#include "services/runtime/tracer.h"

namespace records::services {

// A caller who may go on, and what they may open.
struct Authorised {
  Caller caller;
  std::string method;                // full name
  eventstore::DirectoryEntry staff;  // the caller as a data subject
  Decision decision;  // categories that may be opened, with the role that allows each
  // Of a call about a work stream: its name. The decision is that of the roles that take it.
  std::string work_stream = {};

  // Names the caller for tokens and request ids.
  std::string Name() const { return caller.key(); }
  bool MayOpen(absl::string_view category) const { return decision.allowed.contains(category); }
};

// Says who calls and what they may do: token, grants, register (design, section 7).
//
// Thread-safe.
class Authoriser {
 public:
  Authoriser(const Runtime& runtime, const DecisionTable& decisions, const MethodTable& methods,
             const projections::GrantsView& grants, const Authenticator& authenticator,
             const Tracer& tracer);

  // Decides a call. Calls `done` once, perhaps before it returns, with:
  //   kUnauthenticated    what is wrong with the token
  //   kInvalidArgument    what is wrong with the purpose
  //   kResourceExhausted  the caller is over the rate
  //   kPermissionDenied   refused; the refusal of a known caller is traced before `done` is called
  //
  // `asked_for` is the reference that the call is about, for the trace of a refusal; it may be
  // empty.
  void Authorise(const grpc::ServerContextBase& context, absl::string_view method,
                 absl::string_view asked_for,
                 absl::AnyInvocable<void(absl::StatusOr<Authorised>)> done);

  // As Authorise(), for a caller who was admitted already.
  void AuthoriseCaller(Caller caller, absl::string_view method, absl::string_view asked_for,
                       absl::AnyInvocable<void(absl::StatusOr<Authorised>)> done);

  // The roles that were granted to a member of staff.
  [[nodiscard]] absl::StatusOr<absl::flat_hash_set<std::string>> GrantedRoles(
      const eventstore::DirectoryEntry& staff) const {
    return grants_.RolesOf(staff.root);
  }

  const Authenticator& authenticator() const { return authenticator_; }

  // As Authorise(), for a call about a work stream. Who may make such calls and takes other streams
  // is refused as everybody else, whether there is that stream or not.
  void AuthoriseWork(const grpc::ServerContextBase& context, absl::string_view method,
                     absl::string_view work_stream,
                     absl::AnyInvocable<void(absl::StatusOr<Authorised>)> done);

  // Decides again for a stream that goes on: the token may have expired, a role been revoked.
  // kUnavailable: the server stops, and with it all streams.
  absl::Status StillAuthorised(const Authorised& authorised) const;

  OpenStreams& streams() const { return streams_; }

  // Refuses what an authorised caller asked for, because it is absent or forbidden: traced, and the
  // same bytes either way. `asked_for` is kept in the trace only.
  void Refuse(const Authorised& authorised, absl::string_view asked_for,
              absl::AnyInvocable<void(absl::Status)> done);

 private:
  // Finds the caller as a data subject; nullopt when nobody ever granted them a role.
  absl::StatusOr<std::optional<eventstore::DirectoryEntry>> FindStaff(const Caller& caller) const;
  // kPermissionDenied: refused.
  absl::StatusOr<Decision> DecideFor(const Caller& caller, absl::string_view method,
                                     const eventstore::DirectoryEntry& staff) const;

  Runtime runtime_;
  const DecisionTable& decisions_;
  const MethodTable& methods_;
  const projections::GrantsView& grants_;
  const Authenticator& authenticator_;
  const Tracer& tracer_;
  mutable OpenStreams streams_;
};

}  // namespace records::services
