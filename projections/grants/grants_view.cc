#include "projections/grants/grants_view.h"

#include <optional>

#include "eventstore/status_macros.h"
#include "projections/grants/grants_rows.h"
#include "projections/projection.h"
#include "projections/view_rows.h"

namespace records::projections {

absl::StatusOr<absl::flat_hash_set<std::string>> GrantsView::RolesOf(
    const eventstore::RootId& staff) const {
  RETURN_IF_ERROR(CheckNotParked(storage_, staff));
  ASSIGN_OR_RETURN(const std::optional<std::string> row, storage_.Get(ViewTable(0), staff.bytes()));
  ASSIGN_OR_RETURN(const RoleSet roles, DecodeRoles(row.value_or("")));
  return absl::flat_hash_set<std::string>(roles.begin(), roles.end());
}

}  // namespace records::projections
