#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "records/policy/v1/register.pb.h"
#include "services/runtime/command.h"

namespace records::services {

// A change of one role of one member of staff.
struct RoleChange {
  std::string subject;  // of their token
  std::string issuer;
  std::string role;
  bool grant = true;
};

// Checks a change. Pure. INVALID_ARGUMENT: an issuer that the server does not take tokens of, or a
// subject that no token can name: such a grant would wait for whoever comes. FAILED_PRECONDITION
// (OWN_ROLE): nobody grants a role to themselves.
absl::Status CheckRoleChange(const RoleChange& change, absl::string_view caller_key,
                             const records::policy::v1::Register& policy,
                             const std::vector<std::string>& issuers);

// The step that changes the role. Open: it names no person, the root is a random id.
Step DecideRoleChange(const RoleChange& change, const eventstore::DirectoryEntry& staff,
                      const std::string& organisation, absl::Time now);

}  // namespace records::services
