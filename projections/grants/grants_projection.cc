#include "projections/grants/grants_projection.h"

#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "projections/grants/grants_rows.h"
#include "records/events/v1/access.pb.h"
#include "records/events/v1/erasure.pb.h"

namespace records::projections {
namespace {

// The collection of the roots of members of staff.
constexpr absl::string_view kStaffCollection = "staff";

// What one event does to the set of roles.
struct RoleChange {
  std::string role;
  bool granted = false;
};

template <typename Message>
absl::StatusOr<RoleChange> ParseChange(const records::log::v1::Event& event, bool granted) {
  Message message;
  if (!message.ParseFromString(event.facts())) {
    return absl::DataLossError(absl::StrCat("the facts of a ", event.type(), " do not parse"));
  }
  return RoleChange{.role = message.role(), .granted = granted};
}

// Returns nullopt for what is of no concern to this view.
absl::StatusOr<std::optional<RoleChange>> ChangeOf(const records::log::v1::Event& event) {
  namespace events = records::events::v1;
  const bool grants = event.type() == events::RoleGranted::descriptor()->full_name();
  const bool revokes = event.type() == events::RoleRevoked::descriptor()->full_name();
  if (!grants && !revokes) return std::nullopt;
  if (event.stream().collection() != kStaffCollection) {
    return absl::InvalidArgumentError("a role of a root that is no member of staff");
  }
  ASSIGN_OR_RETURN(RoleChange change, grants ? ParseChange<events::RoleGranted>(event, true)
                                             : ParseChange<events::RoleRevoked>(event, false));
  if (!IsRoleName(change.role)) return absl::InvalidArgumentError("a role without a name");
  return change;
}

}  // namespace

std::vector<std::string> GrantsProjection::types() const {
  namespace events = records::events::v1;
  return {events::RoleGranted::descriptor()->full_name(),
          events::RoleRevoked::descriptor()->full_name(),
          events::SubjectFenced::descriptor()->full_name()};
}

bool GrantsProjection::EndsRoot(const eventstore::StoredEvent& event) const {
  return event.event.type() == events::v1::SubjectFenced::descriptor()->full_name() &&
         event.event.stream().collection() == kStaffCollection;
}

absl::Status GrantsProjection::Apply(const eventstore::StoredEvent& event, ViewBatch& batch) const {
  if (EndsRoot(event)) {
    batch.Delete(ViewTable(0), event.event.stream().root());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::optional<RoleChange> change, ChangeOf(event.event));
  if (!change.has_value()) return absl::OkStatus();
  const std::string& root = event.event.stream().root();
  ASSIGN_OR_RETURN(const std::optional<std::string> row, batch.Get(ViewTable(0), root));
  ASSIGN_OR_RETURN(RoleSet roles, DecodeRoles(row.value_or("")));
  const bool changed =
      change->granted ? roles.insert(change->role).second : roles.erase(change->role) > 0;
  if (!changed) return absl::OkStatus();
  if (roles.empty()) {
    batch.Delete(ViewTable(0), root);
  } else {
    batch.Put(ViewTable(0), root, EncodeRoles(roles));
  }
  return absl::OkStatus();
}

}  // namespace records::projections
