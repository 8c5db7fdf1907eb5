#include "services/contact/contact_rules.h"

#include "absl/strings/str_cat.h"
#include "services/errors/errors.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;

absl::Status Never(absl::string_view reason, absl::string_view message) {
  return Refusal(absl::StatusCode::kFailedPrecondition, reason, message);
}

bool IsAppointmentOutcome(ev::Outcome outcome) {
  return outcome == ev::OUTCOME_APPOINTMENT_MADE || outcome == ev::OUTCOME_APPOINTMENT_KEPT ||
         outcome == ev::OUTCOME_NO_ACCESS || outcome == ev::OUTCOME_DID_NOT_ATTEND;
}

void CheckOutcome(const std::string& at, const ev::Contact& contact, FieldChecker& check) {
  check.Require(ev::Outcome_IsValid(contact.outcome()), at + "outcome", "must be an outcome");
  check.Require(ev::Voicemail_IsValid(contact.voicemail()), at + "voicemail",
                "must say left or not left");
  const bool unanswered = contact.outcome() == ev::OUTCOME_NOT_ANSWERED;
  check.Require(!unanswered || (contact.channel() == ev::CHANNEL_PHONE &&
                                contact.direction() == ev::DIRECTION_OUTBOUND),
                at + "outcome", "NOT_ANSWERED is for outbound calls only");
  check.Require(unanswered == (contact.voicemail() != ev::VOICEMAIL_UNSPECIFIED), at + "voicemail",
                "says whether a voicemail was left, for unanswered calls and no others");
  const bool appointment = contact.channel() == ev::CHANNEL_APPOINTMENT;
  check.Require(appointment == IsAppointmentOutcome(contact.outcome()), at + "outcome",
                "an appointment, and nothing else, is made, kept, without access or not attended");
}

void CheckActions(const std::string& at, const ev::Contact& contact, FieldChecker& check) {
  check.Require(contact.actions_size() <= 20, at + "actions", "at most 20");
  check.Require(contact.actions().empty() == contact.no_further_action(), at + "actions",
                "name the further actions, or say no_further_action");
  for (int i = 0; i < contact.actions_size(); ++i) {
    const std::string action = absl::StrCat(at, "actions[", i, "].");
    check.Text(action + "description", contact.actions(i).description(), 1, 500);
    check.Text(action + "owner", contact.actions(i).owner(), 0, 100);
    check.CalendarDate(action + "due", contact.actions(i).due(), contact.actions(i).has_due(),
                       false);
  }
}

void CheckChannel(const std::string& at, const ev::Contact& contact, FieldChecker& check) {
  check.Require(
      ev::Channel_IsValid(contact.channel()) && contact.channel() != ev::CHANNEL_UNSPECIFIED,
      at + "channel", "is required");
  check.Text(at + "other_channel", contact.other_channel(),
             contact.channel() == ev::CHANNEL_OTHER ? 1 : 0,
             contact.channel() == ev::CHANNEL_OTHER ? 100 : 0);
  check.Require(ev::Direction_IsValid(contact.direction()) &&
                    contact.direction() != ev::DIRECTION_UNSPECIFIED,
                at + "direction", "is required");
  check.Text(at + "place", contact.place(), contact.channel() == ev::CHANNEL_OFFICE_VISIT ? 1 : 0,
             200);
  const bool system_letter = contact.channel() == ev::CHANNEL_SYSTEM_LETTER;
  check.Text(at + "generated_by", contact.generated_by(), system_letter ? 1 : 0, 100);
  check.Require(!system_letter || contact.direction() == ev::DIRECTION_OUTBOUND, at + "direction",
                "a system letter is outbound");
  check.Require(contact.channel() != ev::CHANNEL_THIRD_PARTY || !contact.third_party().empty(),
                at + "third_party", "names the third party who spoke");
  check.Require(contact.third_party().empty() || contact.third_party().size() == 16,
                at + "third_party", "must be 16 bytes");
}

}  // namespace

absl::Status RefuseNeverRecorded(const ev::Contact& contact,
                                 const ContactCircumstances& circumstances) {
  if (circumstances.mass_mailing) {
    return Never("MASS_MAILING",
                 "A message meant for all customers is not put on a personal record. Nothing was "
                 "recorded; nothing is to be done.");
  }
  if (circumstances.internal) {
    return Never("INTERNAL_CALL",
                 "A contact without anybody from outside is not recorded. Nothing is to be done.");
  }
  if (contact.channel() == ev::CHANNEL_SOCIAL_MEDIA &&
      !(circumstances.has_service_request && circumstances.response_due)) {
    return Never("SOCIAL_MEDIA_WITHOUT_REQUEST",
                 "A social media post is recorded only when it asks for a service and an answer is "
                 "due. Give service_request and response_due, or keep it off the record.");
  }
  if (contact.channel() == ev::CHANNEL_WALKABOUT && !circumstances.has_service_request) {
    return Never("WALKABOUT_WITHOUT_REQUEST",
                 "A contact on a walkabout is recorded only when the customer asks for a service. "
                 "Give service_request, or keep it off the record.");
  }
  return absl::OkStatus();
}

absl::Status RefuseVerbatimWithoutReason(const ev::Verbatim& verbatim) {
  if (verbatim.reason() != ev::VERBATIM_REASON_UNSPECIFIED &&
      ev::VerbatimReason_IsValid(verbatim.reason())) {
    return absl::OkStatus();
  }
  return Never(
      "VERBATIM_REASON_MISSING",
      "A text is kept word for word only for one of five reasons. Give verbatim.reason, or "
      "write a summary instead.");
}

