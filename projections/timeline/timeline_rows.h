#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/ids.h"
#include "projections/projection.h"
#include "records/log/v1/event.pb.h"

// Keys and values of the timeline's tables. README.md has them in prose.
namespace records::projections {

inline constexpr eventstore::Table kEntries = ViewTable(0);
inline constexpr eventstore::Table kContactIds = ViewTable(1);
inline constexpr eventstore::Table kArrivals = ViewTable(2);
inline constexpr eventstore::Table kDetails = ViewTable(3);
inline constexpr eventstore::Table kHeaders = ViewTable(4);

// Where an entry stands in the timeline of its root: inverted time, then inverted sequence, both
// big-endian, so that the newest comes first. 16 bytes, the end of the entry's key.
inline constexpr size_t kPlaceSize = 16;
std::string PlaceOf(const records::log::v1::Event& event);
// The place before every entry that happened at or before `occurred_at_us`.
std::string PlaceAtOrBefore(int64_t occurred_at_us);
int64_t OccurredAtOfPlace(absl::string_view place);

// root (16) and what follows in the key.
std::string RowKey(const eventstore::RootId& root, absl::string_view rest);

// root, sequence: rising, for what is read in the order of arrival.
std::string ArrivalKey(const eventstore::RootId& root, uint64_t sequence);
absl::StatusOr<uint64_t> SequenceOfArrivalKey(absl::string_view key);
// root, inverted sequence: the newest first.
std::string DetailsKey(const eventstore::RootId& root, uint64_t sequence);

// An entry: the event as it was stored, and the latest correction of it, if any.
struct EntryRow {
  std::string event;
  std::string correction;
};

// Checksum over key and value (8 bytes of SHA-256), length of the event (4), event, correction.
std::string EncodeEntry(absl::string_view key, const EntryRow& row);
// kDataLoss: damaged, or the row of another key.
absl::StatusOr<EntryRow> DecodeEntry(absl::string_view key, absl::string_view value);

// What the header of one root is made of, as places of entries. Learned from fold parts, so it is
// sealed at rest.
struct HeaderState {
  uint64_t last_sequence =
      0;              // of any restricted event: each leaves the row changed, so it tells nothing
  std::string needs;  // empty: none
  std::string safety;
  std::string confidential_address;
  std::vector<std::string> authorities;  // oldest first, at most kAuthoritiesMax
};

// Authorities of one root that are looked at; an older one is no longer found.
inline constexpr size_t kAuthoritiesMax = 120;

// Padded to steps of 256 bytes, so that the size tells next to nothing.
std::string EncodeHeaderState(const HeaderState& state);
absl::StatusOr<HeaderState> DecodeHeaderState(absl::string_view bytes);

}  // namespace records::projections
