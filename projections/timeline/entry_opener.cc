#include "projections/timeline/entry_opener.h"

#include <utility>

#include "absl/strings/match.h"
#include "eventstore/status_macros.h"
#include "projections/timeline/timeline_rows.h"
#include "records/events/v1/asb.pb.h"
#include "records/log/v1/options.pb.h"

namespace records::projections {

using events::v1::AsbReportLinked;
using events::v1::ContactCorrected;
using events::v1::ContactRecorded;
using events::v1::CustomerDetailsCorrected;
using events::v1::CustomerRegistered;
using eventstore::EventId;
using eventstore::OpenedEvent;
using eventstore::SubjectId;
using log::v1::Event;

namespace {

// Corrections of details that are read ahead, so that their keys are asked for together. Most
// customers have none.
constexpr size_t kDetailsTogether = 16;

absl::Status Damaged() { return absl::DataLossError("an entry of the timeline is damaged"); }

// `message` as the type that it is said to be; nullptr: it is another.
template <typename Message>
Message* As(google::protobuf::Message* message) {
  return google::protobuf::DynamicCastToGenerated<Message>(message);
}

// The category that seals a field, from its annotation.
std::string CategoryOf(int field_number) {
  return CustomerRegistered::descriptor()
      ->FindFieldByNumber(field_number)
      ->options()
      .GetExtension(log::v1::personal)
      .category();
}

// Takes person and tenancy from a registration or a correction of details, where none newer was
// found.
template <typename Message>
void TakeDetails(const Message& message, const EventId& id, CurrentDetails& details) {
  if (!details.person.has_value() && message.has_person()) {
    details.person = message.person();
    details.person_from = id;
  }
  if (!details.tenancy.has_value() && message.has_tenancy()) {
    details.tenancy = message.tenancy();
    details.tenancy_from = id;
  }
}

}  // namespace

absl::StatusOr<OpenedEvent> EntryOpener::OpenEvent(const Event& event) const {
  return sealer_.Open(event, [&](absl::string_view category) {
    // The fold part tells the type of what the caller may not see; it is the fold's alone.
    return category != kTimelineFoldCategory && may_open_(category);
  });
}

absl::StatusOr<Event> EntryOpener::ParseEvent(absl::string_view place,
                                              absl::string_view bytes) const {
  Event event;
  if (!event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Damaged();
  if (event.stream().root() != root_.bytes() || PlaceOf(event) != place) return Damaged();
  return event;
}

absl::StatusOr<EntryEvents> EntryOpener::Parse(absl::string_view place,
                                               absl::string_view value) const {
  ASSIGN_OR_RETURN(const EntryRow row, DecodeEntry(RowKey(root_, place), value));
  EntryEvents events{.place = std::string(place)};
  ASSIGN_OR_RETURN(events.event, ParseEvent(place, row.event));
  if (!row.correction.empty() && !events.correction.emplace().ParseFromString(row.correction)) {
    return Damaged();
  }
  return events;
}

absl::StatusOr<EntryEvents> EntryOpener::ReadAt(absl::string_view place) const {
  ASSIGN_OR_RETURN(const auto value, storage_.Get(kEntries, RowKey(root_, place)));
  if (!value.has_value()) return absl::DataLossError("an entry of the timeline is missing");
  return Parse(place, *value);
}

void EntryOpener::Expect(absl::Span<const EntryEvents> rows) const {
  std::vector<const Event*> events;
  events.reserve(rows.size());
  for (const EntryEvents& row : rows) {
    events.push_back(&row.event);
    if (row.correction.has_value()) events.push_back(&*row.correction);
  }
  keys_.Expect(events);
}

absl::StatusOr<std::optional<EntryWithCategories>> EntryOpener::Open(const EntryEvents& row) {
  const Event& event = row.event;
  ASSIGN_OR_RETURN(OpenedEvent opened, OpenEvent(event));
  EntryWithCategories result;
  OpenedEntry& entry = result.entry;
  ASSIGN_OR_RETURN(entry.id, EventId::FromBytes(event.id()));
  entry.position = {event.position().partition(), event.position().sequence()};
  entry.occurred_at = absl::FromUnixMicros(event.occurred_at_us());
  entry.recorded_at = absl::FromUnixMicros(event.recorded_at_us());
  entry.type = std::move(opened.type);
  entry.message = std::move(opened.message);
  entry.actor = opened.actor;
  result.categories = std::move(opened.categories);
  if (row.correction.has_value()) RETURN_IF_ERROR(ApplyCorrection(*row.correction, result));
  if (result.categories.empty() || entry.message == nullptr) return std::nullopt;
  // Every split message leaves a link; an empty one leads nowhere and is there only to hide those
  // that do.
  const auto* link = As<AsbReportLinked>(entry.message.get());
  if (link != nullptr && link->report().empty()) return std::nullopt;
  RETURN_IF_ERROR(ApplyDetails(result));
  return result;
}

absl::Status EntryOpener::ApplyCorrection(const Event& event, EntryWithCategories& opened) const {
  ASSIGN_OR_RETURN(OpenedEvent correction, OpenEvent(event));
  opened.entry.corrected = true;
  auto* recorded = As<ContactRecorded>(opened.entry.message.get());
  auto* corrected = As<ContactCorrected>(correction.message.get());
  if (recorded == nullptr || corrected == nullptr) return Damaged();
  if (corrected->has_contact()) *recorded->mutable_contact() = corrected->contact();
  opened.categories.merge(correction.categories);
  return absl::OkStatus();
}

absl::Status EntryOpener::ApplyDetails(EntryWithCategories& opened) {
  auto* registered = As<CustomerRegistered>(opened.entry.message.get());
  auto* corrected = As<CustomerDetailsCorrected>(opened.entry.message.get());
  if (registered == nullptr && corrected == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const CurrentDetails* current, Details());
  if (corrected != nullptr) {
    if (current->person_from != opened.entry.id) corrected->clear_person();
    if (current->tenancy_from != opened.entry.id) corrected->clear_tenancy();
    return absl::OkStatus();
  }
  if (registered->has_person() && current->person.has_value() &&
      current->person_from != opened.entry.id) {
    *registered->mutable_person() = *current->person;
    opened.entry.corrected = true;
  }
  if (registered->has_tenancy() && current->tenancy.has_value() &&
      current->tenancy_from != opened.entry.id) {
    *registered->mutable_tenancy() = *current->tenancy;
    opened.entry.corrected = true;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> EntryOpener::PlacesOfDetails() const {
  std::vector<std::string> places;
  const auto cursor = storage_.NewCursor(kDetails);
  for (cursor->Seek(root_.bytes());
       cursor->Valid() && absl::StartsWith(cursor->key(), root_.bytes()); cursor->Next()) {
    if (places.size() == kTimelineRowsPerCallMax) {
      return absl::ResourceExhaustedError("too many corrections of one customer's details");
    }
    places.emplace_back(cursor->value());
  }
  RETURN_IF_ERROR(cursor->status());
  return places;
}

absl::StatusOr<const CurrentDetails*> EntryOpener::Details() {
  if (details_.has_value()) return &*details_;
  CurrentDetails details;
  // What the caller may not open is not looked for.
  const bool wants_person = may_open_(CategoryOf(CustomerRegistered::kPersonFieldNumber));
  const bool wants_tenancy = may_open_(CategoryOf(CustomerRegistered::kTenancyFieldNumber));
  const auto complete = [&] {
    return (details.person.has_value() || !wants_person) &&
           (details.tenancy.has_value() || !wants_tenancy);
  };
  ASSIGN_OR_RETURN(const std::vector<std::string> places, PlacesOfDetails());
  for (size_t next = 0; next < places.size() && !complete();) {
    std::vector<EntryEvents> rows;
    while (next < places.size() && rows.size() < kDetailsTogether) {
      ASSIGN_OR_RETURN(rows.emplace_back(), ReadAt(places[next++]));
    }
    Expect(rows);
    for (const EntryEvents& row : rows) {
      if (!complete()) RETURN_IF_ERROR(AddDetails(row.event, details));
    }
  }
  if (!places.empty()) {
    ASSIGN_OR_RETURN(const EntryEvents oldest, ReadAt(places.back()));
    CustomerRegistered facts;  // clear fields only
    if (oldest.event.type() == CustomerRegistered::descriptor()->full_name() &&
        facts.ParseFromString(oldest.event.facts())) {
      details.synthetic = facts.synthetic();
    }
  }
  details_ = std::move(details);
  return &*details_;
}

absl::Status EntryOpener::AddDetails(const Event& event, CurrentDetails& details) const {
  ASSIGN_OR_RETURN(const OpenedEvent opened, OpenEvent(event));
  if (opened.categories.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const EventId id, EventId::FromBytes(event.id()));
  ++details.events;
  details.categories.insert(opened.categories.begin(), opened.categories.end());
  if (const auto* registered = As<CustomerRegistered>(opened.message.get())) {
    TakeDetails(*registered, id, details);
  } else if (const auto* corrected = As<CustomerDetailsCorrected>(opened.message.get())) {
    TakeDetails(*corrected, id, details);
  }
  return absl::OkStatus();
}

}  // namespace records::projections
