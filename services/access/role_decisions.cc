#include "services/access/role_decisions.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "eventstore/limits.h"
#include "eventstore/status_macros.h"
#include "records/events/v1/access.pb.h"
#include "services/auth/token_verifier.h"
#include "services/errors/errors.h"
#include "services/runtime/tracer.h"
#include "services/validation/fields.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;

template <typename Event>
std::unique_ptr<google::protobuf::Message> RoleEvent(const std::string& role) {
  auto event = std::make_unique<Event>();
  event->set_role(role);
  return event;
}

}  // namespace

absl::Status CheckRoleChange(const RoleChange& change, absl::string_view caller_key,
                             const records::policy::v1::Register& policy,
                             const std::vector<std::string>& issuers) {
  FieldChecker check;
  check.Require(IsTokenSubject(change.subject), "subject",
                "must be a subject that a token can name");
  check.Require(change.issuer.size() + 1 + change.subject.size() <= eventstore::kReferenceLengthMax,
                "subject", "has, with the issuer, at most 255 bytes");
  check.Require(std::find(issuers.begin(), issuers.end(), change.issuer) != issuers.end(), "issuer",
                "must be an issuer whose tokens this server takes");
  const bool known = std::any_of(policy.roles().begin(), policy.roles().end(),
                                 [&change](const auto& role) { return role.id() == change.role; });
  check.Require(known, "role", "must be a role of deploy/policy/roles.textproto");
  RETURN_IF_ERROR(check.Finish());
  if (absl::StrCat(change.issuer, "\n", change.subject) != caller_key) return absl::OkStatus();
  return Refusal(absl::StatusCode::kFailedPrecondition, "OWN_ROLE",
                 "Nobody changes their own roles. Ask another administrator.");
}

Step DecideRoleChange(const RoleChange& change, const eventstore::DirectoryEntry& staff,
                      const std::string& organisation, absl::Time now) {
  Step step;
  step.facts.push_back(Fact{.stream = {organisation, std::string(kStaff), staff.root, ""},
                            .subject = staff.subject,
                            .message = change.grant ? RoleEvent<ev::RoleGranted>(change.role)
                                                    : RoleEvent<ev::RoleRevoked>(change.role),
                            .occurred_at = now});
  return step;
}

}  // namespace records::services
