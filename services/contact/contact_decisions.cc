#include "services/contact/contact_decisions.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "services/errors/errors.h"
#include "services/runtime/tracer.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
namespace ev = records::events::v1;
using eventstore::Expectation;

template <typename Event>
Fact FactOf(eventstore::StreamName stream, const eventstore::SubjectId& subject, Event event,
            absl::Time occurred_at) {
  return Fact{.stream = std::move(stream),
              .subject = subject,
              .message = std::make_unique<Event>(std::move(event)),
              .occurred_at = occurred_at};
}

// Actions belong to the recorder unless another owner is named (CR-3.2.2).
ev::Contact WithOwners(ev::Contact contact, const std::string& recorder) {
  for (ev::Action& action : *contact.mutable_actions()) {
    if (action.owner().empty()) action.set_owner(recorder);
  }
  return contact;
}

absl::Status RefuseWithoutAuthority(const ev::Contact& contact, const ContactState& state) {
  const auto& standing = state.authorised_third_parties;
  if (contact.third_party().empty() || !contact.identity_check().disclosed() ||
      std::find(standing.begin(), standing.end(), contact.third_party()) != standing.end()) {
    return absl::OkStatus();
  }
  return Refusal(absl::StatusCode::kFailedPrecondition, "AUTHORITY_NOT_IN_FORCE",
                 "Something was disclosed to a third party whose authority is not recorded or has "
                 "ended. Record the authority first, or record what was disclosed as an incident.");
}

ev::ServiceRequestRaised RaisedFrom(const api::ServiceRequestInput& input) {
  ev::ServiceRequestRaised raised;
  *raised.mutable_request() = input.request();
  *raised.mutable_vulnerabilities() = input.vulnerabilities();
  return raised;
}

Step StepFor(const CustomerTarget& customer) {
  Step step;
  step.digest_subject = customer.entry.subject;
  step.expectations.push_back(
      {.stream = customer.Stream(), .kind = Expectation::Kind::kStreamExists});
  return step;
}

template <typename Event>
Step SensitiveStep(const SensitiveTarget& target, absl::string_view collection, Event event,
                   absl::Time occurred_at) {
  Step step;
  step.digest_subject = target.ids.subject;
  eventstore::StreamName stream{target.organisation, std::string(collection), target.ids.root, ""};
  step.expectations.push_back({.stream = stream, .kind = Expectation::Kind::kNoStream});
  step.facts.push_back(
      FactOf(std::move(stream), target.ids.subject, std::move(event), occurred_at));
  step.facts[0].cut_to_day = true;
  return step;
}

}  // namespace

absl::Time OccurredAt(int64_t microseconds, absl::Time now) {
  return microseconds == 0 ? now : absl::FromUnixMicros(microseconds);
}