absl::Status RefuseDisclosureWithoutCheck(const ev::Contact& contact) {
  const ev::IdentityCheck& identity = contact.identity_check();
  const bool checked = identity.passed() &&
                       identity.method() > ev::IDENTITY_CHECK_METHOD_NOTHING_DISCLOSED &&
                       ev::IdentityCheckMethod_IsValid(identity.method());
  if (!identity.disclosed() || checked) return absl::OkStatus();
  return Never("IDENTITY_NOT_CHECKED",
               "Something was disclosed, but no passed identity check is given. Say in "
               "identity_check how the caller was identified.");
}

void CheckContact(absl::string_view field, const ev::Contact& contact, FieldChecker& check) {
  const std::string at = absl::StrCat(field, ".");
  CheckChannel(at, contact, check);
  CheckOutcome(at, contact, check);
  check.Require(contact.subjects_size() >= 1 && contact.subjects_size() <= 20, at + "subjects",
                "1 to 20 subjects discussed");
  for (int i = 0; i < contact.subjects_size(); ++i) {
    check.Text(absl::StrCat(at, "subjects[", i, "]"), contact.subjects(i), 1, 100);
  }
  check.Text(at + "summary", contact.summary(), 1, 4000);
  CheckActions(at, contact, check);
  check.Require(ev::IdentityCheckMethod_IsValid(contact.identity_check().method()),
                at + "identity_check.method", "must be a method");
  check.Text(at + "source_key", contact.source_key(), 0, 100);
}

void CheckServiceRequest(absl::string_view field,
                         const records::api::v1::ServiceRequestInput& input, FieldChecker& check) {
  const std::string at = absl::StrCat(field, ".");
  const ev::ServiceRequest& request = input.request();
  check.Require(request.kind() == ev::SERVICE_REQUEST_KIND_REPAIR ||
                    request.kind() == ev::SERVICE_REQUEST_KIND_GENERAL,
                at + "request.kind", "is required");
  check.Text(at + "request.description", request.description(), 1, 4000);
  check.Text(at + "request.place", request.place(), 0, 300);
  check.Text(at + "request.source_key", request.source_key(), 0, 100);
  check.Require(request.hazards_size() <= 10, at + "request.hazards", "at most 10");
  check.Require(request.hazards().empty() || request.kind() == ev::SERVICE_REQUEST_KIND_REPAIR,
                at + "request.hazards", "for repairs only");
  for (int i = 0; i < request.hazards_size(); ++i) {
    check.Require(
        ev::Hazard_IsValid(request.hazards(i)) && request.hazards(i) != ev::HAZARD_UNSPECIFIED,
        absl::StrCat(at, "request.hazards[", i, "]"), "must name a hazard");
  }
  check.Require(input.vulnerabilities_size() <= 10, at + "vulnerabilities", "at most 10");
  for (int i = 0; i < input.vulnerabilities_size(); ++i) {
    check.Text(absl::StrCat(at, "vulnerabilities[", i, "]"), input.vulnerabilities(i), 1, 100);
  }
}

void CheckAsbReport(absl::string_view field, const ev::AsbReport& report, FieldChecker& check) {
  const std::string at = absl::StrCat(field, ".");
  check.Text(at + "description", report.description(), 1, 4000);
  check.Text(at + "place", report.place(), 0, 300);
  check.Text(at + "kind", report.kind(), 0, 100);
  check.Text(at + "source_key", report.source_key(), 0, 100);
}

void CheckDocument(absl::string_view field, const ev::DocumentIndexEntry& entry,
                   FieldChecker& check) {
  const std::string at = absl::StrCat(field, ".");
  check.Require(entry.content_sha256().size() == 32, at + "content_sha256", "must be 32 bytes");
  check.Require(ev::DocumentMedium_IsValid(entry.medium()) &&
                    entry.medium() != ev::DOCUMENT_MEDIUM_UNSPECIFIED,
                at + "medium", "is required");
  check.Require(
      ev::Direction_IsValid(entry.direction()) && entry.direction() != ev::DIRECTION_UNSPECIFIED,
      at + "direction", "is required");
  check.Require(ev::DocumentSystem_IsValid(entry.system()) &&
                    entry.system() != ev::DOCUMENT_SYSTEM_UNSPECIFIED,
                at + "system", "is required: a scan is indexed to the system of its matter");
  check.Text(at + "matter", entry.matter(), 1, 200);
  check.Require(ev::Sensitivity_IsValid(entry.sensitivity()) &&
                    entry.sensitivity() != ev::SENSITIVITY_UNSPECIFIED,
                at + "sensitivity", "is required");
  check.Require(
      entry.system() != ev::DOCUMENT_SYSTEM_CRM || entry.sensitivity() != ev::SENSITIVITY_SPECIAL,
      at + "sensitivity", "special-category documents go to a sensitive system");
  const bool paper = entry.medium() == ev::DOCUMENT_MEDIUM_PAPER;
  check.Text(at + "paper_location", entry.paper_location(), paper ? 1 : 0, 200);
  check.Text(at + "content_location", entry.content_location(), 0, 300);
  check.Text(at + "generated_by", entry.generated_by(),
             entry.medium() == ev::DOCUMENT_MEDIUM_GENERATED_LETTER ? 1 : 0, 100);
  check.Require(entry.split_from().empty() || entry.split_from().size() == 16, at + "split_from",
                "must be 16 bytes");
  if (entry.has_best_fit()) {
    check.Text(at + "best_fit.chosen_by", entry.best_fit().chosen_by(), 1, 100);
    check.Text(at + "best_fit.reason", entry.best_fit().reason(), 1, 500);
  }
}

}  // namespace records::services
