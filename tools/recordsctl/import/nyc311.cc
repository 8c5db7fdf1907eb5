#include "tools/recordsctl/import/nyc311.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/recordsctl/import/mended_text.h"
#include "tools/recordsctl/import/synthetic_people.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

namespace events = records::events::v1;

// Limits of the API, in characters (proto/records/events/v1).
constexpr size_t kSourceKeyMax = 100;
constexpr size_t kSubjectMax = 100;
constexpr size_t kSummaryMax = 4000;
constexpr size_t kPlaceMax = 300;
constexpr size_t kReferenceMax = 64;
constexpr size_t kActionMax = 500;
constexpr size_t kOwnerMax = 100;

// Names of a column, in the form that NormalName() gives; the city renamed two in 2025.
struct ColumnName {
  Nyc311Column column;
  absl::string_view name;
};
constexpr ColumnName kColumnNames[] = {
    {Nyc311Column::kUniqueKey, "unique_key"},
    {Nyc311Column::kCreatedDate, "created_date"},
    {Nyc311Column::kComplaintType, "complaint_type"},
    {Nyc311Column::kComplaintType, "problem_(formerly_complaint_type)"},
    {Nyc311Column::kDescriptor, "descriptor"},
    {Nyc311Column::kDescriptor, "problem_detail_(formerly_descriptor)"},
    {Nyc311Column::kLocationType, "location_type"},
    {Nyc311Column::kIncidentAddress, "incident_address"},
    {Nyc311Column::kBorough, "borough"},
    {Nyc311Column::kBbl, "bbl"},
    {Nyc311Column::kAgency, "agency"},
    {Nyc311Column::kStatus, "status"},
    {Nyc311Column::kDueDate, "due_date"},
    {Nyc311Column::kResolution, "resolution_description"},
    {Nyc311Column::kChannel, "open_data_channel_type"},
};

std::string NormalName(absl::string_view name) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(absl::StripAsciiWhitespace(name)), {{" ", "_"}});
}

bool IsKnown(absl::string_view text) {
  return !text.empty() && !absl::EqualsIgnoreCase(text, "N/A") &&
         !absl::EqualsIgnoreCase(text, "Unspecified");
}

// A building key of zeros stands for none in the city's data.
bool IsBuildingKey(absl::string_view bbl) {
  return IsKnown(bbl) && !std::all_of(bbl.begin(), bbl.end(), [](char c) { return c == '0'; });
}

// What is nothing more to be done about: the rest is owned by the city's agency.
bool IsDone(absl::string_view status) {
  return absl::StartsWithIgnoreCase(status, "closed") ||
         absl::StartsWithIgnoreCase(status, "cancel");
}

RowReject RejectOf(const CsvRecord& record, absl::string_view key, absl::string_view reason,
                   absl::string_view message) {
  return {.first_line = record.first_line,
          .last_line = record.last_line,
          .key = std::string(key),
          .reason = std::string(reason),
          .message = std::string(message)};
}

events::Date DateOf(absl::CivilDay day) {
  events::Date date;
  date.set_year(static_cast<int>(day.year()));
  date.set_month(day.month());
  date.set_day(day.day());
  return date;
}

}  // namespace

std::optional<events::Hazard> HazardOf(absl::string_view sub_kind, absl::string_view type,
                                       absl::string_view descriptor) {
  const std::string text = absl::AsciiStrToUpper(absl::StrCat(type, " ", descriptor));
  // The descriptor tells more than the sub-kind, so it is asked first.
  constexpr std::pair<absl::string_view, events::Hazard> kWords[] = {
      {"CARBON MONOXIDE", events::HAZARD_GAS},
      {"COOKING GAS", events::HAZARD_GAS},
      {"GAS RANGE", events::HAZARD_GAS},
      {"FIRE", events::HAZARD_FIRE},
      {"SMOKE DETECTOR", events::HAZARD_FIRE},
      {"MOLD", events::HAZARD_DAMP_AND_MOULD},
      {"DAMP", events::HAZARD_DAMP_AND_MOULD},
      {"PEST", events::HAZARD_HYGIENE},
      {"RODENT", events::HAZARD_HYGIENE},
      {"SEWAGE", events::HAZARD_HYGIENE},
      {"ASBESTOS", events::HAZARD_ASBESTOS_OR_LEAD},
      {"LEAD", events::HAZARD_ASBESTOS_OR_LEAD},
      {"CEILING", events::HAZARD_STRUCTURAL},
      {"STAIR", events::HAZARD_STRUCTURAL},
      {"FALLING", events::HAZARD_STRUCTURAL},
      {"WINDOW GUARD", events::HAZARD_STRUCTURAL},
  };
  for (const auto& [word, hazard] : kWords) {
    if (absl::StrContains(text, word)) return hazard;
  }
  if (sub_kind == "heating_hot_water") return events::HAZARD_EXCESS_COLD;
  if (sub_kind == "electrical") return events::HAZARD_ELECTRICAL;
  if (sub_kind == "plumbing_leaks") return events::HAZARD_WATER;
  if (sub_kind == "lift") return events::HAZARD_LIFT;
  if (sub_kind == "damp_mould_pests") return events::HAZARD_HYGIENE;
  return std::nullopt;
}

