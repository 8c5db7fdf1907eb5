#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/ids.h"
#include "eventstore/sealing.h"
#include "eventstore/storage.h"
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

// An entry and the categories that were opened for it.
struct EntryWithCategories {
  OpenedEntry entry;
  absl::flat_hash_set<std::string> categories;
};

// Opens the entries of one root for one question.
//
// Not thread-safe. Must not outlive its arguments.
class EntryOpener {
 public:
  EntryOpener(const eventstore::Storage& storage, const eventstore::Sealer& sealer,
              const eventstore::RootId& root, MayOpen may_open)
      : storage_(storage), sealer_(sealer), root_(root), may_open_(may_open) {}

  // Opens the entry at `place`; nullopt: nothing of it may be opened. kDataLoss: damaged or
  // missing.
  absl::StatusOr<std::optional<EntryWithCategories>> OpenAt(absl::string_view place);

  // Opens an entry whose row was read already.
  absl::StatusOr<std::optional<EntryWithCategories>> OpenRow(absl::string_view place,
                                                             absl::string_view value);

  // Walks the registration and its corrections from the newest, once.
  absl::StatusOr<const CurrentDetails*> Details();

 private:
  absl::StatusOr<eventstore::OpenedEvent> Open(const records::log::v1::Event& event) const;
  absl::StatusOr<records::log::v1::Event> ParseEvent(absl::string_view place,
                                                     absl::string_view bytes) const;
  absl::Status ApplyCorrection(absl::string_view bytes, EntryWithCategories& opened) const;
  // Old values of person and tenancy give way to those that count now (C55).
  absl::Status ApplyDetails(EntryWithCategories& opened);
  absl::Status AddDetails(absl::string_view place, CurrentDetails& details) const;
  absl::StatusOr<std::string> ReadEntry(absl::string_view place) const;

  const eventstore::Storage& storage_;
  const eventstore::Sealer& sealer_;
  const eventstore::RootId root_;
  const MayOpen may_open_;
  std::optional<CurrentDetails> details_;
};

}  // namespace records::projections
