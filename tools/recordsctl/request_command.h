#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/recordsctl/client.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/session.h"

namespace records::tools {

// A command that sends one request and prints the reply. The request comes from flags, or as JSON
// from --input; a command that records gets --request-id, and makes one where none is given.
template <typename Service, typename Request, typename Reply>
struct RequestCommand {
  std::string doing;  // "record the contact"
  grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Reply*);
  std::vector<std::string> required;  // flags without which it is not sent
  std::function<absl::Status(Request&)> from_flags;
  std::function<void(const Reply&)> print;
  bool takes_input = true;
};

template <typename Request>
concept HasRequestId = requires(Request request) {
  request.set_request_id(std::string());
};

// Sets the request id that was given, or a fresh one where the request has none.
template <HasRequestId Request>
absl::Status SetRequestId(Session& session, const std::string& given, Request& request) {
  if (!given.empty() && !request.request_id().empty() && given != request.request_id()) {
    return absl::InvalidArgumentError("--request-id differs from the one in --input");
  }
  auto id = session.RequestId(given.empty() ? request.request_id() : given);
  if (!id.ok()) return id.status();
  request.set_request_id(*std::move(id));
  return absl::OkStatus();
}

template <typename Service, typename Request, typename Reply>
int RunRequestCommand(Session& session, const CLI::App& command, const std::string& request_id,
                      const RequestCommand<Service, Request, Reply>& spec) {
  Request request;
  absl::Status status = ReadRequest(
      session, command, spec.required, [&] { return spec.from_flags(request); }, request);
  if constexpr (HasRequestId<Request>) {
    if (status.ok()) status = SetRequestId(session, request_id, request);
  }
  if (!status.ok()) {
    return session.Usage(status.message(),
                         absl::StrCat("see `recordsctl ", command.get_parent()->get_name(), " ",
                                      command.get_name(), " --help`"));
  }
  const int code = CallAndPrint<Service>(session, spec.doing, spec.method, request, spec.print);
  if constexpr (HasRequestId<Request>) {
    // The outcome is not known: only the same id makes a second try safe.
    if (code == kExitUnreachable) {
      session.err << "request id: " << request.request_id() << " (--request-id)\n";
    }
  }
  return code;
}

// Makes `command`, whose flags are there already, run `spec`.
template <typename Service, typename Request, typename Reply>
void Bind(CLI::App* command, Session& session, RequestCommand<Service, Request, Reply> spec) {
  auto request_id = std::make_shared<std::string>();
  if constexpr (HasRequestId<Request>) {
    command->add_option("--request-id", *request_id,
                        "UUID of this request; give the same again to try again safely");
  }
  command->callback([command, &session, request_id, spec = std::move(spec)] {
    session.reads_input = spec.takes_input;
    session.run = [=, &session] { return RunRequestCommand(session, *command, *request_id, spec); };
  });
}

// Adds a flag that may be given several times, one value each.
inline CLI::Option* AddRepeated(CLI::App* command, const std::string& name,
                                std::vector<std::string>& values, const std::string& help) {
  return command->add_option(name, values, help + " (repeatable)")
      ->type_size(1)
      ->expected(1, 1000)
      ->allow_extra_args(false);
}

}  // namespace records::tools
