#pragma once

#include <functional>
#include <string>

#include "services/runtime/rpc.h"

// Methods for who runs the system: each leaves a trace with whoever calls, before it is done.
namespace records::services {

// Authorises a call, and leaves a trace with the caller. The backend outlives the call.
void AuthoriseTraced(Backend& backend, grpc::CallbackServerContext& context,
                     const std::string& method,
                     std::function<void(absl::StatusOr<Authorised>)> done);

// What Authorise() is to call for this: leaves the trace, then calls `done`.
std::function<void(absl::StatusOr<Authorised>)> TraceCaller(
    Backend& backend, std::function<void(absl::StatusOr<Authorised>)> done);

// The same, then runs `work` on a thread of the executor: what it does waits for a disk.
grpc::ServerUnaryReactor* Administer(Backend& backend, grpc::CallbackServerContext* context,
                                     const std::string& method,
                                     std::function<absl::Status(const Authorised&)> work);

}  // namespace records::services
