#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/errors/errors.h"
#include "services/runtime/authoriser.h"
#include "services/runtime/command.h"
#include "services/validation/fields.h"

namespace records::services {

// What a service needs to answer. Owned by main; outlives the services.
struct Backend {
  const Runtime& runtime;
  Authoriser& authoriser;
  CommandRunner& commands;
  Tracer& tracer;
};

// Reason of the one refusal that tells that a customer exists.
inline constexpr absl::string_view kCustomerExists = "CUSTOMER_EXISTS";

// Where a command's planning runs.
enum class Planning {
  kInline,   // state is read, and all keys are as a rule there: on the thread of the call
  kMayWait,  // claims or makes keys, which waits for a disk: on a thread of the executor
};

// One command rpc: authorise, refuse card numbers, look up, plan, append, reply.
template <typename Request, typename Response>
struct CommandHandler {
  std::string method;     // full name
  std::string asked_for;  // for the trace of a refusal
  // The call is about this work stream, as of Authoriser::AuthoriseWork().
  std::optional<std::string> work_stream = std::nullopt;
  Planning planning = Planning::kInline;
  std::function<absl::StatusOr<Plan>(const Authorised&, const eventstore::RequestKey&)> plan;
  std::function<absl::Status(const Authorised&, const Outcome&, Response&)> reply;
  bool reply_waits = false;  // for a view to catch up: on a thread of the executor
};

inline absl::Time DeadlineOf(const grpc::ServerContextBase& context) {
  const auto deadline = context.deadline();
  return deadline == std::chrono::system_clock::time_point::max() ? absl::InfiniteFuture()
                                                                  : absl::FromChrono(deadline);
}

// The answer to a retry of a request whose record was erased since: where it stood, and that it is
// gone; the same whatever the retry says.
absl::Status WasErased(const Backend& backend, const Authorised& caller, const Outcome& outcome);

namespace internal {

template <typename Request, typename Response>
void RunAuthorised(Backend& backend, std::shared_ptr<CommandHandler<Request, Response>> handler,
                   std::shared_ptr<const Authorised> caller, Command command, Response* response,
                   std::function<void(absl::Status)> finish) {
  command.planner = [handler, caller](const eventstore::RequestKey& key) {
    return handler->plan(*caller, key);
  };
  backend.commands.Run(std::move(command), [&backend, handler, caller, response,
                                            finish](absl::StatusOr<Outcome> outcome) {
    if (absl::IsPermissionDenied(outcome.status())) {
      return backend.authoriser.Refuse(*caller, handler->asked_for, finish);
    }
    // That a customer exists is told, so it leaves a trace as a read does.
    if (ReasonOf(outcome.status()) == kCustomerExists) {
      return backend.authoriser.Refuse(*caller, handler->asked_for,
                                       [finish, told = outcome.status()](absl::Status traced) {
                                         finish(absl::IsPermissionDenied(traced) ? told : traced);
                                       });
    }
    if (!outcome.ok()) return finish(outcome.status());
    if (outcome->erased) return finish(WasErased(backend, *caller, *outcome));
    auto reply = [handler, caller, response, finish, outcome = *std::move(outcome)] {
      finish(handler->reply(*caller, outcome, *response));
    };
    if (!handler->reply_waits) return reply();
    if (!backend.runtime.executor.Run(std::move(reply))) finish(ServerBusy());
  });
}

}  // namespace internal

// Handles one unary command. `request` and `response` live until the reactor is finished.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* HandleCommand(Backend& backend, grpc::CallbackServerContext* context,
                                        const Request* request, Response* response,
                                        CommandHandler<Request, Response> described) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto handler = std::make_shared<CommandHandler<Request, Response>>(std::move(described));
  std::function<void(absl::Status)> finish = [reactor](absl::Status status) {
    reactor->Finish(ToGrpcStatus(status));
  };
  const absl::Time deadline = DeadlineOf(*context);
  auto authorised = [&backend, handler, request, response, deadline,
                     finish](absl::StatusOr<Authorised> caller) {
    if (!caller.ok()) return finish(caller.status());
    if (absl::Status cards = RefuseCardNumbers(*request); !cards.ok()) return finish(cards);
    Command command{.caller = *caller,
                    .request_id = request->request_id(),
                    .canonical = CanonicalBytes(*request),
                    .deadline = deadline};
    auto shared = std::make_shared<const Authorised>(*std::move(caller));
    auto run = [&backend, handler, shared, response, finish,
                command = std::move(command)]() mutable {
      internal::RunAuthorised(backend, handler, shared, std::move(command), response, finish);
    };
    if (handler->planning == Planning::kInline) return run();
    if (!backend.runtime.executor.Run(std::move(run))) finish(ServerBusy());
  };
  if (handler->work_stream.has_value()) {
    backend.authoriser.AuthoriseWork(*context, handler->method, *handler->work_stream,
                                     std::move(authorised));
  } else {
    backend.authoriser.Authorise(*context, handler->method, handler->asked_for,
                                 std::move(authorised));
  }
  return reactor;
}

// Traces the reading of several records, one trace each, then calls `finish`: with OK when all are
// durable, else with the first error.
void TraceAll(const Backend& backend, const Authorised& caller,
              std::vector<eventstore::DirectoryEntry> read, std::vector<std::string> categories,
              std::function<void(absl::Status)> finish);

// What a trace says of an allowed read.
records::events::v1::ReadTrace TraceOf(const Authorised& caller,
                                       const std::vector<std::string>& categories,
                                       uint32_t events_opened);

}  // namespace records::services
