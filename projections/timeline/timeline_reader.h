#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventstore/ids.h"
#include "eventstore/sealing.h"
#include "eventstore/storage.h"
#include "google/protobuf/message.h"
#include "projections/timeline/timeline_keys.h"
#include "records/events/v1/contact.pb.h"
#include "records/events/v1/customer.pb.h"

namespace records::projections {

// Rows that one question looks at, at most. A page is then shorter, with a cursor.
inline constexpr size_t kTimelineRowsPerCallMax = 2'000;
inline constexpr size_t kTimelinePageMax = 200;

// The categories that the caller may open, as the access decision says.
using MayOpen = absl::FunctionRef<bool(absl::string_view category)>;

// What was opened for an answer, for the trace. Counts what the answer holds: what a filter dropped
// was opened to be judged, and nobody saw it.
struct OpenedForAnswer {
  absl::flat_hash_set<std::string> categories;
  uint32_t events = 0;
};

// One entry, opened as far as the caller may. `message` is of `type`.
struct OpenedEntry {
  eventstore::EventId id;
  eventstore::Position position;
  absl::Time occurred_at;
  absl::Time recorded_at;
  std::string type;
  std::unique_ptr<google::protobuf::Message> message;
  eventstore::SubjectId actor;  // who recorded it first; nil when sealed and not opened
  bool corrected = false;       // the message holds a later value than was first recorded
};

struct TimelineQuery {
  eventstore::RootId root;
  std::optional<absl::Time> from;                       // occurred at or after
  std::optional<absl::Time> until;                      // occurred before
  std::optional<records::events::v1::Channel> channel;  // only contacts by it
  std::vector<std::string> types;                       // real types, by full name; empty: all
  size_t page_size = 50;                                // 1 .. kTimelinePageMax
  std::string cursor;                                   // of the page before; empty: the first
};

struct TimelinePage {
  std::vector<OpenedEntry> entries;  // newest first
  std::string next_cursor;           // empty: nothing follows that the caller may see
  OpenedForAnswer opened;
};

// Entries in the order in which they came into the log.
struct TimelineArrivals {
  std::vector<OpenedEntry> entries;
  uint64_t last_sequence = 0;  // go on after this
  bool more = false;           // more stands already
  OpenedForAnswer opened;
};

// What must be known before the first word (CR-2.4a).
struct OpenedHeader {
  std::optional<records::events::v1::PersonDetails> person;
  std::optional<records::events::v1::TenancyDetails> tenancy;
  std::optional<records::events::v1::CommunicationNeeds> needs;
  std::optional<records::events::v1::ContactSafety> safety;
  std::string confidential_address;
  std::vector<records::events::v1::ThirdPartyAuthorityRecorded> authorities;  // that stand now
  bool synthetic = false;
  OpenedForAnswer opened;
};

// Answers questions about timelines. It never decides access: it opens what `may_open` says, and
// what of an entry cannot be opened is as if it were not there. An entry of which nothing can be
// opened is left out, and its place in the page is filled from further ones.
//
// All fail with kUnavailable (VIEW_PARKED) for a parked root, and kDataLoss where a row or a part
// is damaged: nothing of that answer is served. Thread-safe; reads beside the runner's writes. Must
// not outlive its arguments.
class TimelineReader {
 public:
  TimelineReader(const eventstore::Storage& storage, const eventstore::Sealer& sealer,
                 const TimelineKeys& keys)
      : storage_(storage), sealer_(sealer), keys_(keys) {}

  // A page of the timeline. kInvalidArgument: the page size, or not a cursor of this reader.
  [[nodiscard]] absl::StatusOr<TimelinePage> GetPage(const TimelineQuery& query,
                                                     MayOpen may_open) const;

  // What came into the log after `after_sequence` (of the root's partition), at most `limit`
  // entries. A corrected entry comes again, at the place of its correction.
  [[nodiscard]] absl::StatusOr<TimelineArrivals> GetArrivals(const eventstore::RootId& root,
                                                             uint64_t after_sequence, size_t limit,
                                                             MayOpen may_open) const;

  // The header. An authority that expires at `now` has ended.
  [[nodiscard]] absl::StatusOr<OpenedHeader> GetHeader(const eventstore::RootId& root,
                                                       absl::Time now, MayOpen may_open) const;

 private:
  const eventstore::Storage& storage_;
  const eventstore::Sealer& sealer_;
  const TimelineKeys& keys_;
};

}  // namespace records::projections
