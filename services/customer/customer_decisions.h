#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "records/api/v1/customer_service.pb.h"
#include "services/customer/customers.h"
#include "services/runtime/command.h"

namespace records::services {

// A customer whom a command is about, as the decision sees them.
struct CustomerTarget {
  eventstore::DirectoryEntry entry;
  std::string organisation;

  eventstore::StreamName Stream(absl::string_view sub_stream = "") const;
};

// The decisions about customers. Pure: command, state and clock in, facts or a refusal out. Bad
// fields are INVALID_ARGUMENT, all at once.

// CR-1.5.1, CR-3.4.1b: tenure, contract reference, name and date of birth are required.
absl::Status CheckRegistration(const records::events::v1::PersonDetails& person,
                               const records::events::v1::TenancyDetails& tenancy, absl::Time now);
Step DecideRegistration(const CustomerTarget& customer,
                        const records::events::v1::PersonDetails& person,
                        const records::events::v1::TenancyDetails& tenancy, bool synthetic,
                        absl::Time now);

// A customer's place in a tenancy, under the tenancy's root; ends with the customer's key.
Step DecideTenancyJoined(const CustomerTarget& customer, const eventstore::RootId& tenancy,
                         absl::Time now);

absl::StatusOr<Step> DecideCorrection(
    const CustomerTarget& customer, const records::api::v1::CorrectCustomerDetailsRequest& request,
    absl::Time now);
absl::StatusOr<Step> DecideHouseholdMember(
    const CustomerTarget& customer, const records::api::v1::AddHouseholdMemberRequest& request,
    const eventstore::SubjectId& member, absl::Time now);
absl::StatusOr<Step> DecideNeeds(const CustomerTarget& customer,
                                 const records::api::v1::SetCommunicationNeedsRequest& request,
                                 absl::Time now);
absl::StatusOr<Step> DecideSafety(const CustomerTarget& customer,
                                  const records::api::v1::SetContactSafetyRequest& request,
                                  absl::Time now);
absl::StatusOr<Step> DecideConfidentialAddress(
    const CustomerTarget& customer, const records::api::v1::SetConfidentialAddressRequest& request,
    absl::Time now);
absl::StatusOr<Step> DecideAuthority(
    const CustomerTarget& customer,
    const records::api::v1::RecordThirdPartyAuthorityRequest& request,
    const eventstore::SubjectId& third_party, absl::Time now);

}  // namespace records::services
