#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "records/api/v1/contact_service.pb.h"
#include "services/contact/contact_rules.h"
#include "services/customer/customer_decisions.h"
#include "services/runtime/command.h"

namespace records::services {

// What a contact is recorded under: a customer, an applicant, or nobody who is known.
struct ContactTarget {
  eventstore::DirectoryEntry entry;
  eventstore::StreamName stream;
  // Customers must exist when the contact is written; the other two have no registration.
  std::optional<eventstore::StreamName> must_exist;
};

// State that the decision of a contact needs.
struct ContactState {
  std::string recorder;  // default owner of actions
  // Third parties whose authority stood when the contact happened.
  std::vector<std::string> authorised_third_parties;
  absl::Time now;
};

// Checks everything that can be wrong with a contact request: fields, what is never recorded,
// verbatim, identity check. Pure.
absl::Status CheckRecordContact(const records::api::v1::RecordContactRequest& request,
                                absl::Time now);

// The facts of a contact: the contact first, then the service request it came with. Pure.
// FAILED_PRECONDITION (AUTHORITY_NOT_IN_FORCE): something was disclosed to a third party without
// authority.
absl::StatusOr<Step> DecideContact(const records::api::v1::RecordContactRequest& request,
                                   const ContactTarget& target, const ContactState& state);

// The contact that a correction corrects, as far as its envelope says.
struct OriginalContact {
  eventstore::EventId id;
  absl::Time occurred_at;  // decides the scope of the correction's keys
  bool with_service_request = false;
};

// The correction of a contact. What is never recorded does not come in by a correction either: the
// errors are those of a recording. Pure.
absl::StatusOr<Step> DecideContactCorrection(const records::api::v1::CorrectContactRequest& request,
                                             const CustomerTarget& customer,
                                             const OriginalContact& original,
                                             const ContactState& state);

// Where the sensitive part of a message goes: a root and a data subject of its own.
struct SensitiveTarget {
  DerivedIds ids;
  std::string organisation;
};

// Checks a mixed message. Pure.
absl::Status CheckSplit(const records::api::v1::SplitMessageRequest& request, absl::Time now);

// The report's own step: under its own root, and with no link to anybody when anonymous (CR-3.1.3).
// `reporter` is null for reports whose reporter is not known.
Step DecideAsbReport(const records::events::v1::AsbReport& report, const SensitiveTarget& target,
                     const CustomerTarget* reporter, bool anonymous,
                     const records::events::v1::BestFit* best_fit, absl::Time occurred_at);

// The customer's step of a split: contact, service requests, advice, and the link to a report made
// under their own name. An anonymous report leaves nothing (CR-3.1.4b).
absl::StatusOr<Step> DecideSplitForCustomer(const records::api::v1::SplitMessageRequest& request,
                                            const CustomerTarget& customer,
                                            const eventstore::RootId& report_root,
                                            const ContactState& state);

// The index entry of a document, under the customer or, for a sensitive system, a root of its own.
absl::StatusOr<Step> DecideDocument(const records::api::v1::IndexDocumentRequest& request,
                                    const CustomerTarget& customer,
                                    const SensitiveTarget& sensitive, absl::Time now);

// The time that a request states, or now.
absl::Time OccurredAt(int64_t microseconds, absl::Time now);

}  // namespace records::services
