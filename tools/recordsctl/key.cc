#include <unistd.h>

#include <iostream>

#include "records/api/v1/ledger_service.grpc.pb.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/request_command.h"
#include "tools/recordsctl/table.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;
using Service = api::LedgerService;

void AddStatus(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand("status", "State of the key store: counts, never a key");
  Bind(command, session,
       RequestCommand<Service, api::GetKeyStatusRequest, api::GetKeyStatusResponse>{
           .doing = "get the status of the keys",
           .method = &Service::Stub::GetKeyStatus,
           .required = {},
           .from_flags = [](api::GetKeyStatusRequest&) { return absl::OkStatus(); },
           .print =
               [&session](const api::GetKeyStatusResponse& reply) {
                 session.out << RenderFields(
                     {{"master key generation", absl::StrCat(reply.master_key_generation())},
                      {"made at",
                       FormatMoment(reply.master_key_created_at_us(), absl::LocalTimeZone())},
                      {"live keys", absl::StrCat(reply.keys())},
                      {"fenced subjects", absl::StrCat(reply.fenced_subjects())},
                      {"changes so far", absl::StrCat(reply.sequence())}},
                     session.Width());
               }});
}

// Asks the person at the terminal. A kInvalidArgument tells how to go on without one.
absl::Status AskToRotate(const Session& session) {
  if (session.options.no_input || isatty(STDIN_FILENO) != 1) {
    return absl::InvalidArgumentError(
        "this destroys the old master key, and every key backup made under it: give --confirm");
  }
  session.err << "This makes a new master key and destroys the old one; backups of the keys made "
                 "so far cannot be opened any more.\nType `rotate` to go on: "
              << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "rotate" ? absl::OkStatus()
                            : absl::InvalidArgumentError("not confirmed, nothing was changed");
}

void AddRotate(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "rotate", "New master key; the old one, and key backups under it, are destroyed");
  auto confirm = std::make_shared<bool>(false);
  command->add_flag("--confirm", *confirm, "do not ask");
  Bind(command, session,
       RequestCommand<Service, api::RotateMasterKeyRequest, api::RotateMasterKeyResponse>{
           .doing = "rotate the master key",
           .method = &Service::Stub::RotateMasterKey,
           .required = {},
           .from_flags =
               [&session, confirm](api::RotateMasterKeyRequest&) {
                 return *confirm ? absl::OkStatus() : AskToRotate(session);
               },
           .print =
               [&session](const api::RotateMasterKeyResponse& reply) {
                 session.out << RenderFields(
                     {{"done", "master key rotated"},
                      {"generation", absl::StrCat(reply.master_key_generation())},
                      {"keys wrapped anew", absl::StrCat(reply.keys())},
                      {"next", "recordsctl backup create: older backups of the keys are void"}},
                     session.Width());
               },
           .takes_input = false});
}

}  // namespace

void AddKeyCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("key", "The keys that seal what is personal");
  AddStatus(noun, session);
  AddRotate(noun, session);
}

}  // namespace records::tools
