#include "projections/timeline/timeline_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "eventstore/status_macros.h"
#include "projections/timeline/entry_opener.h"
#include "projections/timeline/timeline_rows.h"
#include "projections/view_rows.h"
#include "records/events/v1/restricted.pb.h"

namespace records::projections {

using events::v1::CommunicationNeedsSet;
using events::v1::ConfidentialAddressSet;
using events::v1::ContactRecorded;
using events::v1::ContactSafetySet;
using events::v1::ThirdPartyAuthorityRecorded;
using eventstore::Cursor;
using eventstore::kIdSize;
using eventstore::RootId;

namespace {

template <typename Message>
const Message* As(const OpenedEntry& entry) {
  return google::protobuf::DynamicCastToGenerated<Message>(entry.message.get());
}

bool Matches(const TimelineQuery& query, const OpenedEntry& entry) {
  if (!query.types.empty() &&
      std::find(query.types.begin(), query.types.end(), entry.type) == query.types.end()) {
    return false;
  }
  if (!query.channel.has_value()) return true;
  const auto* contact = As<ContactRecorded>(entry);
  return contact != nullptr && contact->contact().channel() == *query.channel;
}

void Count(const EntryWithCategories& opened, OpenedForAnswer& answer) {
  ++answer.events;
  answer.categories.insert(opened.categories.begin(), opened.categories.end());
}

absl::Status CheckQuery(const TimelineQuery& query) {
  if (query.page_size < 1 || query.page_size > kTimelinePageMax) {
    return absl::InvalidArgumentError("the page size is out of bounds");
  }
  if (!query.cursor.empty() && query.cursor.size() != kPlaceSize) {
    return absl::InvalidArgumentError("not a cursor of a timeline");
  }
  return absl::OkStatus();
}

// Stands on the first row that the page may hold.
void SeekPage(const TimelineQuery& query, Cursor& cursor) {
  std::string place;
  if (query.until.has_value()) {
    place = PlaceAtOrBefore(absl::ToUnixMicros(*query.until - absl::Microseconds(1)));
  }
  place = std::max(place, query.cursor);
  const std::string key = RowKey(query.root, place);
  cursor.Seek(key);
  const bool at_cursor = !query.cursor.empty() && place == query.cursor;
  if (at_cursor && cursor.Valid() && cursor.key() == key) cursor.Next();
}

// The rest of the cursor's key after the root, or nothing when it has left the root.
std::optional<std::string> RestOfKey(const Cursor& cursor, const RootId& root) {
  if (!cursor.Valid() || !absl::StartsWith(cursor.key(), root.bytes())) return std::nullopt;
  return std::string(cursor.key().substr(kIdSize));
}

// Reads the next rows that a page may hold; fewer than `wanted`: there are no more.
absl::StatusOr<std::vector<EntryEvents>> ReadPage(const TimelineQuery& query,
                                                  const EntryOpener& opener, size_t wanted,
                                                  Cursor& cursor) {
  std::vector<EntryEvents> rows;
  for (; rows.size() < wanted; cursor.Next()) {
    const auto place = RestOfKey(cursor, query.root);
    if (!place.has_value()) break;
    if (place->size() != kPlaceSize) return absl::DataLossError("a key of the timeline is damaged");
    if (query.from.has_value() && OccurredAtOfPlace(*place) < absl::ToUnixMicros(*query.from)) {
      break;
    }
    ASSIGN_OR_RETURN(rows.emplace_back(), opener.Parse(*place, cursor.value()));
  }
  RETURN_IF_ERROR(cursor.status());
  return rows;
}

}  // namespace

absl::StatusOr<TimelinePage> TimelineReader::GetPage(const TimelineQuery& query,
                                                     MayOpen may_open) const {
  RETURN_IF_ERROR(CheckQuery(query));
  RETURN_IF_ERROR(CheckNotParked(storage_, query.root));
  TimelinePage page;
  EntryOpener opener(storage_, sealer_, keys_, query.root, may_open);
  const auto cursor = storage_.NewCursor(kEntries);
  std::string last_shown;
  SeekPage(query, *cursor);
  for (size_t left = kTimelineRowsPerCallMax; left > 0;) {
    // One more than fits: now it is known that a further page holds something to be seen. Without
    // looking, a last page would be empty only where something is hidden.
    const size_t wanted = std::min(query.page_size + 1, left);
    ASSIGN_OR_RETURN(const auto rows, ReadPage(query, opener, wanted, *cursor));
    opener.Expect(rows);
    for (const EntryEvents& row : rows) {
      ASSIGN_OR_RETURN(auto opened, opener.Open(row));
      if (!opened.has_value() || !Matches(query, opened->entry)) continue;
      if (page.entries.size() == query.page_size) {
        page.next_cursor = last_shown;
        return page;
      }
      Count(*opened, page.opened);
      page.entries.push_back(std::move(opened->entry));
      last_shown = row.place;
    }
    if (rows.size() < wanted) return page;
    left -= wanted;
    if (left == 0) page.next_cursor = rows.back().place;
  }
  return page;
}

absl::StatusOr<TimelineArrivals> TimelineReader::GetArrivals(const RootId& root,
                                                             uint64_t after_sequence, size_t limit,
                                                             MayOpen may_open) const {
  RETURN_IF_ERROR(CheckNotParked(storage_, root));
  TimelineArrivals arrivals{.last_sequence = after_sequence};
  EntryOpener opener(storage_, sealer_, keys_, root, may_open);
  const auto cursor = storage_.NewCursor(kArrivals);
  cursor->Seek(ArrivalKey(root, after_sequence + 1));
  size_t left = kTimelineRowsPerCallMax;
  while (left > 0 && arrivals.entries.size() < limit && RestOfKey(*cursor, root).has_value()) {
    std::vector<EntryEvents> rows;
    const size_t wanted = std::min(limit - arrivals.entries.size(), left);
    for (; rows.size() < wanted && RestOfKey(*cursor, root).has_value(); cursor->Next()) {
      ASSIGN_OR_RETURN(arrivals.last_sequence, SequenceOfArrivalKey(cursor->key()));
      ASSIGN_OR_RETURN(rows.emplace_back(), opener.ReadAt(cursor->value()));
    }
    left -= rows.size();
    opener.Expect(rows);
    for (const EntryEvents& row : rows) {
      ASSIGN_OR_RETURN(auto opened, opener.Open(row));
      if (!opened.has_value()) continue;
      Count(*opened, arrivals.opened);
      arrivals.entries.push_back(std::move(opened->entry));
    }
  }
  arrivals.more = RestOfKey(*cursor, root).has_value();
  RETURN_IF_ERROR(cursor->status());
  return arrivals;
}

namespace {

// Fills the header from the entries that its state points at.
class HeaderFiller {
 public:
  HeaderFiller(EntryOpener& opener, OpenedHeader& header) : opener_(opener), header_(header) {}

