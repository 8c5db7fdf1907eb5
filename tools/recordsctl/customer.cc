#include "absl/strings/escaping.h"
#include "eventstore/status_macros.h"
#include "records/api/v1/customer_service.grpc.pb.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/request_command.h"
#include "tools/recordsctl/table.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;
namespace events = records::events::v1;
using Service = api::CustomerService;

// Flags of person and contract.
struct DetailsFlags {
  std::string reference;
  std::string name;
  std::string born;
  std::string tenure;
  std::string contract;
  std::string property;
  std::string address;
  std::string customer;
  std::string reason;
  bool synthetic = false;
};

void AddDetailsFlags(CLI::App* command, DetailsFlags& flags) {
  command->add_option("--name", flags.name, "full name");
  command->add_option("--born", flags.born, "date of birth, YYYY-MM-DD");
  command->add_option("--tenure", flags.tenure, EnumHelp<events::Tenure>());
  command->add_option("--contract", flags.contract,
                      "reference of the contract; joint tenants share it");
  command->add_option("--property", flags.property, "reference of the property");
  command->add_option("--address", flags.address, "postal address of the property");
}

absl::Status FillPerson(const DetailsFlags& flags, events::PersonDetails& person) {
  person.set_reference(flags.reference);
  person.set_name(flags.name);
  if (!flags.born.empty()) {
    ASSIGN_OR_RETURN(*person.mutable_date_of_birth(), ParseDate("--born", flags.born));
  }
  return absl::OkStatus();
}

absl::Status FillTenancy(const DetailsFlags& flags, events::TenancyDetails& tenancy) {
  if (!flags.tenure.empty()) {
    ASSIGN_OR_RETURN(const events::Tenure tenure,
                     ParseEnum<events::Tenure>("--tenure", flags.tenure));
    tenancy.set_tenure(tenure);
  }
  tenancy.set_contract_reference(flags.contract);
  tenancy.set_property_reference(flags.property);
  tenancy.set_property_address(flags.address);
  return absl::OkStatus();
}

// What most commands of this noun say when they are done.
template <typename Reply>
std::function<void(const Reply&)> PrintDone(Session& session, std::string done) {
  return [&session, done = std::move(done)](const Reply& reply) {
    session.out << RenderFields({{"done", done}, {"token", reply.token()}}, session.Width());
  };
}

void AddRegister(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand("register", "Register a customer");
  auto flags = std::make_shared<DetailsFlags>();
  command->add_option("--reference", flags->reference, "the landlord's own reference");
  AddDetailsFlags(command, *flags);
  command->add_flag("--synthetic", flags->synthetic, "the person is invented");
  Bind(command, session,
       RequestCommand<Service, api::RegisterCustomerRequest, api::RegisterCustomerResponse>{
           .doing = "register the customer",
           .method = &Service::Stub::RegisterCustomer,
           .required = {"--reference", "--name", "--born", "--tenure", "--contract"},
           .from_flags = [flags](api::RegisterCustomerRequest& request) -> absl::Status {
             RETURN_IF_ERROR(FillPerson(*flags, *request.mutable_person()));
             RETURN_IF_ERROR(FillTenancy(*flags, *request.mutable_tenancy()));
             request.set_synthetic(flags->synthetic);
             return absl::OkStatus();
           },
           .print = PrintDone<api::RegisterCustomerResponse>(session, "customer registered")});
}

// A correction holds the whole new value of the part that changes, so a part comes whole or not at
// all.
absl::Status FillCorrection(const DetailsFlags& flags,
                            api::CorrectCustomerDetailsRequest& request) {
  request.set_customer(flags.customer);
  request.set_reason(flags.reason);
  const bool person = !flags.name.empty() || !flags.born.empty();
  const bool tenancy = !flags.tenure.empty() || !flags.contract.empty() ||
                       !flags.property.empty() || !flags.address.empty();
  if (!person && !tenancy) {
    return absl::InvalidArgumentError("nothing to correct: give the new values");
  }
  if (person && (flags.name.empty() || flags.born.empty())) {
    return absl::InvalidArgumentError(
        "a correction holds the whole person: give both --name and --born");
  }
  if (tenancy && (flags.tenure.empty() || flags.contract.empty())) {
    return absl::InvalidArgumentError(
        "a correction holds the whole contract: give --tenure and --contract, "
        "and --property and --address where there are any");
  }
  if (person) RETURN_IF_ERROR(FillPerson(flags, *request.mutable_person()));
  if (tenancy) RETURN_IF_ERROR(FillTenancy(flags, *request.mutable_tenancy()));
  return absl::OkStatus();
}

