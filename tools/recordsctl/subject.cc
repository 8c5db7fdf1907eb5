#include <unistd.h>

#include <fstream>
#include <iostream>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "records/api/v1/erasure_service.grpc.pb.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/request_command.h"
#include "tools/recordsctl/subject_certificate.h"
#include "tools/recordsctl/table.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;
namespace ev = records::events::v1;
using Service = api::ErasureService;

constexpr char kSee[] = "see `recordsctl subject erase --help`";
constexpr auto kPollEvery = std::chrono::milliseconds(100);

struct EraseFlags {
  std::string customer;
  std::string ground = "no-longer-necessary";
  std::string confirm;
  std::string certificate;
  std::string request_id;
  bool dry_run = false;
};

// "consent-withdrawn" for ERASURE_GROUND_CONSENT_WITHDRAWN, and back.
std::string GroundName(ev::ErasureGround ground) {
  const std::string name = ev::ErasureGround_Name(ground);
  return absl::AsciiStrToLower(absl::StrReplaceAll(
      name.substr(std::min(name.size(), std::string("ERASURE_GROUND_").size())), {{"_", "-"}}));
}

absl::StatusOr<ev::ErasureGround> GroundOf(const std::string& name) {
  std::vector<std::string> names;
  for (int number = 1; number < ev::ERASURE_GROUND_REPLAYED; ++number) {
    const auto ground = static_cast<ev::ErasureGround>(number);
    if (GroundName(ground) == name) return ground;
    names.push_back(GroundName(ground));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--ground must be one of ", absl::StrJoin(names, ", ")));
}

std::string StateName(const api::Erasure& erasure) {
  switch (erasure.state()) {
    case api::ERASURE_STATE_CERTIFIED:
      return "certified";
    case api::ERASURE_STATE_STUCK:
      return "does not go on: " + erasure.problem();
    default:
      return "running";
  }
}

void PrintPlan(Session& session, const api::PlanErasureResponse& plan) {
  if (session.options.json) return session.PrintJson(plan);
  Table table({"CATEGORY", "KEYS THAT END"});
  for (const auto& held : plan.categories()) {
    table.AddRow({held.category(), absl::StrCat(held.keys())});
  }
  session.out << table.Render(session.Width());
  session.out << RenderFields({{"and", "every key of categories that you may not read"},
                               {"directory rows", absl::StrCat(plan.directory_rows())},
                               {"views rewritten", absl::StrJoin(plan.views(), ", ")}},
                              session.Width());
  session.out << "stays:\n";
  for (const std::string& stays : plan.stays()) session.out << "  - " << stays << "\n";
}

// kInvalidArgument: not confirmed.
absl::Status Confirm(const Session& session, const EraseFlags& flags) {
  std::string typed = flags.confirm;
  if (typed.empty()) {
    if (session.options.no_input || isatty(STDIN_FILENO) != 1) {
      return absl::InvalidArgumentError(
          "this cannot be undone: give the reference again with --confirm");
    }
    session.err << "This cannot be undone. Type the customer's reference to go on: " << std::flush;
    std::getline(std::cin, typed);
  }
  return typed == flags.customer
             ? absl::OkStatus()
             : absl::InvalidArgumentError("not the same reference, nothing was changed");
}

void PrintErasure(Session& session, const api::Erasure& erasure, const std::string& file) {
  std::vector<std::pair<std::string, std::string>> fields = {
      {"erasure", erasure.erasure()},
      {"state", StateName(erasure)},
      {"ground", GroundName(erasure.ground())},
      {"decided by", erasure.decided_by().empty() ? "(erased)" : erasure.decided_by()},
      {"decided", FormatMoment(erasure.decided_at_us(), absl::LocalTimeZone())}};
  if (erasure.state() == api::ERASURE_STATE_CERTIFIED) {
    fields.push_back({"certified", FormatMoment(erasure.certified_at_us(), absl::LocalTimeZone())});
    fields.push_back({"keys destroyed", absl::StrCat(erasure.keys_destroyed())});
  }
  for (const api::ErasureConfirmation& one : erasure.confirmations()) {
    fields.push_back(
        {"dropped by", absl::StrCat(one.confirmed_by().empty() ? "(erased)" : one.confirmed_by(),
                                    " of ", one.stream(), ", ",
                                    FormatMoment(one.confirmed_at_us(), absl::LocalTimeZone()))});
  }
  if (erasure.awaited_streams_size() > 0) {
    fields.push_back({"not yet dropped", absl::StrJoin(erasure.awaited_streams(), ", ")});
  }
  if (!file.empty()) fields.push_back({"certificate", file});
  session.out << RenderFields(fields, session.Width());
}

// Waits for the certificate, as long as --timeout says.
absl::Status AwaitCertificate(const Session& session, const Client& client,
                              const std::string& erasure, api::GetErasureResponse& reply) {
  const absl::Time give_up = absl::Now() + session.options.timeout();
  api::GetErasureRequest request;
  request.set_erasure(erasure);
  while (true) {
    const absl::Status status = client.Call<Service>(&Service::Stub::GetErasure, request, reply);
    if (!status.ok()) return status;
    if (reply.erasure().state() == api::ERASURE_STATE_CERTIFIED || absl::Now() > give_up) {
      return status;
    }
    // lint: allow(sleep) the server gives no signal to wait for, and the erasure needs no watching
    std::this_thread::sleep_for(kPollEvery);
  }
}

// Never over a file that is there.
absl::Status WriteCertificate(const std::string& path, const std::string& text) {
  if (access(path.c_str(), F_OK) == 0) {
    return absl::AlreadyExistsError(absl::StrCat(path, " is there already"));
  }
  std::ofstream file(path, std::ios::binary);
  file << text << std::flush;
  return file ? absl::OkStatus() : absl::UnavailableError(absl::StrCat("cannot write ", path));
}

int FinishErasure(Session& session, const Client& client, const std::string& erasure,
                  std::string file) {
  api::GetErasureResponse reply;
  absl::Status status = AwaitCertificate(session, client, erasure, reply);
  if (!status.ok()) return session.Fail("follow the erasure", status);
  const bool certified = reply.erasure().state() == api::ERASURE_STATE_CERTIFIED;
  if (certified) {
    if (file.empty()) file = absl::StrCat("erasure-", erasure, ".certificate");
    status = WriteCertificate(file, reply.certificate());
    if (!status.ok()) return session.Fail("write the certificate", status);
  } else {
    file.clear();
    session.err << "not certified yet: it goes on by itself, through restarts; ask again with "
                   "`recordsctl subject status --erasure "
                << erasure << "`\n";
  }
  if (session.options.json) {
    session.PrintJson(reply);
  } else {
    PrintErasure(session, reply.erasure(), file);
  }
  return certified ? kExitOk : kExitPartly;
}

int RunErase(Session& session, const EraseFlags& flags) {
  if (flags.customer.empty()) return session.Usage("--customer is required", kSee);
  const auto ground = GroundOf(flags.ground);
  if (!ground.ok()) return session.Usage(ground.status().message(), kSee);
  const auto request_id = session.RequestId(flags.request_id);
  if (!request_id.ok()) return session.Usage(request_id.status().message(), kSee);
  const auto client = Client::Create(session);
  if (!client.ok()) return session.Usage(client.status().message(), kSee);
  api::PlanErasureRequest plan_request;
  plan_request.set_customer(flags.customer);
  api::PlanErasureResponse plan;
  absl::Status status = client->Call<Service>(&Service::Stub::PlanErasure, plan_request, plan);
  if (!status.ok()) return session.Fail("plan the erasure", status);
  PrintPlan(session, plan);
  if (flags.dry_run) return kExitOk;
  status = Confirm(session, flags);
  if (!status.ok()) return session.Usage(status.message(), kSee);
  api::EraseSubjectRequest request;
  request.set_request_id(*request_id);
  request.set_plan_token(plan.plan_token());
  request.set_ground(*ground);
  api::EraseSubjectResponse decided;
  status = client->Call<Service>(&Service::Stub::EraseSubject, request, decided);
  if (!status.ok()) return session.Fail("erase the customer", status);
  return FinishErasure(session, *client, decided.erasure(), flags.certificate);
}

void AddErase(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "erase", "Erase a customer: every key, and with them all that was recorded; for ever");
  auto flags = std::make_shared<EraseFlags>();
  command->add_option("--customer", flags->customer, "the landlord's reference");
  command->add_option("--ground", flags->ground,
                      "why: no-longer-necessary, consent-withdrawn, objection, unlawful,\n"
                      "legal-obligation or retention-ended");
  command->add_flag("--dry-run", flags->dry_run, "show what would go and what would stay, only");
  command->add_option("--confirm", flags->confirm, "the reference again, instead of typing it");
  command->add_option("--certificate", flags->certificate,
                      "file for the certificate; erasure-<id>.certificate here by default");
  command->add_option("--request-id", flags->request_id,
                      "UUID of this request; give the same again to try again safely");
  command->callback(
      [&session, flags] { session.run = [&session, flags] { return RunErase(session, *flags); }; });
}

