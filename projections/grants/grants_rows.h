#pragma once

#include <string>

#include "absl/container/btree_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// The rows of the grants view: the names of the roles in their order, each ended by a line feed.
namespace records::projections {

using RoleSet = absl::btree_set<std::string>;

// As in the register: [a-z-]{1,32}.
bool IsRoleName(absl::string_view name);

std::string EncodeRoles(const RoleSet& roles);

// kDataLoss: not such a row: a name that is none, out of order or twice, no last line feed.
absl::StatusOr<RoleSet> DecodeRoles(absl::string_view row);

}  // namespace records::projections
