#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/key_store.h"
#include "eventstore/log.h"
#include "records/events/v1/customer.pb.h"
#include "services/runtime/runtime.h"

namespace records::services {

// Name spaces of the directory.
inline constexpr absl::string_view kCustomerReferences = "customer";
inline constexpr absl::string_view kContractReferences = "contract";
inline constexpr absl::string_view kApplicantReferences = "applicant";
inline constexpr absl::string_view kStaffReferences = "staff";

// Collections, besides those of the tracer.
inline constexpr absl::string_view kTenancies = "tenancies";
inline constexpr absl::string_view kApplicants = "applicants";
inline constexpr absl::string_view kUnlinked = "unlinked-contacts";
// All that is sensitive and has a root of its own, whatever it is: a name for each would tell.
inline constexpr absl::string_view kCases = "cases";

// Streams below a customer's root. Each its own, so that recording a contact never meets a
// correction of details.
inline constexpr absl::string_view kContactsSubStream = "contacts";
inline constexpr absl::string_view kDocumentsSubStream = "documents";
// All restricted events of a customer, whatever they are: a stream for each kind would tell it.
inline constexpr absl::string_view kSealedSubStream = "sealed";

// A customer's details, folded from their events.
struct CustomerDetails {
  records::events::v1::PersonDetails person;
  records::events::v1::TenancyDetails tenancy;
  bool synthetic = false;
  uint64_t revisions = 0;  // events folded; 0: there is no such customer
};

// Folds one event into the details. Pure. Events of other types change nothing.
CustomerDetails Evolve(CustomerDetails details, const google::protobuf::Message& event);

// Names of streams of this organisation.
eventstore::StreamName StreamOf(const Runtime& runtime, absl::string_view collection,
                                const eventstore::RootId& root, absl::string_view sub_stream = "");

// Calls `visit` with each event of a stream, oldest first, page by page, until it fails.
absl::Status ForEachEvent(const Runtime& runtime, const eventstore::StreamName& stream,
                          absl::FunctionRef<absl::Status(const eventstore::StoredEvent&)> visit);

// The customer that a reference leads to, or nullopt: unknown, or claimed and never registered.
absl::StatusOr<std::optional<eventstore::DirectoryEntry>> FindCustomer(const Runtime& runtime,
                                                                       absl::string_view reference);

// A customer, or for who is absent one under whom nothing is: who answers, and with how much work,
// tells nothing then.
struct CustomerOrStandIn {
  eventstore::DirectoryEntry entry;
  bool absent = false;
};
absl::StatusOr<CustomerOrStandIn> FindOrStandIn(const Runtime& runtime,
                                                absl::string_view reference);

// Like FindCustomer; kPermissionDenied when there is none.
absl::StatusOr<eventstore::DirectoryEntry> ExistingCustomer(const Runtime& runtime,
                                                            absl::string_view reference);

// Folds the details of a root, opening only the categories for which `may_open` says yes.
absl::StatusOr<CustomerDetails> LoadDetails(const Runtime& runtime, const eventstore::RootId& root,
                                            absl::FunctionRef<bool(absl::string_view)> may_open);

// The authorities recorded for a customer, newest first, opened for a decision.
absl::StatusOr<std::vector<records::events::v1::ThirdPartyAuthorityRecorded>> LoadAuthorities(
    const Runtime& runtime, const eventstore::RootId& root);

}  // namespace records::services