void AddStatus(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand("status", "How far an erasure is; writes its certificate");
  auto erasure = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  command->add_option("--erasure", *erasure, "its id, as `subject erase` prints it");
  command->add_option("--certificate", *file, "file for the certificate");
  command->callback([&session, erasure, file] {
    session.run = [&session, erasure, file] {
      if (erasure->empty()) return session.Usage("--erasure is required", kSee);
      const auto client = Client::Create(session);
      if (!client.ok()) return session.Usage(client.status().message(), kSee);
      return FinishErasure(session, *client, *erasure, *file);
    };
  });
}

void AddErasures(CLI::App* noun, Session& session) {
  struct Flags {
    bool unacknowledged = false;
    std::string page_token;
  };
  auto* command = noun->add_subcommand(
      "erasures", "All erasures, newest first: what the data protection officer is told");
  auto flags = std::make_shared<Flags>();
  command->add_flag("--unacknowledged", flags->unacknowledged, "only those nobody acknowledged");
  command->add_option("--page-token", flags->page_token, "goes on where a page ended");
  Bind(command, session,
       RequestCommand<Service, api::ListErasuresRequest, api::ListErasuresResponse>{
           .doing = "list the erasures",
           .method = &Service::Stub::ListErasures,
           .required = {},
           .from_flags =
               [flags](api::ListErasuresRequest& request) {
                 request.set_unacknowledged_only(flags->unacknowledged);
                 request.set_page_token(flags->page_token);
                 return absl::OkStatus();
               },
           .print =
               [&session](const api::ListErasuresResponse& reply) {
                 Table table({"ERASURE", "DECIDED", "BY", "GROUND", "STATE", "TOLD"});
                 for (const api::Erasure& erasure : reply.erasures()) {
                   table.AddRow({erasure.erasure(),
                                 FormatMoment(erasure.decided_at_us(), absl::LocalTimeZone()),
                                 erasure.decided_by().empty() ? "(erased)" : erasure.decided_by(),
                                 GroundName(erasure.ground()), StateName(erasure),
                                 erasure.objection()      ? "objected"
                                 : erasure.acknowledged() ? "yes"
                                                          : "no"});
                 }
                 session.out << (table.empty() ? "none\n" : table.Render(session.Width()));
                 if (!reply.next_page_token().empty()) {
                   session.err << "more: --page-token '" << reply.next_page_token() << "'\n";
                 }
               },
           .takes_input = false});
}

