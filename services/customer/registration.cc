#include "services/customer/registration.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "eventstore/status_macros.h"
#include "services/errors/errors.h"
#include "services/runtime/rpc.h"
#include "services/runtime/tracer.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
using eventstore::RootId;

// Customers who ever joined the tenancy of a contract, in the order they joined.
absl::StatusOr<std::vector<RootId>> MembersOf(const Runtime& runtime, const RootId& tenancy) {
  std::vector<RootId> members;
  absl::flat_hash_set<RootId> seen;
  auto add = [&](const eventstore::StoredEvent& stored) -> absl::Status {
    ASSIGN_OR_RETURN(auto opened, runtime.sealer.Open(stored.event, [](absl::string_view category) {
      return category == "tenancy";
    }));
    const auto* joined = dynamic_cast<const ev::TenancyJoined*>(opened.message.get());
    if (joined == nullptr || joined->customer().empty()) return absl::OkStatus();  // erased
    ASSIGN_OR_RETURN(RootId member, RootId::FromBytes(joined->customer()));
    if (seen.insert(member).second) members.push_back(member);
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(ForEachEvent(runtime, StreamOf(runtime, kTenancies, tenancy), add));
  return members;
}

}  // namespace

absl::StatusOr<Step> PlanTenancyJoined(const Runtime& runtime, const CustomerTarget& customer,
                                       const ev::TenancyDetails& tenancy) {
  ASSIGN_OR_RETURN(auto contract, runtime.keys.Claim(runtime.organisation, kContractReferences,
                                                     tenancy.contract_reference()));
  return DecideTenancyJoined(customer, contract.root, runtime.clock.Now());
}

absl::StatusOr<Plan> PlanRegistration(const Runtime& runtime, const ev::PersonDetails& person,
                                      const ev::TenancyDetails& tenancy, bool synthetic) {
  const absl::Time now = runtime.clock.Now();
  RETURN_IF_ERROR(CheckRegistration(person, tenancy, now));
  ASSIGN_OR_RETURN(auto entry, runtime.keys.Claim(runtime.organisation, kCustomerReferences,
                                                  person.reference()));
  // Not yet the next person under this reference, and no word of the one who is being erased.
  if (runtime.keys.IsFenced(entry.subject)) return ServerBusy();
  const CustomerTarget customer{entry, runtime.organisation};
  ASSIGN_OR_RETURN(auto head,
                   runtime.log.StreamHead(eventstore::Ledger::kEvents, customer.Stream()));
  if (head.has_value()) {
    return Refusal(absl::StatusCode::kAlreadyExists, kCustomerExists,
                   "A customer with this reference is registered. Use correct to change details.");
  }
  Plan plan;
  ASSIGN_OR_RETURN(Step joined, PlanTenancyJoined(runtime, customer, tenancy));
  plan.steps.push_back(std::move(joined));
  plan.steps.push_back(DecideRegistration(customer, person, tenancy, synthetic, now));
  return plan;
}

absl::StatusOr<std::vector<JointTenant>> FindJointTenants(
    const Runtime& runtime, const eventstore::DirectoryEntry& customer,
    absl::FunctionRef<bool(absl::string_view)> may_open) {
  auto details_only = [&may_open](absl::string_view category) {
    return may_open(category) && (category == "identity" || category == "tenancy");
  };
  ASSIGN_OR_RETURN(auto own, LoadDetails(runtime, customer.root, details_only));
  std::vector<JointTenant> tenants;
  const std::string& contract = own.tenancy.contract_reference();
  if (contract.empty()) return tenants;
  ASSIGN_OR_RETURN(auto tenancy,
                   runtime.keys.Resolve(runtime.organisation, kContractReferences, contract));
  if (!tenancy.has_value()) return tenants;
  ASSIGN_OR_RETURN(auto members, MembersOf(runtime, tenancy->root));
  for (const RootId& member : members) {
    if (member == customer.root) continue;
    ASSIGN_OR_RETURN(auto details, LoadDetails(runtime, member, details_only));
    if (details.tenancy.contract_reference() != contract) continue;
    ASSIGN_OR_RETURN(auto entry, FindCustomer(runtime, details.person.reference()));
    if (!entry.has_value()) continue;
    tenants.push_back({*entry, details.person.reference(), details.person.name()});
  }
  return tenants;
}

}  // namespace records::services