void AddCorrect(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand("correct", "Correct a customer's details by a new event");
  auto flags = std::make_shared<DetailsFlags>();
  command->add_option("--customer", flags->customer, "the landlord's reference");
  AddDetailsFlags(command, *flags);
  command->add_option("--reason", flags->reason, "why");
  Bind(command, session,
       RequestCommand<Service, api::CorrectCustomerDetailsRequest,
                      api::CorrectCustomerDetailsResponse>{
           .doing = "correct the customer's details",
           .method = &Service::Stub::CorrectCustomerDetails,
           .required = {"--customer", "--reason"},
           .from_flags =
               [flags](api::CorrectCustomerDetailsRequest& request) {
                 // The reference cannot change; the server takes the customer's own.
                 DetailsFlags with_reference = *flags;
                 with_reference.reference = flags->customer;
                 return FillCorrection(with_reference, request);
               },
           .print = PrintDone<api::CorrectCustomerDetailsResponse>(session, "details corrected")});
}

struct NeedsFlags {
  std::string customer;
  std::string channel;
  std::string format;
  std::string language;
  std::vector<std::string> access_needs;
  bool interpreter = false;
};

absl::Status FillNeeds(const NeedsFlags& flags, api::SetCommunicationNeedsRequest& request) {
  request.set_customer(flags.customer);
  events::CommunicationNeeds& needs = *request.mutable_needs();
  if (!flags.channel.empty()) {
    ASSIGN_OR_RETURN(const events::Channel channel,
                     ParseEnum<events::Channel>("--preferred-channel", flags.channel));
    needs.set_preferred_channel(channel);
  }
  if (!flags.format.empty()) {
    ASSIGN_OR_RETURN(const events::CommunicationFormat format,
                     ParseEnum<events::CommunicationFormat>("--format", flags.format));
    needs.set_format(format);
  }
  needs.set_language(flags.language);
  needs.set_interpreter_needed(flags.interpreter);
  for (const std::string& need : flags.access_needs) needs.add_access_needs(need);
  return absl::OkStatus();
}

void AddNeeds(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "needs", "Set communication preferences, interpreter and access needs; replaces what stood");
  auto flags = std::make_shared<NeedsFlags>();
  command->add_option("--customer", flags->customer, "the landlord's reference");
  command->add_option("--preferred-channel", flags->channel, EnumHelp<events::Channel>());
  command->add_option("--format", flags->format, EnumHelp<events::CommunicationFormat>());
  command->add_option("--language", flags->language, "language needed, BCP 47: so, pt-BR");
  command->add_flag("--interpreter", flags->interpreter, "an interpreter is needed");
  AddRepeated(command, "--access-need", flags->access_needs, "access need");
  Bind(command, session,
       RequestCommand<Service, api::SetCommunicationNeedsRequest,
                      api::SetCommunicationNeedsResponse>{
           .doing = "set the communication needs",
           .method = &Service::Stub::SetCommunicationNeeds,
           .required = {"--customer"},
           .from_flags = [flags](auto& request) { return FillNeeds(*flags, request); },
           .print = PrintDone<api::SetCommunicationNeedsResponse>(session, "needs set")});
}

struct SafetyFlags {
  std::string customer;
  std::string call;
  std::string voicemail;
  std::string write;
  std::string note;
};

