#pragma once

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "eventstore/ids.h"
#include "eventstore/storage.h"

namespace records::projections {

// Reads what GrantsProjection folded.
//
// Thread-safe. Must not outlive the storage. How fresh it is, the runner that feeds the storage
// says.
class GrantsView {
 public:
  explicit GrantsView(const eventstore::Storage& storage) : storage_(storage) {}

  // Returns the roles granted to a member of staff; none for a root that was never granted one.
  // kUnavailable (VIEW_PARKED): an event of the root could not be folded. kDataLoss: the row is
  // damaged. With any error the caller has no role.
  [[nodiscard]] absl::StatusOr<absl::flat_hash_set<std::string>> RolesOf(
      const eventstore::RootId& staff) const;

 private:
  const eventstore::Storage& storage_;
};

}  // namespace records::projections
