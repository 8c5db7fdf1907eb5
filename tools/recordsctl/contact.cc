#include "eventstore/status_macros.h"
#include "records/api/v1/contact_service.grpc.pb.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/contact_flags.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/request_command.h"
#include "tools/recordsctl/table.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;
namespace events = records::events::v1;
using Service = api::ContactService;

// Above the longest verbatim text the server takes (20,000 characters of at most 4 bytes).
constexpr size_t kVerbatimBytesMax = 80'000;

struct RecordFlags {
  ContactFlags contact;
  ServiceRequestFlags request;
  std::string applicant;
  std::string at;
  std::string verbatim_file;
  std::string verbatim_reason;
  bool mass_mailing = false;
  bool internal = false;
  bool response_due = false;
};

void AddRecordFlags(CLI::App* command, RecordFlags& flags) {
  AddContactFlags(command, flags.contact);
  command->add_option("--applicant", flags.applicant,
                      "instead of a customer: reference of an applicant for housing");
  command->add_option("--at", flags.at, "when it happened; now by default");
  command->add_option("--verbatim-file", flags.verbatim_file,
                      "file with text to keep word for word (- for standard input)");
  command->add_option("--verbatim-reason", flags.verbatim_reason,
                      EnumHelp<events::VerbatimReason>());
  command->add_flag("--mass-mailing", flags.mass_mailing, "it was meant for all customers");
  command->add_flag("--internal", flags.internal, "nobody outside the landlord took part");
  command->add_flag("--response-due", flags.response_due, "a social media post is due an answer");
  AddServiceRequestFlags(command, flags.request);
}

absl::Status FillRecord(const RecordFlags& flags, api::RecordContactRequest& request) {
  request.set_customer(flags.contact.customer);
  request.set_applicant(flags.applicant);
  RETURN_IF_ERROR(FillContact(flags.contact, *request.mutable_contact()));
  if (!flags.at.empty()) {
    ASSIGN_OR_RETURN(const int64_t at, ParseMoment("--at", flags.at));
    request.set_occurred_at_us(at);
  }
  if (!flags.verbatim_file.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_verbatim()->mutable_text(),
                     ReadInput(flags.verbatim_file, kVerbatimBytesMax));
  }
  // A text without a reason is sent: the server refuses it, and says which reasons there are.
  if (!flags.verbatim_reason.empty()) {
    ASSIGN_OR_RETURN(const auto reason,
                     ParseEnum<events::VerbatimReason>("--verbatim-reason", flags.verbatim_reason));
    request.mutable_verbatim()->set_reason(reason);
  }
  if (flags.request.any()) {
    RETURN_IF_ERROR(FillServiceRequest(flags.request, *request.mutable_service_request()));
  }
  request.set_mass_mailing(flags.mass_mailing);
  request.set_internal(flags.internal);
  request.set_response_due(flags.response_due);
  return absl::OkStatus();
}

void AddRecord(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand("record", "Record a contact with a customer");
  auto flags = std::make_shared<RecordFlags>();
  AddRecordFlags(command, *flags);
  Bind(command, session,
       RequestCommand<Service, api::RecordContactRequest, api::RecordContactResponse>{
           .doing = "record the contact",
           .method = &Service::Stub::RecordContact,
           .required = {"--channel", "--direction", "--subject", "--summary"},
           .from_flags = [flags](auto& request) { return FillRecord(*flags, request); },
           .print =
               [&session](const api::RecordContactResponse& reply) {
                 session.out << RenderFields({{"done", "contact recorded"},
                                              {"contact id", reply.contact_id()},
                                              {"token", reply.token()}},
                                             session.Width());
               }});
}

struct CorrectFlags {
  ContactFlags contact;
  std::string contact_id;
  std::string reason;
};

void AddCorrect(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "correct", "Correct a contact by a new event; give it whole, as it should have been");
  auto flags = std::make_shared<CorrectFlags>();
  command->add_option("--contact-id", flags->contact_id, "id, from its recording or the timeline");
  AddContactFlags(command, flags->contact);
  command->add_option("--reason", flags->reason, "why");
  Bind(command, session,
       RequestCommand<Service, api::CorrectContactRequest, api::CorrectContactResponse>{
           .doing = "correct the contact",
           .method = &Service::Stub::CorrectContact,
           .required = {"--customer", "--contact-id", "--reason", "--channel", "--direction",
                        "--subject", "--summary"},
           .from_flags = [flags](api::CorrectContactRequest& request) -> absl::Status {
             request.set_customer(flags->contact.customer);
             request.set_contact_id(flags->contact_id);
             request.set_reason(flags->reason);
             return FillContact(flags->contact, *request.mutable_contact());
           },
           .print =
               [&session](const api::CorrectContactResponse& reply) {
                 session.out << RenderFields(
                     {{"done", "contact corrected"}, {"token", reply.token()}}, session.Width());
               }});
}

void AddSplit(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "split", "Split a mixed message into repair requests, ASB report and the rest (--input)");
  Bind(
      command, session,
      RequestCommand<Service, api::SplitMessageRequest, api::SplitMessageResponse>{
          .doing = "split the message",
          .method = &Service::Stub::SplitMessage,
          .required = {},
          .from_flags =
              [](api::SplitMessageRequest&) {
                return absl::InvalidArgumentError(
                    "a split has too many parts for flags: give it as JSON with --input FILE or -");
              },
          .print =
              [&session](const api::SplitMessageResponse& reply) {
                session.out << RenderFields(
                    {{"done", "message split"},
                     {"contact id", reply.contact_id()},
                     {"service requests", absl::StrCat(reply.service_requests())},
                     {"ASB report", reply.asb_report() ? "yes" : "no"},
                     {"token", reply.token()}},
                    session.Width());
              }});
}

}  // namespace

void AddContactCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("contact", "Contacts with customers");
  AddRecord(noun, session);
  AddCorrect(noun, session);
  AddSplit(noun, session);
}

}  // namespace records::tools
