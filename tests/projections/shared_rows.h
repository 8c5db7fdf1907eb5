#pragma once

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "eventstore/crypto.h"
#include "eventstore/status_macros.h"
#include "projections/partitioned_view.h"
#include "tests/projections/comparable_rows.h"
#include "tests/projections/note_projection.h"

namespace records::projections {

// What two copies of the notes of a partition have alike.
inline std::string DigestOf(const eventstore::Storage& storage) {
  const std::string rows = absl::StrJoin(ComparableRows(storage, kNoteTables), "\n");
  return absl::BytesToHexString(eventstore::AsBytes(eventstore::Sha256({rows})));
}

// The same of a partition of a view, once it has come to `head`.
inline absl::StatusOr<std::string> DigestAt(PartitionedView& view, eventstore::Position head,
                                            absl::Time deadline) {
  RETURN_IF_ERROR(view.WaitUntilReady(head.partition, deadline));
  ASSIGN_OR_RETURN(const auto copy, view.Live(head.partition));
  RETURN_IF_ERROR(copy->runner->WaitFor(head, deadline));
  return DigestOf(*copy->storage);
}

}  // namespace records::projections
