#include "services/runtime/administration.h"

#include <utility>

namespace records::services {

void AuthoriseTraced(Backend& backend, grpc::CallbackServerContext& context,
                     const std::string& method,
                     std::function<void(absl::StatusOr<Authorised>)> done) {
  backend.authoriser.Authorise(context, method, "", TraceCaller(backend, std::move(done)));
}

std::function<void(absl::StatusOr<Authorised>)> TraceCaller(
    Backend& backend, std::function<void(absl::StatusOr<Authorised>)> done) {
  return [&backend, done = std::move(done)](absl::StatusOr<Authorised> caller) {
    if (!caller.ok()) return done(caller.status());
    backend.tracer.Trace(caller->staff, kStaff, TraceOf(*caller, {}, 0),
                         [done, caller = *caller](absl::Status traced) {
                           if (!traced.ok()) return done(traced);
                           done(caller);
                         });
  };
}

grpc::ServerUnaryReactor* Administer(Backend& backend, grpc::CallbackServerContext* context,
                                     const std::string& method,
                                     std::function<absl::Status(const Authorised&)> work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto finish = [reactor](absl::Status status) { reactor->Finish(ToGrpcStatus(status)); };
  AuthoriseTraced(backend, *context, method,
                  [&backend, finish, work = std::move(work)](absl::StatusOr<Authorised> caller) {
                    if (!caller.ok()) return finish(caller.status());
                    auto run = [finish, work, caller = *std::move(caller)] {
                      finish(work(caller));
                    };
                    if (!backend.runtime.executor.Run(std::move(run))) finish(ServerBusy());
                  });
  return reactor;
}

}  // namespace records::services