absl::StatusOr<Nyc311Mapper> Nyc311Mapper::Create(const std::vector<std::string>& header,
                                                  RequestTypes types, NewYorkClock clock) {
  Nyc311Mapper mapper(std::move(types), std::move(clock));
  mapper.width_ = header.size();
  for (size_t i = 0; i < header.size(); ++i) {
    const std::string name = NormalName(header[i]);
    for (const ColumnName& column : kColumnNames) {
      if (column.name != name) continue;
      if (mapper.columns_[static_cast<size_t>(column.column)].has_value()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the column ", column.name, " is there twice"));
      }
      mapper.columns_[static_cast<size_t>(column.column)] = i;
    }
  }
  for (const Column required : {Column::kUniqueKey, Column::kCreatedDate, Column::kComplaintType}) {
    if (!mapper.columns_[static_cast<size_t>(required)].has_value()) {
      return absl::InvalidArgumentError(
          "the first line must name the columns unique_key, created_date and complaint_type");
    }
  }
  return mapper;
}

absl::string_view Nyc311Mapper::Get(const CsvRecord& record, Column column) const {
  const std::optional<size_t>& index = columns_[static_cast<size_t>(column)];
  return index.has_value() ? absl::StripAsciiWhitespace(record.fields[*index]) : "";
}

Nyc311Mapper::Result Nyc311Mapper::Map(const CsvRecord& record) const {
  CsvRecord mended = record;
  bool is_mended = false;
  for (std::string& field : mended.fields) {
    std::optional<std::string> text = MendText(field);
    if (!text.has_value()) continue;
    field = *std::move(text);
    is_mended = true;
  }
  Result result = MapWhole(mended);
  if (result.row.has_value()) result.row->mended_text = is_mended;
  return result;
}

Nyc311Mapper::Result Nyc311Mapper::MapWhole(const CsvRecord& record) const {
  if (!record.reason.empty()) {
    return {.reject = RejectOf(record, "", record.reason, "mend the line as RFC 4180 wants it")};
  }
  if (record.fields.size() != width_) {
    return {.reject = RejectOf(record, "", "FIELD_COUNT", "give as many fields as the first line")};
  }
  const absl::string_view key = Get(record, Column::kUniqueKey);
  if (key.empty() || CharacterCount(key) > kSourceKeyMax) {
    return {.reject = RejectOf(record, "", key.empty() ? "KEY_MISSING" : "KEY_TOO_LONG",
                               "give a unique key of 1 to 100 characters")};
  }
  const auto created = clock_.Parse(Get(record, Column::kCreatedDate));
  if (!created.ok()) {
    return {.reject = RejectOf(record, key, "CREATED_INVALID",
                               "give a time such as 2026-08-01T00:00:14 or 10/21/18 0:59")};
  }
  const absl::string_view name = Get(record, Column::kComplaintType);
  if (name.empty()) {
    return {.reject = RejectOf(record, key, "TYPE_MISSING", "give the complaint type")};
  }
  const RequestType type = types_.Find(name);
  MappedRow row{.kind = type.kind,
                .key = std::string(key),
                .repeated_time = created->repeated,
                .skipped_time = created->skipped};
  row.request.set_request_id(ImportRequestId(key));
  row.request.set_line(record.first_line);
  row.request.set_occurred_at_us(absl::ToUnixMicros(created->time));
  if (type.kind == WorkKind::kAsb) {
    FillAsb(record, type, row);
    return {.row = std::move(row), .reject = {}};
  }
  FillCustomer(record, row);
  FillContact(record, row);
  if (type.kind == WorkKind::kRepair) FillRepair(record, type, row);
  return {.row = std::move(row), .reject = {}};
}

std::string Nyc311Mapper::Describe(const CsvRecord& record) const {
  std::vector<std::string> parts;
  const absl::string_view descriptor = Get(record, Column::kDescriptor);
  parts.push_back(absl::StrCat(Get(record, Column::kComplaintType), IsKnown(descriptor) ? ": " : "",
                               IsKnown(descriptor) ? descriptor : ""));
  const absl::string_view location = Get(record, Column::kLocationType);
  if (IsKnown(location)) parts.push_back(absl::StrCat("Place: ", location, "."));
  const absl::string_view status = Get(record, Column::kStatus);
  if (IsKnown(status)) parts.push_back(absl::StrCat("Status at import: ", status, "."));
  const absl::string_view resolution = Get(record, Column::kResolution);
  if (IsKnown(resolution)) parts.emplace_back(resolution);
  parts[0] += ".";
  return CutCharacters(absl::StrJoin(parts, " "), kSummaryMax);
}