absl::StatusOr<bool> ParseYesNo(absl::string_view flag, absl::string_view text) {
  if (text == "yes") return true;
  if (text == "no") return false;
  return absl::InvalidArgumentError(absl::StrCat(flag, " must be yes or no"));
}

absl::Status FillSafety(const SafetyFlags& flags, api::SetContactSafetyRequest& request) {
  request.set_customer(flags.customer);
  events::ContactSafety& safety = *request.mutable_safety();
  ASSIGN_OR_RETURN(const bool call, ParseYesNo("--call", flags.call));
  ASSIGN_OR_RETURN(const bool voicemail, ParseYesNo("--voicemail", flags.voicemail));
  ASSIGN_OR_RETURN(const bool write, ParseYesNo("--write", flags.write));
  safety.set_safe_to_call(call);
  safety.set_safe_to_leave_voicemail(voicemail);
  safety.set_safe_to_write(write);
  safety.set_note(flags.note);
  return absl::OkStatus();
}

void AddSafety(CLI::App* noun, Session& session) {
  auto* command =
      noun->add_subcommand("safety", "Set how it is safe to contact; replaces what stood");
  auto flags = std::make_shared<SafetyFlags>();
  command->add_option("--customer", flags->customer, "the landlord's reference");
  command->add_option("--call", flags->call, "safe to call: yes|no");
  command->add_option("--voicemail", flags->voicemail, "safe to leave a voicemail: yes|no");
  command->add_option("--write", flags->write, "safe to write: yes|no");
  command->add_option("--note", flags->note, "what else to mind");
  Bind(command, session,
       RequestCommand<Service, api::SetContactSafetyRequest, api::SetContactSafetyResponse>{
           .doing = "set the safety of contact",
           .method = &Service::Stub::SetContactSafety,
           // Each must be said: what is left out must not count as safe, or as unsafe.
           .required = {"--customer", "--call", "--voicemail", "--write"},
           .from_flags = [flags](auto& request) { return FillSafety(*flags, request); },
           .print = PrintDone<api::SetContactSafetyResponse>(session, "safety of contact set")});
}

struct AddressFlags {
  std::string customer;
  std::string address;
  bool end = false;
};

void AddAddress(CLI::App* noun, Session& session) {
  auto* command =
      noun->add_subcommand("address", "Set or end an address that no joint tenant ever sees");
  auto flags = std::make_shared<AddressFlags>();
  command->add_option("--customer", flags->customer, "the landlord's reference");
  command->add_option("--address", flags->address, "the address; better by --input");
  command->add_flag("--end", flags->end, "end the confidential address");
  Bind(command, session,
       RequestCommand<Service, api::SetConfidentialAddressRequest,
                      api::SetConfidentialAddressResponse>{
           .doing = "set the confidential address",
           .method = &Service::Stub::SetConfidentialAddress,
           .required = {"--customer"},
           .from_flags = [flags](api::SetConfidentialAddressRequest& request) -> absl::Status {
             if (flags->end == !flags->address.empty()) {
               return absl::InvalidArgumentError("give either --address or --end");
             }
             request.set_customer(flags->customer);
             request.set_address(flags->address);
             return absl::OkStatus();
           },
           .print = PrintDone<api::SetConfidentialAddressResponse>(session, "address set")});
}

struct AuthorityFlags {
  std::string customer;
  std::string name;
  std::vector<std::string> scope;
  std::string expires;
  std::string evidence;
  std::string relation;
};

absl::Status FillAuthority(const AuthorityFlags& flags,
                           api::RecordThirdPartyAuthorityRequest& request) {
  request.set_customer(flags.customer);
  request.set_name(flags.name);
  events::ThirdPartyAuthority& authority = *request.mutable_authority();
  for (const std::string& scope : flags.scope) authority.add_scope(scope);
  ASSIGN_OR_RETURN(const int64_t expires, ParseMoment("--expires", flags.expires));
  authority.set_expires_at_us(expires);
  authority.set_evidence(flags.evidence);
  authority.set_relation(flags.relation);
  return absl::OkStatus();
}

