#include "projections/grants/grants_rows.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace records::projections {

namespace {
constexpr size_t kRoleNameMax = 32;
}

bool IsRoleName(absl::string_view name) {
  return !name.empty() && name.size() <= kRoleNameMax &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_islower(c) || c == '-'; });
}

std::string EncodeRoles(const RoleSet& roles) {
  std::string row;
  for (const std::string& role : roles) absl::StrAppend(&row, role, "\n");
  return row;
}

absl::StatusOr<RoleSet> DecodeRoles(absl::string_view row) {
  RoleSet roles;
  for (absl::string_view name : absl::StrSplit(row, '\n', absl::SkipEmpty())) {
    if (IsRoleName(name)) roles.emplace(name);
  }
  // There is one way to write a set, so whatever is not written so was damaged.
  if (EncodeRoles(roles) != row) return absl::DataLossError("a row of the grants view is damaged");
  return roles;
}

}  // namespace records::projections
