#include <fstream>

#include "eventstore/crypto.h"
#include "eventstore/status_macros.h"
#include "records/api/v1/contact_service.grpc.pb.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/request_command.h"
#include "tools/recordsctl/table.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;
namespace events = records::events::v1;
using Service = api::ContactService;

struct DocumentFlags {
  std::string customer;
  std::string file;
  std::string sha256;
  std::string medium;
  std::string direction;
  std::string system;
  std::string matter;
  std::string sensitivity;
  std::string retention_class;
  std::string best_fit_by;
  std::string best_fit_reason;
  std::string paper_location;
  std::string content_location;
  std::string generated_by;
  std::string at;
};

void AddDocumentFlags(CLI::App* command, DocumentFlags& flags) {
  command->add_option("--customer", flags.customer, "the landlord's reference");
  command->add_option("--file", flags.file, "the document, for its hash; it is not sent");
  command->add_option("--sha256", flags.sha256, "or its SHA-256, 64 hexadecimal digits");
  command->add_option("--medium", flags.medium, EnumHelp<events::DocumentMedium>());
  command->add_option("--direction", flags.direction, EnumHelp<events::Direction>());
  command->add_option("--system", flags.system, EnumHelp<events::DocumentSystem>());
  command->add_option("--matter", flags.matter, "what it is about");
  command->add_option("--sensitivity", flags.sensitivity, EnumHelp<events::Sensitivity>());
  command->add_option("--retention-class", flags.retention_class,
                      "category of the register of processing");
  command->add_option("--best-fit-by", flags.best_fit_by, "who chose a best fit");
  command->add_option("--best-fit-reason", flags.best_fit_reason, "why a best fit was chosen");
  command->add_option("--paper-location", flags.paper_location, "where paper is locked away");
  command->add_option("--content-location", flags.content_location, "where the content is kept");
  command->add_option("--generated-by", flags.generated_by, "system that made the letter");
  command->add_option("--at", flags.at, "when it was received or sent; now by default");
}

absl::StatusOr<std::string> HashOfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::InvalidArgumentError(absl::StrCat("cannot open ", path));
  eventstore::Sha256Stream hash;
  char buffer[65536];
  while (file.read(buffer, sizeof(buffer)) || file.gcount() > 0) {
    hash.Update({buffer, static_cast<size_t>(file.gcount())});
  }
  if (file.bad()) return absl::InvalidArgumentError(absl::StrCat("cannot read ", path));
  return std::string(eventstore::AsBytes(hash.Finish()));
}

absl::StatusOr<std::string> ContentHash(const DocumentFlags& flags) {
  if (flags.file.empty() == flags.sha256.empty()) {
    return absl::InvalidArgumentError("give the document with --file, or its hash with --sha256");
  }
  if (!flags.file.empty()) return HashOfFile(flags.file);
  return ParseHex("--sha256", flags.sha256, eventstore::kDigestSize);
}

absl::Status FillKinds(const DocumentFlags& flags, events::DocumentIndexEntry& entry) {
  ASSIGN_OR_RETURN(const auto medium, ParseEnum<events::DocumentMedium>("--medium", flags.medium));
  entry.set_medium(medium);
  ASSIGN_OR_RETURN(const auto direction,
                   ParseEnum<events::Direction>("--direction", flags.direction));
  entry.set_direction(direction);
  ASSIGN_OR_RETURN(const auto system, ParseEnum<events::DocumentSystem>("--system", flags.system));
  entry.set_system(system);
  ASSIGN_OR_RETURN(const auto sensitivity,
                   ParseEnum<events::Sensitivity>("--sensitivity", flags.sensitivity));
  entry.set_sensitivity(sensitivity);
  return absl::OkStatus();
}

absl::Status FillDocument(const DocumentFlags& flags, api::IndexDocumentRequest& request) {
  request.set_customer(flags.customer);
  events::DocumentIndexEntry& entry = *request.mutable_entry();
  ASSIGN_OR_RETURN(*entry.mutable_content_sha256(), ContentHash(flags));
  RETURN_IF_ERROR(FillKinds(flags, entry));
  entry.set_matter(flags.matter);
  entry.set_retention_class(flags.retention_class);
  entry.set_paper_location(flags.paper_location);
  entry.set_content_location(flags.content_location);
  entry.set_generated_by(flags.generated_by);
  if (!flags.best_fit_by.empty() || !flags.best_fit_reason.empty()) {
    entry.mutable_best_fit()->set_chosen_by(flags.best_fit_by);
    entry.mutable_best_fit()->set_reason(flags.best_fit_reason);
  }
  if (flags.at.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int64_t at, ParseMoment("--at", flags.at));
  request.set_occurred_at_us(at);
  return absl::OkStatus();
}

}  // namespace

void AddDocumentCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("document", "Documents and the system each belongs to");
  auto* command = noun->add_subcommand("index", "Index a document with the hash of its content");
  auto flags = std::make_shared<DocumentFlags>();
  AddDocumentFlags(command, *flags);
  Bind(command, session,
       RequestCommand<Service, api::IndexDocumentRequest, api::IndexDocumentResponse>{
           .doing = "index the document",
           .method = &Service::Stub::IndexDocument,
           .required = {"--customer", "--medium", "--direction", "--system", "--matter",
                        "--sensitivity", "--retention-class"},
           .from_flags = [flags](auto& request) { return FillDocument(*flags, request); },
           .print =
               [&session](const api::IndexDocumentResponse& reply) {
                 session.out << RenderFields({{"done", "document indexed"},
                                              {"document id", reply.document_id()},
                                              {"token", reply.token()}},
                                             session.Width());
               }});
}

}  // namespace records::tools
