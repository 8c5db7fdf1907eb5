#include "services/contact/contact_plans.h"

#include <utility>

#include "eventstore/status_macros.h"
#include "services/customer/registration.h"
#include "services/runtime/entry_id.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
namespace ev = records::events::v1;
using eventstore::RequestKey;

Plan Single(Step step) {
  Plan plan;
  plan.steps.push_back(std::move(step));
  return plan;
}

api::RecordContactRequest AsContact(const api::ImportContactsRequest& row) {
  api::RecordContactRequest request;
  request.set_occurred_at_us(row.occurred_at_us());
  *request.mutable_contact() = row.contact();
  if (row.has_service_request()) *request.mutable_service_request() = row.service_request();
  request.set_response_due(true);
  return request;
}

ContactTarget UnderCustomer(const CustomerTarget& customer) {
  return {customer.entry, customer.Stream(kContactsSubStream), customer.Stream()};
}

// A service request that came with a contact follows it in the same append.
absl::StatusOr<OriginalContact> OriginalOf(const Runtime& runtime,
                                           const eventstore::StoredEvent& stored) {
  OriginalContact original{.occurred_at = absl::FromUnixMicros(stored.event.occurred_at_us())};
  ASSIGN_OR_RETURN(original.id, eventstore::EventId::FromBytes(stored.event.id()));
  const auto& append = stored.event.append();
  if (append.index() + 1 < append.count()) {
    const eventstore::Position next{stored.position.partition, stored.position.sequence + 1};
    ASSIGN_OR_RETURN(auto beside, runtime.log.ReadAt(eventstore::Ledger::kEvents, next));
    original.with_service_request =
        beside.event.type() == ev::ServiceRequestRaised::descriptor()->full_name();
  }
  return original;
}

}  // namespace

SensitiveTarget ContactPlans::SensitiveFor(const RequestKey& key, absl::string_view label) const {
  return {backend_.commands.Derive(key, label), backend_.runtime.organisation};
}

absl::StatusOr<ContactTarget> ContactPlans::TargetOf(
    const RequestKey& key, const api::RecordContactRequest& request) const {
  const Runtime& runtime = backend_.runtime;
  if (!request.applicant().empty()) {
    ASSIGN_OR_RETURN(auto entry, runtime.keys.Claim(runtime.organisation, kApplicantReferences,
                                                    request.applicant()));
    return ContactTarget{entry, StreamOf(runtime, kApplicants, entry.root), std::nullopt};
  }
  if (request.customer().empty()) {
    const DerivedIds ids = backend_.commands.Derive(key, "unlinked-contact");
    return ContactTarget{
        {ids.subject, ids.root}, StreamOf(runtime, kUnlinked, ids.root), std::nullopt};
  }
  ASSIGN_OR_RETURN(auto entry, ExistingCustomer(runtime, request.customer()));
  return UnderCustomer({entry, runtime.organisation});
}

absl::StatusOr<ContactState> ContactPlans::StateFor(const Authorised& caller,
                                                    const eventstore::DirectoryEntry& customer,
                                                    const ev::Contact& contact,
                                                    int64_t occurred_at_us) const {
  ContactState state{.recorder = caller.caller.subject, .now = backend_.runtime.clock.Now()};
  if (contact.third_party().empty()) return state;
  ASSIGN_OR_RETURN(auto authorities, LoadAuthorities(backend_.runtime, customer.root));
  const absl::Time at = OccurredAt(occurred_at_us, state.now);
  for (const auto& recorded : authorities) {
    if (absl::FromUnixMicros(recorded.authority().expires_at_us()) > at) {
      state.authorised_third_parties.push_back(recorded.third_party());
    }
  }
  return state;
}

absl::StatusOr<Plan> ContactPlans::Record(const Authorised& caller, const RequestKey& key,
                                          const api::RecordContactRequest& request) const {
  RETURN_IF_ERROR(CheckRecordContact(request, backend_.runtime.clock.Now()));
  ASSIGN_OR_RETURN(ContactTarget target, TargetOf(key, request));
  ASSIGN_OR_RETURN(ContactState state,
                   StateFor(caller, target.entry, request.contact(), request.occurred_at_us()));
  ASSIGN_OR_RETURN(Step step, DecideContact(request, target, state));
  return Single(std::move(step));
}

absl::StatusOr<Plan> ContactPlans::Correct(const Authorised& caller,
                                           const api::CorrectContactRequest& request) const {
  const Runtime& runtime = backend_.runtime;
  ASSIGN_OR_RETURN(auto entry, ExistingCustomer(runtime, request.customer()));
  ASSIGN_OR_RETURN(auto position, PositionOfEntry(runtime, "contact_id", request.contact_id()));
  auto original = runtime.log.ReadAt(eventstore::Ledger::kEvents, position);
  if (!original.ok() && !absl::IsNotFound(original.status())) return original.status();
  // A contact of somebody else is as unknown as one that never was.
  if (!original.ok() || original->event.stream().root() != entry.root.bytes() ||
      original->event.type() != ev::ContactRecorded::descriptor()->full_name()) {
    return InvalidField("contact_id", "must be a contact of this customer");
  }
  ASSIGN_OR_RETURN(OriginalContact corrected, OriginalOf(runtime, *original));
  ASSIGN_OR_RETURN(ContactState state,
                   StateFor(caller, entry, request.contact(), original->event.occurred_at_us()));
  ASSIGN_OR_RETURN(
      Step step, DecideContactCorrection(request, {entry, runtime.organisation}, corrected, state));
  return Single(std::move(step));
}

