#pragma once

#include <grpcpp/server_context.h>

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/runtime/authoriser.h"

namespace records::services {

// Who runs the system, and was let in for one call.
struct AdmittedOperator {
  Authorised caller;
  // Of a view in another process, else empty: what the ledger is asked when they are to be let in
  // again, their token with it.
  std::string again = {};
};

// What stands before the operations on a view: says who may, and leaves the trace. Beside the log
// it asks the parts of its own process (LocalOperatorGate, services/views), in another process the
// ledger (RemoteGate, services/remote).
//
// Thread-safe.
class OperatorGate {
 public:
  virtual ~OperatorGate() = default;

  // Lets in who may call `method`, once the trace is durable. Calls `done` once, perhaps before it
  // returns. Errors as Authoriser::Authorise(). `context` is not looked at after it has returned.
  virtual void AdmitOperator(const grpc::ServerContextBase& context, absl::string_view method,
                             absl::AnyInvocable<void(absl::StatusOr<AdmittedOperator>)> done) = 0;

  // Asked again for a call that goes on. Errors: the caller may not any more. May wait for the
  // ledger.
  [[nodiscard]] virtual absl::Status StillAdmitted(const AdmittedOperator& admitted) = 0;

  // The streams under way.
  virtual OpenStreams& streams() = 0;
};

}  // namespace records::services
