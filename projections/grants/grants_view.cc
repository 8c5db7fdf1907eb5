#include "projections/grants/grants_view.h"

#include <optional>

#include "absl/container/flat_hash_map.h"

#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "projections/grants/grants_rows.h"
#include "projections/projection.h"
#include "projections/view_rows.h"

namespace records::projections {

absl::StatusOr<absl::flat_hash_set<std::string>> GrantsView::RolesOf(
    const eventstore::RootId& staff) const {
  const auto storage = source_();
  if (PLANTED_BUG("cached-grant")) {
    static auto& cache = *new absl::flat_hash_map<eventstore::RootId, RoleSet>();
    const auto [cached, fresh] = cache.try_emplace(staff);
    if (fresh) {
      ASSIGN_OR_RETURN(const std::optional<std::string> first,
                       storage->Get(ViewTable(0), staff.bytes()));
      ASSIGN_OR_RETURN(cached->second, DecodeRoles(first.value_or("")));
    }
    return absl::flat_hash_set<std::string>(cached->second.begin(), cached->second.end());
  }
  if (!PLANTED_BUG("parked-root-answered")) RETURN_IF_ERROR(CheckNotParked(*storage, staff));
  ASSIGN_OR_RETURN(const std::optional<std::string> row, storage->Get(ViewTable(0), staff.bytes()));
  ASSIGN_OR_RETURN(const RoleSet roles, DecodeRoles(row.value_or("")));
  return absl::flat_hash_set<std::string>(roles.begin(), roles.end());
}

}  // namespace records::projections
