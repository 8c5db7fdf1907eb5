#pragma once

#include "absl/status/statusor.h"
#include "records/events/v1/customer.pb.h"
#include "services/customer/customer_decisions.h"
#include "services/runtime/command.h"

namespace records::services {

// Claims the reference and the contract, and plans the registration: the tenancy's step first, the
// customer's last. ALREADY_EXISTS (CUSTOMER_EXISTS) when the customer is registered. A registration
// that was cut short is gone on with: claims give the same ids again.
absl::StatusOr<Plan> PlanRegistration(const Runtime& runtime,
                                      const records::events::v1::PersonDetails& person,
                                      const records::events::v1::TenancyDetails& tenancy,
                                      bool synthetic);

// The step that puts a customer into the tenancy of a contract.
absl::StatusOr<Step> PlanTenancyJoined(const Runtime& runtime, const CustomerTarget& customer,
                                       const records::events::v1::TenancyDetails& tenancy);

// The others of the contract of `reference`, found by the contract's root. Customers who have since
// moved to another contract are left out.
struct JointTenant {
  eventstore::DirectoryEntry entry;
  std::string reference;
  std::string name;
};
absl::StatusOr<std::vector<JointTenant>> FindJointTenants(
    const Runtime& runtime, const eventstore::DirectoryEntry& customer,
    absl::FunctionRef<bool(absl::string_view)> may_open);

}  // namespace records::services