absl::StatusOr<Plan> ContactPlans::Index(const RequestKey& key,
                                         const api::IndexDocumentRequest& request) const {
  const Runtime& runtime = backend_.runtime;
  ASSIGN_OR_RETURN(auto entry, ExistingCustomer(runtime, request.customer()));
  if (runtime.categories.Find(request.entry().retention_class()) == nullptr) {
    return InvalidField("entry.retention_class",
                        "must be a category of the register of processing: no document without a "
                        "retention period");
  }
  ASSIGN_OR_RETURN(Step step, DecideDocument(request, {entry, runtime.organisation},
                                             SensitiveFor(key, "document"), runtime.clock.Now()));
  return Single(std::move(step));
}

absl::StatusOr<Plan> ContactPlans::Split(const Authorised& caller, const RequestKey& key,
                                         const api::SplitMessageRequest& request) const {
  const Runtime& runtime = backend_.runtime;
  const absl::Time now = runtime.clock.Now();
  RETURN_IF_ERROR(CheckSplit(request, now));
  ASSIGN_OR_RETURN(auto entry, ExistingCustomer(runtime, request.customer()));
  const CustomerTarget customer{entry, runtime.organisation};
  const SensitiveTarget report = SensitiveFor(key, "asb-report");
  Plan plan;
  if (request.has_asb_report()) {
    plan.steps.push_back(DecideAsbReport(request.asb_report(), report, &customer,
                                         request.anonymous(),
                                         request.has_best_fit() ? &request.best_fit() : nullptr,
                                         OccurredAt(request.occurred_at_us(), now)));
  }
  ASSIGN_OR_RETURN(ContactState state,
                   StateFor(caller, entry, request.contact(), request.occurred_at_us()));
  ASSIGN_OR_RETURN(Step own, DecideSplitForCustomer(request, customer, report.ids.root, state));
  if (!own.facts.empty()) plan.steps.push_back(std::move(own));
  return plan;
}

absl::StatusOr<Plan> ContactPlans::ImportForCustomer(const Authorised& caller,
                                                     const api::ImportContactsRequest& row) const {
  const Runtime& runtime = backend_.runtime;
  const auto& imported = row.customer();
  const api::RecordContactRequest request = AsContact(row);
  ASSIGN_OR_RETURN(auto existing, FindCustomer(runtime, imported.person().reference()));
  Plan plan;
  CustomerTarget customer{{}, runtime.organisation};
  if (existing.has_value()) {
    customer.entry = *existing;
  } else {
    auto registering =
        PlanRegistration(runtime, imported.person(), imported.tenancy(), imported.synthetic());
    // A customer who is there since a moment ago is not registered again.
    if (!registering.ok() && !absl::IsAlreadyExists(registering.status()))
      return registering.status();
    if (registering.ok()) plan = *std::move(registering);
    ASSIGN_OR_RETURN(customer.entry, runtime.keys.Claim(runtime.organisation, kCustomerReferences,
                                                        imported.person().reference()));
  }
  ASSIGN_OR_RETURN(ContactState state,
                   StateFor(caller, customer.entry, request.contact(), row.occurred_at_us()));
  ASSIGN_OR_RETURN(Step contact, DecideContact(request, UnderCustomer(customer), state));
  if (plan.steps.empty()) return Single(std::move(contact));
  // Registration and first contact are one append: both or neither.
  Step& registration = plan.steps.back();
  for (Fact& fact : contact.facts) registration.facts.push_back(std::move(fact));
  return plan;
}

absl::StatusOr<Plan> ContactPlans::Import(const Authorised& caller, const RequestKey& key,
                                          const api::ImportContactsRequest& row) const {
  const Runtime& runtime = backend_.runtime;
  const absl::Time now = runtime.clock.Now();
  if (row.has_asb_report()) {
    FieldChecker check;
    CheckAsbReport("asb_report", row.asb_report(), check);
    check.PastTime("occurred_at_us", row.occurred_at_us(), now);
    check.Require(!row.has_contact() && !row.has_service_request() && !row.has_customer(),
                  "contact", "a row that is a report of anti-social behaviour holds nothing else");
    RETURN_IF_ERROR(check.Finish());
    return Single(DecideAsbReport(row.asb_report(), SensitiveFor(key, "asb-report"), nullptr, false,
                                  nullptr, OccurredAt(row.occurred_at_us(), now)));
  }
  const api::RecordContactRequest request = AsContact(row);
  RETURN_IF_ERROR(CheckRecordContact(request, now));
  if (row.has_customer()) return ImportForCustomer(caller, row);
  ASSIGN_OR_RETURN(ContactTarget target, TargetOf(key, request));
  ASSIGN_OR_RETURN(Step step,
                   DecideContact(request, target, {.recorder = caller.caller.subject, .now = now}));
  return Single(std::move(step));
}

}  // namespace records::services
