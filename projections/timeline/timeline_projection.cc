#include "projections/timeline/timeline_projection.h"

#include <utility>

#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "projections/timeline/timeline_rows.h"
#include "records/events/v1/contact.pb.h"
#include "records/events/v1/customer.pb.h"
#include "records/events/v1/erasure.pb.h"
#include "records/events/v1/restricted.pb.h"

namespace records::projections {

using eventstore::RootId;
using eventstore::StoredEvent;

namespace {

constexpr absl::string_view kCollection = "customers";
// Who read the record is in the access ledger, and no part of the record.
constexpr absl::string_view kAccessSubStream = "access";

template <typename Message>
bool Is(absl::string_view type) {
  return type == Message::descriptor()->full_name();
}

// Notes what an event of `type` at `place` changes in the header.
void NoteInHeader(absl::string_view type, const std::string& place, HeaderState& state) {
  if (Is<events::v1::CommunicationNeedsSet>(type)) {
    state.needs = place;
  } else if (Is<events::v1::ContactSafetySet>(type)) {
    state.safety = place;
  } else if (Is<events::v1::ConfidentialAddressSet>(type)) {
    state.confidential_address = place;
  } else if (Is<events::v1::ThirdPartyAuthorityRecorded>(type)) {
    if (state.authorities.size() == kAuthoritiesMax) {
      state.authorities.erase(state.authorities.begin());
    }
    state.authorities.push_back(place);
  }
}

}  // namespace

struct TimelineProjection::Place {
  RootId root;
  uint64_t sequence = 0;
  std::string place;
};

std::vector<std::string> TimelineProjection::tables() const {
  return {"entries", "contact-ids", "arrivals", "details", "headers"};
}

bool TimelineProjection::EndsRoot(const StoredEvent& event) const {
  return event.event.stream().collection() == kCollection &&
         Is<events::v1::SubjectFenced>(event.event.type());
}

absl::Status TimelineProjection::Apply(const StoredEvent& event, ViewBatch& batch) const {
  const auto& stream = event.event.stream();
  if (stream.collection() != kCollection || stream.sub_stream() == kAccessSubStream) {
    return absl::OkStatus();
  }
  Place at{.sequence = event.position.sequence, .place = PlaceOf(event.event)};
  ASSIGN_OR_RETURN(at.root, RootId::FromBytes(stream.root()));
  if (EndsRoot(event)) return Erase(at.root, batch);
  if (Is<events::v1::ContactCorrected>(event.event.type())) {
    return AddCorrection(event, at, batch);
  }
  return AddEntry(event, at, batch);
}

absl::Status TimelineProjection::Erase(const RootId& root, ViewBatch& batch) {
  if (PLANTED_BUG("erasure-view-rows-kept")) return absl::OkStatus();
  for (const eventstore::Table table : {kEntries, kContactIds, kArrivals, kDetails, kHeaders}) {
    std::vector<std::string> keys;
    RETURN_IF_ERROR(batch.ScanPrefix(table, root.bytes(), [&](absl::string_view key, auto) {
      keys.emplace_back(key);
      return true;
    }));
    for (const std::string& key : keys) batch.Delete(table, key);
  }
  return absl::OkStatus();
}

absl::Status TimelineProjection::AddEntry(const StoredEvent& event, const Place& at,
                                          ViewBatch& batch) const {
  const std::string& type = event.event.type();
  const std::string key = RowKey(at.root, at.place);
  batch.Put(kEntries, key, EncodeEntry(key, {.event = event.bytes}));
  batch.Put(kArrivals, ArrivalKey(at.root, at.sequence), at.place);
  if (Is<events::v1::ContactRecorded>(type)) {
    batch.Put(kContactIds, RowKey(at.root, event.event.id()), at.place);
  } else if (Is<events::v1::CustomerRegistered>(type) ||
             Is<events::v1::CustomerDetailsCorrected>(type)) {
    batch.Put(kDetails, DetailsKey(at.root, at.sequence), at.place);
  } else if (Is<events::v1::Restricted>(type)) {
    return UpdateHeader(event, at, batch);
  }
  return absl::OkStatus();
}

absl::Status TimelineProjection::AddCorrection(const StoredEvent& event, const Place& at,
                                               ViewBatch& batch) const {
  ASSIGN_OR_RETURN(const auto place,
                   batch.Get(kContactIds, RowKey(at.root, event.event.causation())));
  if (!place.has_value()) {
    return absl::FailedPreconditionError("a correction names no contact of its own root");
  }
  const std::string key = RowKey(at.root, *place);
  ASSIGN_OR_RETURN(const auto value, batch.Get(kEntries, key));
  if (!value.has_value()) return absl::DataLossError("an entry of the timeline is missing");
  ASSIGN_OR_RETURN(EntryRow row, DecodeEntry(key, *value));
  records::log::v1::Event original;
  if (!original.ParseFromString(row.event)) {
    return absl::DataLossError("an entry of the timeline is damaged");
  }
  RETURN_IF_ERROR(keys_.RemoveCorrectedParts(event.event, original));
  row.event = original.SerializeAsString();
  row.correction = event.bytes;
  batch.Put(kEntries, key, EncodeEntry(key, row));
  batch.Put(kArrivals, ArrivalKey(at.root, at.sequence), *place);
  return absl::OkStatus();
}

absl::Status TimelineProjection::UpdateHeader(const StoredEvent& event, const Place& at,
                                              ViewBatch& batch) const {
  ASSIGN_OR_RETURN(const auto type, keys_.RealType(event.event));
  ASSIGN_OR_RETURN(const auto sealed, batch.Get(kHeaders, at.root.bytes()));
  HeaderState state;
  if (sealed.has_value()) {
    ASSIGN_OR_RETURN(const std::string opened, keys_.OpenHeader(at.root, *sealed));
    ASSIGN_OR_RETURN(state, DecodeHeaderState(opened));
  }
  state.last_sequence = at.sequence;
  if (type.has_value()) NoteInHeader(*type, at.place, state);
  ASSIGN_OR_RETURN(std::string resealed, keys_.SealHeader(at.root, EncodeHeaderState(state)));
  batch.Put(kHeaders, at.root.bytes(), std::move(resealed));
  return absl::OkStatus();
}

}  // namespace records::projections