  // Reads all that the state points at, so that their keys are asked for together.
  absl::Status Read(const HeaderState& state) {
    std::vector<std::string> places = state.authorities;
    places.insert(places.end(), {state.needs, state.safety, state.confidential_address});
    std::sort(places.begin(), places.end());
    places.erase(std::unique(places.begin(), places.end()), places.end());
    for (const std::string& place : places) {
      if (place.empty()) continue;
      ASSIGN_OR_RETURN(rows_.emplace_back(), opener_.ReadAt(place));
    }
    opener_.Expect(rows_);
    return absl::OkStatus();
  }

  // Opens the entry at `place` and hands its message, if it is there and opened, to `take`, which
  // says whether the answer holds it.
  template <typename Message, typename Take>
  absl::Status Fill(const std::string& place, Take take) {
    const auto row = std::find_if(rows_.begin(), rows_.end(),
                                  [&](const EntryEvents& read) { return read.place == place; });
    if (row == rows_.end()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const auto opened, opener_.Open(*row));
    if (!opened.has_value()) return absl::OkStatus();
    const auto* message = As<Message>(opened->entry);
    if (message == nullptr) return absl::DataLossError("the header of a timeline is damaged");
    if (take(*message)) Count(*opened, header_.opened);
    return absl::OkStatus();
  }

 private:
  EntryOpener& opener_;
  OpenedHeader& header_;
  std::vector<EntryEvents> rows_;
};

absl::Status FillDetails(EntryOpener& opener, OpenedHeader& header) {
  ASSIGN_OR_RETURN(const CurrentDetails* details, opener.Details());
  header.person = details->person;
  header.tenancy = details->tenancy;
  header.synthetic = details->synthetic;
  header.opened.events += details->events;
  header.opened.categories.insert(details->categories.begin(), details->categories.end());
  return absl::OkStatus();
}

absl::Status FillFromState(const HeaderState& state, absl::Time now, HeaderFiller filler,
                           OpenedHeader& header) {
  RETURN_IF_ERROR(filler.Read(state));
  RETURN_IF_ERROR(filler.Fill<CommunicationNeedsSet>(state.needs, [&](const auto& message) {
    header.needs = message.needs();
    return true;
  }));
  RETURN_IF_ERROR(filler.Fill<ContactSafetySet>(state.safety, [&](const auto& message) {
    header.safety = message.safety();
    return true;
  }));
  RETURN_IF_ERROR(
      filler.Fill<ConfidentialAddressSet>(state.confidential_address, [&](const auto& message) {
        header.confidential_address = message.address();
        return true;
      }));
  for (const std::string& place : state.authorities) {
    RETURN_IF_ERROR(filler.Fill<ThirdPartyAuthorityRecorded>(place, [&](const auto& message) {
      if (message.authority().expires_at_us() <= absl::ToUnixMicros(now)) return false;
      header.authorities.push_back(message);
      return true;
    }));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OpenedHeader> TimelineReader::GetHeader(const RootId& root, absl::Time now,
                                                       MayOpen may_open) const {
  RETURN_IF_ERROR(CheckNotParked(storage_, root));
  OpenedHeader header;
  EntryOpener opener(storage_, sealer_, keys_, root, may_open);
  RETURN_IF_ERROR(FillDetails(opener, header));
  ASSIGN_OR_RETURN(const auto sealed, storage_.Get(kHeaders, root.bytes()));
  if (!sealed.has_value()) return header;
  ASSIGN_OR_RETURN(const std::string bytes, keys_.OpenHeader(root, *sealed));
  ASSIGN_OR_RETURN(const HeaderState state, DecodeHeaderState(bytes));
  RETURN_IF_ERROR(FillFromState(state, now, HeaderFiller(opener, header), header));
  return header;
}

}  // namespace records::projections