std::string Nyc311Mapper::PlaceOf(const CsvRecord& record) const {
  std::vector<absl::string_view> parts;
  for (const Column column : {Column::kIncidentAddress, Column::kBorough}) {
    const absl::string_view part = Get(record, column);
    if (IsKnown(part)) parts.push_back(part);
  }
  return CutCharacters(absl::StrJoin(parts, ", "), kPlaceMax);
}

void Nyc311Mapper::FillCustomer(const CsvRecord& record, MappedRow& row) const {
  const absl::string_view bbl = Get(record, Column::kBbl);
  const absl::string_view address = Get(record, Column::kIncidentAddress);
  const absl::string_view borough = Get(record, Column::kBorough);
  std::string key;
  if (IsBuildingKey(bbl)) {
    key = std::string(bbl);
  } else if (IsKnown(address) && IsKnown(borough)) {
    key = absl::AsciiStrToUpper(absl::StrCat(address, "|", borough));
  } else {
    return;  // an unlinked contact, never one customer called ""
  }
  auto& customer = *row.request.mutable_customer();
  customer = SyntheticTenant(key);
  if (IsBuildingKey(bbl)) {
    customer.mutable_tenancy()->set_property_reference(CutCharacters(bbl, kReferenceMax));
  }
  customer.mutable_tenancy()->set_property_address(PlaceOf(record));
}

void Nyc311Mapper::FillChannel(const CsvRecord& record, events::Contact& contact) const {
  const std::string channel = absl::AsciiStrToUpper(Get(record, Column::kChannel));
  contact.set_direction(events::DIRECTION_INBOUND);
  if (channel == "PHONE") {
    contact.set_channel(events::CHANNEL_PHONE);
  } else if (channel == "ONLINE") {
    contact.set_channel(events::CHANNEL_WEB_FORM);
  } else {
    contact.set_channel(events::CHANNEL_OTHER);
    contact.set_other_channel(channel == "MOBILE" ? "app" : "not known");
  }
}

void Nyc311Mapper::FillContact(const CsvRecord& record, MappedRow& row) const {
  events::Contact& contact = *row.request.mutable_contact();
  FillChannel(record, contact);
  contact.add_subjects(CutCharacters(Get(record, Column::kComplaintType), kSubjectMax));
  contact.set_summary(Describe(record));
  contact.set_source_key(row.key);
  FillFollowUp(record, contact);
}

void Nyc311Mapper::FillFollowUp(const CsvRecord& record, events::Contact& contact) const {
  const absl::string_view status = Get(record, Column::kStatus);
  if (IsDone(status)) return contact.set_no_further_action(true);
  events::Action& action = *contact.add_actions();
  const absl::string_view agency = Get(record, Column::kAgency);
  action.set_description(CutCharacters(
      absl::StrCat("Follow up the request",
                   IsKnown(status) ? absl::StrCat(" (", absl::AsciiStrToLower(status), ")") : ""),
      kActionMax));
  if (IsKnown(agency)) action.set_owner(CutCharacters(agency, kOwnerMax));
  const auto due = clock_.Parse(Get(record, Column::kDueDate));
  if (due.ok()) *action.mutable_due() = DateOf(due->day);
}

void Nyc311Mapper::FillRepair(const CsvRecord& record, const RequestType& type,
                              MappedRow& row) const {
  events::ServiceRequest& request = *row.request.mutable_service_request()->mutable_request();
  request.set_kind(events::SERVICE_REQUEST_KIND_REPAIR);
  request.set_description(Describe(record));
  request.set_place(PlaceOf(record));
  request.set_source_key(row.key);
  const auto hazard = HazardOf(type.sub_kind, Get(record, Column::kComplaintType),
                               Get(record, Column::kDescriptor));
  if (hazard.has_value()) request.add_hazards(*hazard);
}

void Nyc311Mapper::FillAsb(const CsvRecord& record, const RequestType& type, MappedRow& row) const {
  events::AsbReport& report = *row.request.mutable_asb_report();
  report.set_description(Describe(record));
  report.set_place(PlaceOf(record));
  report.set_kind(absl::StrReplaceAll(type.sub_kind, {{"_", " "}}));
  report.set_source_key(row.key);
}

}  // namespace records::tools
