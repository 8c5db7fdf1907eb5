#include "absl/strings/str_join.h"
#include "records/api/v1/access_service.grpc.pb.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/request_command.h"
#include "tools/recordsctl/table.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;
using Service = api::AccessService;

void PrintAccess(Session& session, const api::ListAccessResponse& reply) {
  Table table({"WHEN", "WHO", "ROLE", "PURPOSE", "WHAT", "CATEGORIES", "EVENTS"});
  for (const api::AccessEntry& entry : reply.entries()) {
    table.AddRow({FormatMoment(entry.at_us(), absl::LocalTimeZone()),
                  entry.reader().empty() ? "(erased)" : entry.reader(), entry.role(),
                  entry.purpose(), ShortName(entry.method()),
                  absl::StrJoin(entry.categories(), ", "), absl::StrCat(entry.events_opened())});
  }
  session.out << (table.empty() ? "nobody looked\n" : table.Render(session.Width()));
  if (!reply.next_page_token().empty()) {
    session.err << "more: --page-token '" << reply.next_page_token() << "'\n";
  }
}

// Grant and revoke take the same flags.
struct RoleFlags {
  std::string subject;
  std::string issuer;
  std::string role;
};

template <typename Request, typename Reply>
void AddRoleVerb(CLI::App* noun, Session& session, const std::string& verb, const std::string& help,
                 grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&,
                                                       Reply*)) {
  auto* command = noun->add_subcommand(verb, help);
  auto flags = std::make_shared<RoleFlags>();
  command->add_option("--subject", flags->subject, "the member of staff: subject of their token");
  command->add_option("--issuer", flags->issuer, "issuer of their token; yours by default");
  command->add_option("--role", flags->role, "the role");
  Bind(command, session,
       RequestCommand<Service, Request, Reply>{
           .doing = verb + " the role",
           .method = method,
           .required = {"--subject", "--role"},
           .from_flags =
               [flags](Request& request) {
                 request.set_subject(flags->subject);
                 request.set_issuer(flags->issuer);
                 request.set_role(flags->role);
                 return absl::OkStatus();
               },
           .print =
               [&session, flags, verb](const Reply&) {
                 session.out << RenderFields(
                     {{"done", "role " + verb + (verb == "grant" ? "ed" : "d")}}, session.Width());
               }});
}

}  // namespace

void AddAccessCommands(CLI::App& app, Session& session) {
  struct Flags {
    std::string customer;
    int page_size = 0;
    std::string page_token;
  };
  auto* noun = app.add_subcommand("access", "Who looked at a customer's record");
  auto* command = noun->add_subcommand("list", "List who looked, when and what for, newest first");
  auto flags = std::make_shared<Flags>();
  command->add_option("--customer", flags->customer, "the landlord's reference");
  command->add_option("--page-size", flags->page_size, "entries in a page, 50 by default");
  command->add_option("--page-token", flags->page_token, "goes on where a page ended");
  Bind(command, session,
       RequestCommand<Service, api::ListAccessRequest, api::ListAccessResponse>{
           .doing = "list who looked",
           .method = &Service::Stub::ListAccess,
           .required = {"--customer"},
           .from_flags =
               [flags](api::ListAccessRequest& request) {
                 request.set_customer(flags->customer);
                 request.set_page_size(flags->page_size);
                 request.set_page_token(flags->page_token);
                 return absl::OkStatus();
               },
           .print =
               [&session](const api::ListAccessResponse& reply) { PrintAccess(session, reply); }});
}

void AddRoleCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("role", "Roles of members of staff");
  AddRoleVerb<api::GrantRoleRequest, api::GrantRoleResponse>(
      noun, session, "grant", "Grant a role; nobody to themselves", &Service::Stub::GrantRole);
  AddRoleVerb<api::RevokeRoleRequest, api::RevokeRoleResponse>(
      noun, session, "revoke", "Revoke a role, at once and everywhere", &Service::Stub::RevokeRole);
}

}  // namespace records::tools
