#include "services/recordsd/bootstrap.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "records/events/v1/access.pb.h"
#include "services/access/role_decisions.h"
#include "services/customer/customers.h"
#include "services/runtime/tracer.h"

namespace records::services {
namespace {

constexpr char kAdministratorRole[] = "system-administrator";
constexpr absl::Duration kCatchUpMax = absl::Minutes(5);

}  // namespace

absl::Status GrantFirstAdministrator(const Runtime& runtime, const projections::GrantsView& grants,
                                     const projections::View& view, const std::string& issuer,
                                     const std::string& subject) {
  ASSIGN_OR_RETURN(auto staff, runtime.keys.Claim(runtime.organisation, kStaffReferences,
                                                  absl::StrCat(issuer, "\n", subject)));
  const uint32_t partition = eventstore::PartitionOf(staff.root, runtime.log.partition_count());
  const absl::Time deadline = runtime.clock.Now() + kCatchUpMax;
  // What was granted, or revoked since, counts: a revoked first administrator stays revoked.
  const auto head = runtime.log.Head(eventstore::Ledger::kEvents, partition);
  if (head.sequence > 0) RETURN_IF_ERROR(view.WaitFor(head, deadline));
  const eventstore::StreamName stream = StreamOf(runtime, kStaff, staff.root);
  ASSIGN_OR_RETURN(auto known, runtime.log.StreamHead(eventstore::Ledger::kEvents, stream));
  if (known.has_value()) return grants.RolesOf(staff.root).status();

  ASSIGN_OR_RETURN(auto id, eventstore::EventId::Generate(runtime.random));
  records::events::v1::RoleGranted granted;
  granted.set_role(kAdministratorRole);
  eventstore::EventHeader header{.id = id,
                                 .stream = stream,
                                 .subject = staff.subject,
                                 .occurred_at = runtime.clock.Now(),
                                 .scope_time = runtime.clock.Now(),
                                 .actor = staff.subject,
                                 .purpose = "system-operation",
                                 .lawful_basis = runtime.lawful_bases.Of(*granted.GetDescriptor())};
  ASSIGN_OR_RETURN(auto sealed, runtime.sealer.Seal(header, granted));
  eventstore::Append append;
  append.from_reserve = true;  // a server that nobody may administer is of no use
  append.events.push_back(std::move(sealed.event));
  append.subjects = std::move(sealed.subjects);
  append.keys = std::move(sealed.keys);
  append.expectations.push_back(
      {.stream = stream, .kind = eventstore::Expectation::Kind::kNoStream});
  ASSIGN_OR_RETURN(auto appended, runtime.log.AppendAndWait(std::move(append)));
  return view.WaitFor(appended.first, deadline);
}

}  // namespace records::services
