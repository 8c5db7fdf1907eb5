#pragma once

#include "absl/status/statusor.h"
#include "services/contact/contact_decisions.h"
#include "services/runtime/rpc.h"

namespace records::services {

// The plans of contact commands: load the state that a decision needs, then decide. Called again
// after a conflict.
class ContactPlans {
 public:
  explicit ContactPlans(Backend backend) : backend_(backend) {}

  absl::StatusOr<Plan> Record(const Authorised& caller, const eventstore::RequestKey& key,
                              const records::api::v1::RecordContactRequest& request) const;
  absl::StatusOr<Plan> Correct(const Authorised& caller,
                               const records::api::v1::CorrectContactRequest& request) const;
  absl::StatusOr<Plan> Index(const eventstore::RequestKey& key,
                             const records::api::v1::IndexDocumentRequest& request) const;
  absl::StatusOr<Plan> Split(const Authorised& caller, const eventstore::RequestKey& key,
                             const records::api::v1::SplitMessageRequest& request) const;
  // A row of an import. Registers the customer in the same append when there is none yet.
  absl::StatusOr<Plan> Import(const Authorised& caller, const eventstore::RequestKey& key,
                              const records::api::v1::ImportContactsRequest& row) const;

 private:
  absl::StatusOr<ContactTarget> TargetOf(
      const eventstore::RequestKey& key,
      const records::api::v1::RecordContactRequest& request) const;
  absl::StatusOr<ContactState> StateFor(const Authorised& caller,
                                        const eventstore::DirectoryEntry& customer,
                                        const records::events::v1::Contact& contact,
                                        int64_t occurred_at_us) const;
  absl::StatusOr<Plan> ImportForCustomer(const Authorised& caller,
                                         const records::api::v1::ImportContactsRequest& row) const;
  SensitiveTarget SensitiveFor(const eventstore::RequestKey& key, absl::string_view label) const;

  Backend backend_;
};

}  // namespace records::services