void AddAcknowledge(CLI::App* noun, Session& session) {
  struct Flags {
    std::string erasure;
    bool objection = false;
  };
  auto* command = noun->add_subcommand(
      "acknowledge", "The data protection officer was told of an erasure, and may object");
  auto flags = std::make_shared<Flags>();
  command->add_option("--erasure", flags->erasure, "its id");
  command->add_flag("--objection", flags->objection, "object, on the record");
  Bind(command, session,
       RequestCommand<Service, api::AcknowledgeErasureRequest, api::AcknowledgeErasureResponse>{
           .doing = "acknowledge the erasure",
           .method = &Service::Stub::AcknowledgeErasure,
           .required = {"--erasure"},
           .from_flags =
               [flags](api::AcknowledgeErasureRequest& request) {
                 request.set_erasure(flags->erasure);
                 request.set_objection(flags->objection);
                 return absl::OkStatus();
               },
           .print =
               [&session](const api::AcknowledgeErasureResponse&) {
                 session.out << RenderFields({{"done", "acknowledged"}}, session.Width());
               }});
}

}  // namespace

void AddSubjectCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("subject", "Erasure of a data subject");
  AddErase(noun, session);
  AddStatus(noun, session);
  AddErasures(noun, session);
  AddAcknowledge(noun, session);
  AddSubjectCertificate(noun, session);
}

}  // namespace records::tools
