#pragma once

#include <grpcpp/server_context.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/key_store.h"
#include "services/runtime/authoriser.h"

namespace records::services {

// A caller who may read, and whose record they asked for.
struct AdmittedRead {
  Authorised caller;
  std::string asked_for;  // the landlord's reference
  // Of a customer who is absent: one under whom nothing is. What is read until the refusal is read
  // there, so that who answers, and with how much work, tells nothing.
  eventstore::DirectoryEntry whom;
  bool absent = false;
  // Of a view in another process, else empty: the read as the ledger knows it, and what the ledger
  // is asked when it is to be admitted again, the caller's token with it.
  std::string ticket = {};
  std::string again = {};
};

// What stands before a view: says who may read what, finds whom they mean, and leaves the trace.
// The view beside the log asks the parts of its own process (LocalGate), one in another process the
// ledger (RemoteGate, services/remote): its code is the same.
//
// Thread-safe. Each `done` is called once, perhaps before the call returns.
class ReadGate {
 public:
  virtual ~ReadGate() = default;

  // Admits a read of `customer`. Errors as Authoriser::Authorise(). `context` is not looked at
  // after it has returned.
  virtual void Admit(const grpc::ServerContextBase& context, absl::string_view method,
                     absl::string_view customer,
                     absl::AnyInvocable<void(absl::StatusOr<AdmittedRead>)> done) = 0;

  // Traces what is about to be answered. With anything but OK nothing may be.
  virtual void Trace(const AdmittedRead& read, const std::vector<std::string>& categories,
                     uint32_t events, absl::AnyInvocable<void(absl::Status)> done) = 0;

  // Traces a refusal, and gives it: kPermissionDenied, the same for whatever reason.
  virtual void Refuse(const AdmittedRead& read, absl::AnyInvocable<void(absl::Status)> done) = 0;

  // Asked again for a read that goes on. False: the customer is being erased. Errors: the caller
  // may read no more (Authoriser::StillAuthorised()). May wait for the ledger.
  [[nodiscard]] virtual absl::StatusOr<bool> StillAdmitted(const AdmittedRead& read) = 0;

  // The follows under way.
  virtual OpenStreams& streams() = 0;
};

}  // namespace records::services
