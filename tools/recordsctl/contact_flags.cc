#include "tools/recordsctl/contact_flags.h"

#include "eventstore/status_macros.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/request_command.h"

namespace records::tools {
namespace {

namespace events = records::events::v1;

constexpr size_t kThirdPartyIdBytes = 16;

// Value of the action at `index` from a flag that was given never, once for all, or once for each.
absl::StatusOr<std::string> ForAction(absl::string_view flag,
                                      const std::vector<std::string>& values, size_t index,
                                      size_t actions) {
  if (values.empty()) return std::string();
  if (values.size() == 1) return values[0];
  if (values.size() == actions) return values[index];
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " must be given once for all actions, or once for each in their order"));
}

absl::Status FillActions(const ContactFlags& flags, events::Contact& contact) {
  const size_t count = flags.actions.size();
  if (count == 0 && (!flags.owners.empty() || !flags.due_dates.empty())) {
    return absl::InvalidArgumentError("--owner and --due go with an --action");
  }
  if (count == 0 && !flags.no_further_action) {
    return absl::InvalidArgumentError(
        "say what is to be done with --action, or outright --no-further-action");
  }
  for (size_t i = 0; i < count; ++i) {
    events::Action& action = *contact.add_actions();
    action.set_description(flags.actions[i]);
    ASSIGN_OR_RETURN(*action.mutable_owner(), ForAction("--owner", flags.owners, i, count));
    ASSIGN_OR_RETURN(const std::string due, ForAction("--due", flags.due_dates, i, count));
    if (due.empty()) continue;
    ASSIGN_OR_RETURN(*action.mutable_due(), ParseDate("--due", due));
  }
  contact.set_no_further_action(flags.no_further_action);
  return absl::OkStatus();
}

absl::Status FillIdentityCheck(const ContactFlags& flags, events::Contact& contact) {
  if (flags.identity_check.empty()) {
    if (!flags.disclosed && !flags.identity_failed) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "--disclosed and --identity-failed need --identity-check to say how it was checked");
  }
  ASSIGN_OR_RETURN(const auto method, ParseEnum<events::IdentityCheckMethod>("--identity-check",
                                                                             flags.identity_check));
  events::IdentityCheck& check = *contact.mutable_identity_check();
  check.set_method(method);
  check.set_passed(method != events::IDENTITY_CHECK_METHOD_NOTHING_DISCLOSED &&
                   !flags.identity_failed);
  check.set_disclosed(flags.disclosed);
  return absl::OkStatus();
}

absl::Status FillHow(const ContactFlags& flags, events::Contact& contact) {
  ASSIGN_OR_RETURN(const auto channel, ParseEnum<events::Channel>("--channel", flags.channel));
  contact.set_channel(channel);
  contact.set_other_channel(flags.other_channel);
  ASSIGN_OR_RETURN(const auto direction,
                   ParseEnum<events::Direction>("--direction", flags.direction));
  contact.set_direction(direction);
  if (!flags.outcome.empty()) {
    ASSIGN_OR_RETURN(const auto outcome, ParseEnum<events::Outcome>("--outcome", flags.outcome));
    contact.set_outcome(outcome);
  }
  if (!flags.voicemail.empty()) {
    ASSIGN_OR_RETURN(const auto voicemail,
                     ParseEnum<events::Voicemail>("--voicemail", flags.voicemail));
    contact.set_voicemail(voicemail);
  }
  return absl::OkStatus();
}

}  // namespace

void AddContactFlags(CLI::App* command, ContactFlags& flags) {
  command->add_option("--customer", flags.customer, "the landlord's reference");
  command->add_option("--channel", flags.channel, EnumHelp<events::Channel>());
  command->add_option("--other-channel", flags.other_channel, "what the channel is, with `other`");
  command->add_option("--direction", flags.direction, EnumHelp<events::Direction>());
  command->add_option("--outcome", flags.outcome, EnumHelp<events::Outcome>());
  command->add_option("--voicemail", flags.voicemail, "with not-answered: left|not-left");
  command->add_option("--place", flags.place, "office or place");
  AddRepeated(command, "--subject", flags.subjects, "subject discussed");
  command->add_option("--summary", flags.summary, "summary in your own words");
  AddRepeated(command, "--action", flags.actions, "what is to be done");
  AddRepeated(command, "--owner", flags.owners, "who owns the action; the recorder by default");
  AddRepeated(command, "--due", flags.due_dates, "due date of the action, YYYY-MM-DD");
  command->add_flag("--no-further-action", flags.no_further_action, "nothing is to be done");
  command->add_option("--identity-check", flags.identity_check,
                      EnumHelp<events::IdentityCheckMethod>());
  command->add_flag("--identity-failed", flags.identity_failed, "the identity check failed");
  command->add_flag("--disclosed", flags.disclosed, "something about the customer was disclosed");
  command->add_option("--third-party", flags.third_party,
                      "id of the third party who spoke, from `customer authority`");
  command->add_option("--generated-by", flags.generated_by, "system that made a system letter");
}

absl::Status FillContact(const ContactFlags& flags, events::Contact& contact) {
  RETURN_IF_ERROR(FillHow(flags, contact));
  contact.set_place(flags.place);
  for (const std::string& subject : flags.subjects) contact.add_subjects(subject);
  contact.set_summary(flags.summary);
  contact.set_generated_by(flags.generated_by);
  RETURN_IF_ERROR(FillActions(flags, contact));
  if (!flags.third_party.empty()) {
    ASSIGN_OR_RETURN(*contact.mutable_third_party(),
                     ParseHex("--third-party", flags.third_party, kThirdPartyIdBytes));
  }
  return FillIdentityCheck(flags, contact);
}

void AddServiceRequestFlags(CLI::App* command, ServiceRequestFlags& flags) {
  command->add_option("--request-kind", flags.kind,
                      "a service asked for: " + EnumHelp<events::ServiceRequestKind>());
  command->add_option("--request", flags.description, "what is asked for");
  command->add_option("--request-place", flags.place, "where it is needed");
  AddRepeated(command, "--hazard", flags.hazards, EnumHelp<events::Hazard>());
  AddRepeated(command, "--vulnerability", flags.vulnerabilities,
              "vulnerability in the home that bears on the request; better by --input");
}

absl::Status FillServiceRequest(const ServiceRequestFlags& flags,
                                records::api::v1::ServiceRequestInput& input) {
  if (flags.kind.empty() || flags.description.empty()) {
    return absl::InvalidArgumentError("a service request needs --request-kind and --request");
  }
  events::ServiceRequest& request = *input.mutable_request();
  ASSIGN_OR_RETURN(const auto kind,
                   ParseEnum<events::ServiceRequestKind>("--request-kind", flags.kind));
  request.set_kind(kind);
  request.set_description(flags.description);
  request.set_place(flags.place);
  for (const std::string& name : flags.hazards) {
    ASSIGN_OR_RETURN(const auto hazard, ParseEnum<events::Hazard>("--hazard", name));
    request.add_hazards(hazard);
  }
  for (const std::string& text : flags.vulnerabilities) input.add_vulnerabilities(text);
  return absl::OkStatus();
}

}  // namespace records::tools
