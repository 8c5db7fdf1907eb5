#include "tools/recordsctl/timeline_render.h"

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/table.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;
namespace events = records::events::v1;
using Fields = std::vector<std::pair<std::string, std::string>>;

// Lines of one cell, each named; what is empty is left out.
class Lines {
 public:
  void Add(absl::string_view name, absl::string_view value) {
    if (value.empty()) return;
    absl::StrAppend(&text_, text_.empty() ? "" : "\n", name, name.empty() ? "" : ": ", value);
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string YesNo(bool value) { return value ? "yes" : "NO"; }

std::string SafetyText(const events::ContactSafety& safety) {
  std::string text = absl::StrCat("call ", YesNo(safety.safe_to_call()), ", voicemail ",
                                  YesNo(safety.safe_to_leave_voicemail()), ", write ",
                                  YesNo(safety.safe_to_write()));
  if (!safety.note().empty()) absl::StrAppend(&text, "; ", safety.note());
  return text;
}

std::string NeedsText(const events::CommunicationNeeds& needs) {
  std::vector<std::string> parts;
  if (needs.preferred_channel() != 0) {
    parts.push_back(absl::StrCat("prefers ", EnumText(needs.preferred_channel())));
  }
  if (needs.format() != 0) parts.push_back(EnumText(needs.format()));
  if (!needs.language().empty()) parts.push_back(absl::StrCat("language ", needs.language()));
  if (needs.interpreter_needed()) parts.push_back("interpreter needed");
  for (const std::string& need : needs.access_needs()) parts.push_back(need);
  return parts.empty() ? "none stated" : absl::StrJoin(parts, "; ");
}

std::string AuthorityText(const events::ThirdPartyAuthorityRecorded& recorded,
                          absl::TimeZone zone) {
  const events::ThirdPartyAuthority& authority = recorded.authority();
  std::string text = recorded.name();
  if (!authority.relation().empty()) absl::StrAppend(&text, " (", authority.relation(), ")");
  absl::StrAppend(&text, ", may hear and decide: ", absl::StrJoin(authority.scope(), "; "),
                  ", until ", FormatMoment(authority.expires_at_us(), zone));
  if (!recorded.third_party().empty()) {
    absl::StrAppend(&text, ", id ", absl::BytesToHexString(recorded.third_party()));
  }
  return text;
}

std::string TenancyText(const events::TenancyDetails& tenancy) {
  return absl::StrCat(EnumText(tenancy.tenure()), ", contract ", tenancy.contract_reference());
}

std::string PropertyText(const events::TenancyDetails& tenancy) {
  std::vector<std::string> parts;
  if (!tenancy.property_reference().empty()) parts.push_back(tenancy.property_reference());
  if (!tenancy.property_address().empty()) parts.push_back(tenancy.property_address());
  return absl::StrJoin(parts, ", ");
}

std::string PersonText(const events::PersonDetails& person) {
  std::string text = absl::StrCat(person.name(), " (", person.reference(), ")");
  if (person.has_date_of_birth()) {
    absl::StrAppend(&text, ", born ", FormatDate(person.date_of_birth()));
  }
  return text;
}

void AddActions(const events::Contact& contact, Lines& lines) {
  for (const events::Action& action : contact.actions()) {
    std::string text = action.description();
    if (!action.owner().empty()) absl::StrAppend(&text, ", by ", action.owner());
    if (action.has_due()) absl::StrAppend(&text, ", due ", FormatDate(action.due()));
    lines.Add("action", text);
  }
  if (contact.no_further_action()) lines.Add("", "no further action");
}

std::string IdentityText(const events::IdentityCheck& check) {
  std::string text = EnumText(check.method());
  if (check.method() != events::IDENTITY_CHECK_METHOD_NOTHING_DISCLOSED) {
    absl::StrAppend(&text, check.passed() ? ", passed" : ", FAILED");
  }
  if (check.disclosed()) absl::StrAppend(&text, ", something was disclosed");
  return text;
}

std::string HowText(const events::Contact& contact) {
  std::vector<std::string> parts = {EnumText(contact.channel())};
  if (!contact.other_channel().empty()) parts[0] = contact.other_channel();
  parts.push_back(EnumText(contact.direction()));
  if (contact.outcome() != 0) parts.push_back(EnumText(contact.outcome()));
  if (contact.voicemail() != 0) {
    parts.push_back(absl::StrCat("voicemail ", EnumText(contact.voicemail())));
  }
  if (!contact.place().empty()) parts.push_back(absl::StrCat("at ", contact.place()));
  return absl::StrJoin(parts, ", ");
}

void AddContact(const events::ContactRecorded& recorded, Lines& lines) {
  const events::Contact& contact = recorded.contact();
  lines.Add("subjects", absl::StrJoin(contact.subjects(), "; "));
  lines.Add("", contact.summary());
  AddActions(contact, lines);
  if (contact.has_identity_check()) lines.Add("identity", IdentityText(contact.identity_check()));
  if (!contact.third_party().empty()) {
    lines.Add("third party", absl::BytesToHexString(contact.third_party()));
  }
  lines.Add("made by", contact.generated_by());
  if (recorded.has_verbatim()) {
    lines.Add(absl::StrCat("verbatim (", EnumText(recorded.verbatim().reason()), ")"),
              recorded.verbatim().text());
  }
}

void AddServiceRequest(const events::ServiceRequestRaised& raised, Lines& lines) {
  const events::ServiceRequest& request = raised.request();
  lines.Add(EnumText(request.kind()), request.description());
  lines.Add("where", request.place());
  std::vector<std::string> hazards;
  for (const int hazard : request.hazards()) {
    hazards.push_back(EnumText(static_cast<events::Hazard>(hazard)));
  }
  lines.Add("hazards", absl::StrJoin(hazards, ", "));
  lines.Add("vulnerable", absl::StrJoin(raised.vulnerabilities(), "; "));
}

void AddDocument(const events::DocumentIndexEntry& entry, Lines& lines) {
  lines.Add("", entry.matter());
  lines.Add("indexed to", absl::StrCat(EnumText(entry.system()), ", ", EnumText(entry.medium()),
                                       ", ", EnumText(entry.sensitivity())));
  if (entry.has_best_fit()) {
    lines.Add("best fit",
              absl::StrCat(entry.best_fit().chosen_by(), ": ", entry.best_fit().reason()));
  }
  lines.Add("paper", entry.paper_location());
  lines.Add("kept at", entry.content_location());
  lines.Add("sha256", absl::BytesToHexString(entry.content_sha256()));
}

void AddCorrection(const events::CustomerDetailsCorrected& correction, Lines& lines) {
  if (correction.has_person()) lines.Add("person", PersonText(correction.person()));
  if (correction.has_tenancy()) {
    lines.Add("tenancy", TenancyText(correction.tenancy()));
    lines.Add("property", PropertyText(correction.tenancy()));
  }
  lines.Add("why", correction.reason());
}

void AddRegistration(const events::CustomerRegistered& registration, Lines& lines) {
  lines.Add("person", PersonText(registration.person()));
  if (registration.has_tenancy()) lines.Add("tenancy", TenancyText(registration.tenancy()));
  if (registration.synthetic()) lines.Add("", "invented person");
}

void AddHousehold(const events::HouseholdMemberAdded& household, Lines& lines) {
  lines.Add("", household.name());
  lines.Add("relation", household.relation());
  if (household.has_date_of_birth()) lines.Add("born", FormatDate(household.date_of_birth()));
}

std::string WhatText(const api::TimelineEntry& entry, absl::TimeZone zone) {
  Lines lines;
  if (entry.has_registration()) AddRegistration(entry.registration(), lines);
  if (entry.has_details_correction()) AddCorrection(entry.details_correction(), lines);
  if (entry.has_contact()) AddContact(entry.contact(), lines);
  if (entry.has_service_request()) AddServiceRequest(entry.service_request(), lines);
  if (entry.has_document()) AddDocument(entry.document().entry(), lines);
  if (entry.has_advice()) lines.Add("", entry.advice().advice());
  if (entry.has_needs()) lines.Add("", NeedsText(entry.needs().needs()));
  if (entry.has_safety()) lines.Add("", SafetyText(entry.safety().safety()));
  if (entry.has_authority()) lines.Add("", AuthorityText(entry.authority(), zone));
  if (entry.has_household()) AddHousehold(entry.household(), lines);
  if (entry.has_asb_report()) lines.Add("kind", entry.asb_report().kind());
  if (entry.has_confidential_address()) {
    const std::string& address = entry.confidential_address().address();
    lines.Add("", address.empty() ? "ended" : address);
  }
  if (entry.corrected()) lines.Add("", "(corrected)");
  return lines.text();
}

// Fixed widths, so that entries line up though they come one by one.
Table TimelineTable() {
  Table table({"WHEN", "KIND", "HOW", "BY", "WHAT"});
  constexpr size_t kWidths[] = {16, 15, 16, 10};
  for (size_t i = 0; i < std::size(kWidths); ++i) table.FixWidth(i, kWidths[i]);
  return table;
}

void AddTimelineRow(const api::TimelineEntry& entry, absl::TimeZone zone, Table& table) {
  table.AddRow({FormatMoment(entry.occurred_at_us(), zone), EnumText(entry.kind()),
                entry.has_contact() ? HowText(entry.contact().contact()) : "", entry.recorded_by(),
                WhatText(entry, zone)});
}

}  // namespace

std::string RenderTimelineHeader(const api::TimelineHeader& header, absl::TimeZone zone,
                                 size_t width) {
  Fields fields;
  if (header.has_person()) fields.emplace_back("Customer", PersonText(header.person()));
  if (header.synthetic()) fields.emplace_back("", "invented person");
  if (header.has_tenancy()) {
    fields.emplace_back("Tenancy", TenancyText(header.tenancy()));
    const std::string property = PropertyText(header.tenancy());
    if (!property.empty()) fields.emplace_back("Property", property);
  }
  fields.emplace_back("Safe to", header.has_safety() ? SafetyText(header.safety())
                                                     : "not known: leave no messages");
  fields.emplace_back("Needs", header.has_needs() ? NeedsText(header.needs()) : "not known");
  if (!header.confidential_address().empty()) {
    fields.emplace_back("CONFIDENTIAL address", header.confidential_address());
  }
  for (const auto& authority : header.authorities()) {
    fields.emplace_back("Speaks for them", AuthorityText(authority, zone));
  }
  return RenderFields(fields, width);
}

std::string RenderTimelineEntries(
    const google::protobuf::RepeatedPtrField<api::TimelineEntry>& entries,
    const TimelineLayout& layout) {
  std::string out;
  bool with_headings = layout.with_headings;
  for (const api::TimelineEntry& entry : entries) {
    Table table = TimelineTable();
    AddTimelineRow(entry, layout.zone, table);
    out += table.Render(layout.width, with_headings);
    if (layout.with_ids) absl::StrAppend(&out, "  id ", Printable(entry.entry_id()), "\n");
    with_headings = false;
  }
  return out;
}

}  // namespace records::tools
