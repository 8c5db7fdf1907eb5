#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eventstore/ids.h"
#include "eventstore/sealing.h"
#include "eventstore/storage.h"
#include "projections/timeline/timeline_keys.h"
#include "projections/timeline/timeline_reader.h"
#include "records/log/v1/event.pb.h"

namespace records::projections {

// The value of person and tenancy that counts now, and the events that hold it.
struct CurrentDetails {
  std::optional<records::events::v1::PersonDetails> person;
  std::optional<records::events::v1::TenancyDetails> tenancy;
  eventstore::EventId person_from;
  eventstore::EventId tenancy_from;
  absl::flat_hash_set<std::string> categories;
  uint32_t events = 0;
  bool synthetic = false;
};

// A row of an entry, read and not opened: the event, and the latest correction of it.
struct EntryEvents {
  std::string place;
  records::log::v1::Event event;
  std::optional<records::log::v1::Event> correction;
};

// An entry and the categories that were opened for it.
struct EntryWithCategories {
  OpenedEntry entry;
  absl::flat_hash_set<std::string> categories;
};

// Opens the entries of one root for one question: reads rows, says which keys they take, and opens
// them.
//
// Not thread-safe. Must not outlive its arguments.
class EntryOpener {
 public:
  EntryOpener(const eventstore::Storage& storage, const eventstore::Sealer& sealer,
              const TimelineKeys& keys, const eventstore::RootId& root, MayOpen may_open)
      : storage_(storage), sealer_(sealer), keys_(keys), root_(root), may_open_(may_open) {}

  // What the row at `place` holds. kDataLoss: damaged or missing.
  absl::StatusOr<EntryEvents> ReadAt(absl::string_view place) const;
  // The same of a row that a cursor stands on.
  absl::StatusOr<EntryEvents> Parse(absl::string_view place, absl::string_view value) const;

  // These are opened next: their keys may be asked for together.
  void Expect(absl::Span<const EntryEvents> rows) const;

  // Opens an entry; nullopt: nothing of it may be opened. kDataLoss: damaged.
  absl::StatusOr<std::optional<EntryWithCategories>> Open(const EntryEvents& row);

  // Walks the registration and its corrections from the newest, once.
  absl::StatusOr<const CurrentDetails*> Details();

 private:
  absl::StatusOr<eventstore::OpenedEvent> OpenEvent(const records::log::v1::Event& event) const;
  absl::StatusOr<records::log::v1::Event> ParseEvent(absl::string_view place,
                                                     absl::string_view bytes) const;
  absl::Status ApplyCorrection(const records::log::v1::Event& event,
                               EntryWithCategories& opened) const;
  // Old values of person and tenancy give way to those that count now (C55).
  absl::Status ApplyDetails(EntryWithCategories& opened);
  // Places of the registration and its corrections, the newest first.
  absl::StatusOr<std::vector<std::string>> PlacesOfDetails() const;
  absl::Status AddDetails(const records::log::v1::Event& event, CurrentDetails& details) const;

  const eventstore::Storage& storage_;
  const eventstore::Sealer& sealer_;
  const TimelineKeys& keys_;
  const eventstore::RootId root_;
  const MayOpen may_open_;
  std::optional<CurrentDetails> details_;
};

}  // namespace records::projections