absl::Status CheckRecordContact(const api::RecordContactRequest& request, absl::Time now) {
  FieldChecker check;
  CheckContact("contact", request.contact(), check);
  check.PastTime("occurred_at_us", request.occurred_at_us(), now);
  check.Text("customer", request.customer(), 0, 64);
  check.Text("applicant", request.applicant(), 0, 64);
  check.Require(request.customer().empty() || request.applicant().empty(), "applicant",
                "give a customer or an applicant, not both");
  if (request.has_verbatim()) check.Text("verbatim.text", request.verbatim().text(), 1, 20'000);
  if (request.has_service_request()) {
    CheckServiceRequest("service_request", request.service_request(), check);
  }
  RETURN_IF_ERROR(check.Finish());
  RETURN_IF_ERROR(
      RefuseNeverRecorded(request.contact(), {.has_service_request = request.has_service_request(),
                                              .response_due = request.response_due(),
                                              .mass_mailing = request.mass_mailing(),
                                              .internal = request.internal()}));
  if (request.has_verbatim()) RETURN_IF_ERROR(RefuseVerbatimWithoutReason(request.verbatim()));
  return RefuseDisclosureWithoutCheck(request.contact());
}

absl::StatusOr<Step> DecideContact(const api::RecordContactRequest& request,
                                   const ContactTarget& target, const ContactState& state) {
  RETURN_IF_ERROR(RefuseWithoutAuthority(request.contact(), state));
  const absl::Time occurred_at = OccurredAt(request.occurred_at_us(), state.now);
  ev::ContactRecorded recorded;
  *recorded.mutable_contact() = WithOwners(request.contact(), state.recorder);
  if (request.has_verbatim()) *recorded.mutable_verbatim() = request.verbatim();
  Step step;
  step.digest_subject = target.entry.subject;
  if (target.must_exist.has_value()) {
    step.expectations.push_back(
        {.stream = *target.must_exist, .kind = Expectation::Kind::kStreamExists});
  }
  step.facts.push_back(
      FactOf(target.stream, target.entry.subject, std::move(recorded), occurred_at));
  if (request.has_service_request()) {
    step.facts.push_back(FactOf(target.stream, target.entry.subject,
                                RaisedFrom(request.service_request()), occurred_at));
  }
  return step;
}

absl::StatusOr<Step> DecideContactCorrection(const api::CorrectContactRequest& request,
                                             const CustomerTarget& customer,
                                             const OriginalContact& original,
                                             const ContactState& state) {
  FieldChecker check;
  CheckContact("contact", request.contact(), check);
  check.Text("reason", request.reason(), 1, 500);
  RETURN_IF_ERROR(check.Finish());
  RETURN_IF_ERROR(RefuseNeverRecorded(
      request.contact(),
      {.has_service_request = original.with_service_request, .response_due = true}));
  RETURN_IF_ERROR(RefuseDisclosureWithoutCheck(request.contact()));
  RETURN_IF_ERROR(RefuseWithoutAuthority(request.contact(), state));
  ev::ContactCorrected corrected;
  *corrected.mutable_contact() = WithOwners(request.contact(), state.recorder);
  corrected.set_reason(request.reason());
  Step step = StepFor(customer);
  Fact fact = FactOf(customer.Stream(kContactsSubStream), customer.entry.subject,
                     std::move(corrected), state.now);
  fact.scope_time = original.occurred_at;
  fact.causation = original.id;
  step.facts.push_back(std::move(fact));
  return step;
}

absl::Status CheckSplit(const api::SplitMessageRequest& request, absl::Time now) {
  FieldChecker check;
  const bool whole = request.has_best_fit();
  check.PastTime("occurred_at_us", request.occurred_at_us(), now);
  check.Require(request.service_requests_size() <= 5, "service_requests", "at most 5");
  for (int i = 0; i < request.service_requests_size(); ++i) {
    CheckServiceRequest(absl::StrCat("service_requests[", i, "]"), request.service_requests(i),
                        check);
  }
  if (request.has_asb_report()) CheckAsbReport("asb_report", request.asb_report(), check);
  check.Require(!request.anonymous() || request.has_asb_report(), "anonymous",
                "is for the report of anti-social behaviour");
  // What is left must look like any recorded contact, which has one at most.
  check.Require(!request.anonymous() || request.service_requests_size() <= 1, "service_requests",
                "at most 1 beside an anonymous report; record the others as contacts");
  if (whole) {
    check.Text("best_fit.chosen_by", request.best_fit().chosen_by(), 1, 100);
    check.Text("best_fit.reason", request.best_fit().reason(), 1, 500);
    check.Require(
        request.has_asb_report() && request.service_requests().empty() && !request.has_contact(),
        "best_fit", "a message that cannot be split goes whole into asb_report");
  } else {
    check.Require(request.has_contact(), "contact", "is required");
    if (request.has_contact()) CheckContact("contact", request.contact(), check);
  }
  // Advice beside an anonymous report would tell that there was one.
  check.Text("advice", request.advice(), whole || request.anonymous() ? 0 : 1,
             request.anonymous() ? 0 : 200);
  RETURN_IF_ERROR(check.Finish());
  if (whole) return absl::OkStatus();
  RETURN_IF_ERROR(RefuseNeverRecorded(
      request.contact(),
      {.has_service_request = !request.service_requests().empty(), .response_due = true}));
  return RefuseDisclosureWithoutCheck(request.contact());
}

Step DecideAsbReport(const ev::AsbReport& report, const SensitiveTarget& target,
                     const CustomerTarget* reporter, bool anonymous, const ev::BestFit* best_fit,
                     absl::Time occurred_at) {
  ev::AsbReported reported;
  *reported.mutable_report() = report;
  reported.set_anonymous(anonymous);
  if (reporter != nullptr && !anonymous) {
    reported.set_reporter(std::string(reporter->entry.root.bytes()));
  }
  if (best_fit != nullptr) *reported.mutable_best_fit() = *best_fit;
  if (!anonymous) reported.set_reported_at_us(absl::ToUnixMicros(occurred_at));
  return SensitiveStep(target, kCases, std::move(reported), occurred_at);
}

absl::StatusOr<Step> DecideSplitForCustomer(const api::SplitMessageRequest& request,
                                            const CustomerTarget& customer,
                                            const eventstore::RootId& report_root,
                                            const ContactState& state) {
  const absl::Time at = OccurredAt(request.occurred_at_us(), state.now);
  const auto contacts = customer.Stream(kContactsSubStream);
  const auto& subject = customer.entry.subject;
  Step step = StepFor(customer);
  if (request.has_contact()) {
    RETURN_IF_ERROR(RefuseWithoutAuthority(request.contact(), state));
    ev::ContactRecorded recorded;
    *recorded.mutable_contact() = WithOwners(request.contact(), state.recorder);
    step.facts.push_back(FactOf(contacts, subject, std::move(recorded), at));
  }
  for (const auto& input : request.service_requests()) {
    step.facts.push_back(FactOf(contacts, subject, RaisedFrom(input), at));
  }
  if (!request.advice().empty()) {
    ev::SeparateSubmissionAdvised advised;
    advised.set_advice(request.advice());
    step.facts.push_back(FactOf(contacts, subject, std::move(advised), at));
  }
  // A split leaves one restricted event, empty where there is no report: else its presence beside a
  // contact would tell that there was one. Beside an anonymous report there is none, nor advice:
  // what is left is what recording a contact leaves.
  ev::AsbReportLinked linked;
  if (request.has_asb_report()) {
    linked.set_report(std::string(report_root.bytes()));
    linked.set_kind(request.asb_report().kind());
  }
  if (!request.anonymous()) {
    step.facts.push_back(FactOf(customer.Stream(kSealedSubStream), subject, std::move(linked), at));
  }
  return step;
}

absl::StatusOr<Step> DecideDocument(const api::IndexDocumentRequest& request,
                                    const CustomerTarget& customer,
                                    const SensitiveTarget& sensitive, absl::Time now) {
  FieldChecker check;
  CheckDocument("entry", request.entry(), check);
  check.PastTime("occurred_at_us", request.occurred_at_us(), now);
  RETURN_IF_ERROR(check.Finish());
  const absl::Time at = OccurredAt(request.occurred_at_us(), now);
  const std::string owner(customer.entry.root.bytes());
  switch (request.entry().system()) {
    case ev::DOCUMENT_SYSTEM_ASB: {
      ev::AsbDocumentIndexed indexed;
      *indexed.mutable_entry() = request.entry();
      indexed.set_customer(owner);
      indexed.set_occurred_at_us(absl::ToUnixMicros(at));
      return SensitiveStep(sensitive, kCases, std::move(indexed), at);
    }
    case ev::DOCUMENT_SYSTEM_INDEPENDENT_LIVING: {
      ev::IndependentLivingDocumentIndexed indexed;
      *indexed.mutable_entry() = request.entry();
      indexed.set_customer(owner);
      indexed.set_occurred_at_us(absl::ToUnixMicros(at));
      return SensitiveStep(sensitive, kCases, std::move(indexed), at);
    }
    default: {
      ev::DocumentIndexed indexed;
      *indexed.mutable_entry() = request.entry();
      Step step = StepFor(customer);
      step.facts.push_back(FactOf(customer.Stream(kDocumentsSubStream), customer.entry.subject,
                                  std::move(indexed), at));
      return step;
    }
  }
}

}  // namespace records::services
