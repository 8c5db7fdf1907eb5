#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "eventstore/ids.h"
#include "eventstore/storage.h"

namespace records::projections {

// Reads what GrantsProjection folded.
//
// Thread-safe. Must not outlive the storage or source. How fresh it is, the runner that feeds the
// storage says.
class GrantsView {
 public:
  // Gives the storage that answers now, which is used for one question.
  // lint: allow(shared_ptr) a switch of copies ends no question
  using Source = std::function<std::shared_ptr<const eventstore::Storage>()>;

  explicit GrantsView(const eventstore::Storage& storage)
      : source_([&storage] {
          return std::shared_ptr<const eventstore::Storage>(std::shared_ptr<void>(), &storage);
        }) {}
  explicit GrantsView(Source source) : source_(std::move(source)) {}

  // Returns the roles granted to a member of staff; none for a root that was never granted one.
  // kUnavailable (VIEW_PARKED): an event of the root could not be folded. kDataLoss: the row is
  // damaged. With any error the caller has no role.
  [[nodiscard]] absl::StatusOr<absl::flat_hash_set<std::string>> RolesOf(
      const eventstore::RootId& staff) const;

 private:
  const Source source_;
};

}  // namespace records::projections
