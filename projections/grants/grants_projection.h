#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "projections/projection.h"

namespace records::projections {

// Which roles are granted to each member of staff, folded from RoleGranted and RoleRevoked.
//
// One row for each root: the root's 16 bytes -> the roles that stand, as grants_rows.h writes them.
// A root without a row has no role. The last event of a role counts; a second grant or a revocation
// of what does not stand changes nothing.
class GrantsProjection : public Projection {
 public:
  std::string name() const override { return "grants"; }
  uint32_t version() const override { return 1; }
  std::vector<std::string> tables() const override { return {"grants"}; }
  std::vector<std::string> types() const override;

  // kDataLoss: the facts, or the row, are damaged. kInvalidArgument: the role has no possible name,
  // or the event is not under a member of staff. Either parks the root, so that its roles are
  // unavailable and no call is allowed by a half-known state.
  bool EndsRoot(const eventstore::StoredEvent& event) const override;
  [[nodiscard]] absl::Status Apply(const eventstore::StoredEvent& event,
                                   ViewBatch& batch) const override;
};

}  // namespace records::projections