void AddAuthority(CLI::App* noun, Session& session) {
  auto* command =
      noun->add_subcommand("authority", "Record a third party's authority to speak for a customer");
  auto flags = std::make_shared<AuthorityFlags>();
  command->add_option("--customer", flags->customer, "the landlord's reference");
  command->add_option("--name", flags->name, "name of the third party");
  AddRepeated(command, "--scope", flags->scope, "what the third party may hear and decide");
  command->add_option("--expires", flags->expires, "when the authority ends");
  command->add_option("--evidence", flags->evidence, "evidence of the authority");
  command->add_option("--relation", flags->relation, "relation to the customer");
  Bind(command, session,
       RequestCommand<Service, api::RecordThirdPartyAuthorityRequest,
                      api::RecordThirdPartyAuthorityResponse>{
           .doing = "record the authority",
           .method = &Service::Stub::RecordThirdPartyAuthority,
           .required = {"--customer", "--name", "--scope", "--expires", "--evidence"},
           .from_flags = [flags](auto& request) { return FillAuthority(*flags, request); },
           .print =
               [&session](const api::RecordThirdPartyAuthorityResponse& reply) {
                 session.out << RenderFields(
                     {{"done", "authority recorded"},
                      {"third party", absl::BytesToHexString(reply.third_party())},
                      {"token", reply.token()}},
                     session.Width());
               }});
}

struct HouseholdFlags {
  std::string customer;
  std::string name;
  std::string born;
  std::string relation;
};

void AddHousehold(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand("household", "Add a member of the household");
  auto flags = std::make_shared<HouseholdFlags>();
  command->add_option("--customer", flags->customer, "the landlord's reference");
  command->add_option("--name", flags->name, "name of the member");
  command->add_option("--born", flags->born, "date of birth, YYYY-MM-DD, where known");
  command->add_option("--relation", flags->relation, "relation to the customer");
  Bind(command, session,
       RequestCommand<Service, api::AddHouseholdMemberRequest, api::AddHouseholdMemberResponse>{
           .doing = "add the member of the household",
           .method = &Service::Stub::AddHouseholdMember,
           .required = {"--customer", "--name"},
           .from_flags = [flags](api::AddHouseholdMemberRequest& request) -> absl::Status {
             request.set_customer(flags->customer);
             request.set_name(flags->name);
             request.set_relation(flags->relation);
             if (flags->born.empty()) return absl::OkStatus();
             ASSIGN_OR_RETURN(*request.mutable_date_of_birth(), ParseDate("--born", flags->born));
             return absl::OkStatus();
           },
           .print = PrintDone<api::AddHouseholdMemberResponse>(session, "member added")});
}

void AddTenants(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand("tenants", "List who shares the customer's contract");
  auto customer = std::make_shared<std::string>();
  command->add_option("--customer", *customer, "the landlord's reference");
  Bind(command, session,
       RequestCommand<Service, api::ListJointTenantsRequest, api::ListJointTenantsResponse>{
           .doing = "list the joint tenants",
           .method = &Service::Stub::ListJointTenants,
           .required = {"--customer"},
           .from_flags =
               [customer](api::ListJointTenantsRequest& request) {
                 request.set_customer(*customer);
                 return absl::OkStatus();
               },
           .print =
               [&session](const api::ListJointTenantsResponse& reply) {
                 Table table({"REFERENCE", "NAME"});
                 for (const auto& tenant : reply.joint_tenants()) {
                   table.AddRow({tenant.reference(), tenant.name()});
                 }
                 session.out << (table.empty() ? "nobody else shares the contract\n"
                                               : table.Render(session.Width()));
               }});
}

}  // namespace

void AddCustomerCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("customer", "Customers: details, needs, household, authorities");
  AddRegister(noun, session);
  AddCorrect(noun, session);
  AddNeeds(noun, session);
  AddSafety(noun, session);
  AddAddress(noun, session);
  AddAuthority(noun, session);
  AddHousehold(noun, session);
  AddTenants(noun, session);
}

}  // namespace records::tools
