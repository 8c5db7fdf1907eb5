#include "services/customer/customer_decisions.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "services/errors/errors.h"
#include "services/runtime/tracer.h"
#include "services/validation/fields.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
using eventstore::Expectation;

void CheckPerson(const ev::PersonDetails& person, bool reference_required, absl::Time now,
                 FieldChecker& check) {
  check.Text("person.reference", person.reference(), reference_required ? 1 : 0, 64);
  check.Text("person.name", person.name(), 1, 200);
  check.CalendarDate("person.date_of_birth", person.date_of_birth(), person.has_date_of_birth(),
                     true);
  const ev::Date& born = person.date_of_birth();
  check.Require(absl::CivilDay(born.year(), born.month(), born.day()) <=
                    absl::ToCivilDay(now, absl::UTCTimeZone()),
                "person.date_of_birth", "must not be in the future");
}

void CheckTenancy(const ev::TenancyDetails& tenancy, FieldChecker& check) {
  check.Require(ev::Tenure_IsValid(tenancy.tenure()) && tenancy.tenure() != ev::TENURE_UNSPECIFIED,
                "tenancy.tenure",
                "is required: a customer has a contract to rent, own in part or own outright");
  check.Text("tenancy.contract_reference", tenancy.contract_reference(), 1, 64);
  check.Text("tenancy.property_reference", tenancy.property_reference(), 0, 64);
  check.Text("tenancy.property_address", tenancy.property_address(), 0, 300);
}

// One fact under a customer's root, which must exist.
template <typename Event>
Step OneFact(const CustomerTarget& customer, absl::string_view sub_stream, Event event,
             absl::Time now) {
  Step step;
  step.digest_subject = customer.entry.subject;
  step.expectations.push_back(
      {.stream = customer.Stream(), .kind = Expectation::Kind::kStreamExists});
  step.facts.push_back(Fact{.stream = customer.Stream(sub_stream),
                            .subject = customer.entry.subject,
                            .message = std::make_unique<Event>(std::move(event)),
                            .occurred_at = now});
  return step;
}

}  // namespace

eventstore::StreamName CustomerTarget::Stream(absl::string_view sub_stream) const {
  return {organisation, std::string(kCustomers), entry.root, std::string(sub_stream)};
}

absl::Status CheckRegistration(const ev::PersonDetails& person, const ev::TenancyDetails& tenancy,
                               absl::Time now) {
  FieldChecker check;
  CheckPerson(person, true, now, check);
  CheckTenancy(tenancy, check);
  return check.Finish();
}

Step DecideRegistration(const CustomerTarget& customer, const ev::PersonDetails& person,
                        const ev::TenancyDetails& tenancy, bool synthetic, absl::Time now) {
  ev::CustomerRegistered registered;
  *registered.mutable_person() = person;
  *registered.mutable_tenancy() = tenancy;
  registered.set_synthetic(synthetic);
  Step step = OneFact(customer, "", std::move(registered), now);
  step.expectations[0].kind = Expectation::Kind::kNoStream;
  return step;
}

Step DecideTenancyJoined(const CustomerTarget& customer, const eventstore::RootId& tenancy,
                         absl::Time now) {
  ev::TenancyJoined joined;
  joined.set_customer(std::string(customer.entry.root.bytes()));
  Step step = OneFact(customer, "", std::move(joined), now);
  step.expectations.clear();
  // Two customers who joined at one microsecond would be joint tenants to anybody who reads the
  // log.
  step.facts[0].cut_to_day = true;
  step.facts[0].stream = {customer.organisation, std::string(kTenancies), tenancy, ""};
  return step;
}

absl::StatusOr<Step> DecideCorrection(
    const CustomerTarget& customer, const records::api::v1::CorrectCustomerDetailsRequest& request,
    absl::Time now) {
  FieldChecker check;
  check.Require(request.has_person() || request.has_tenancy(), "person",
                "give the person's details, the tenancy, or both");
  if (request.has_person()) {
    CheckPerson(request.person(), false, now, check);
    check.Require(
        request.person().reference().empty() || request.person().reference() == request.customer(),
        "person.reference", "cannot change");
  }
  if (request.has_tenancy()) CheckTenancy(request.tenancy(), check);
  check.Text("reason", request.reason(), 1, 500);
  RETURN_IF_ERROR(check.Finish());
  ev::CustomerDetailsCorrected corrected;
  if (request.has_person()) {
    *corrected.mutable_person() = request.person();
    corrected.mutable_person()->set_reference(request.customer());
  }
  if (request.has_tenancy()) *corrected.mutable_tenancy() = request.tenancy();
  corrected.set_reason(request.reason());
  return OneFact(customer, "", std::move(corrected), now);
}

absl::StatusOr<Step> DecideHouseholdMember(
    const CustomerTarget& customer, const records::api::v1::AddHouseholdMemberRequest& request,
    const eventstore::SubjectId& member, absl::Time now) {
  FieldChecker check;
  check.Text("name", request.name(), 1, 200);
  check.CalendarDate("date_of_birth", request.date_of_birth(), request.has_date_of_birth(), false);
  check.Text("relation", request.relation(), 0, 100);
  RETURN_IF_ERROR(check.Finish());
  ev::HouseholdMemberAdded added;
  added.set_member(std::string(member.bytes()));
  added.set_name(request.name());
  if (request.has_date_of_birth()) *added.mutable_date_of_birth() = request.date_of_birth();
  added.set_relation(request.relation());
  return OneFact(customer, kSealedSubStream, std::move(added), now);
}

absl::StatusOr<Step> DecideNeeds(const CustomerTarget& customer,
                                 const records::api::v1::SetCommunicationNeedsRequest& request,
                                 absl::Time now) {
  const ev::CommunicationNeeds& needs = request.needs();
  FieldChecker check;
  check.Require(request.has_needs(), "needs", "is required; an empty one says that there are none");
  check.Require(ev::Channel_IsValid(needs.preferred_channel()), "needs.preferred_channel",
                "must be a channel");
  check.Require(ev::CommunicationFormat_IsValid(needs.format()), "needs.format",
                "must be a format");
  check.Text("needs.language", needs.language(), needs.interpreter_needed() ? 2 : 0, 35);
  check.Require(needs.access_needs_size() <= 20, "needs.access_needs", "at most 20");
  for (int i = 0; i < needs.access_needs_size(); ++i) {
    check.Text(absl::StrCat("needs.access_needs[", i, "]"), needs.access_needs(i), 1, 200);
  }
  RETURN_IF_ERROR(check.Finish());
  ev::CommunicationNeedsSet set;
  *set.mutable_needs() = needs;
  return OneFact(customer, kSealedSubStream, std::move(set), now);
}

absl::StatusOr<Step> DecideSafety(const CustomerTarget& customer,
                                  const records::api::v1::SetContactSafetyRequest& request,
                                  absl::Time now) {
  FieldChecker check;
  check.Require(request.has_safety(), "safety", "is required");
  check.Text("safety.note", request.safety().note(), 0, 500);
  RETURN_IF_ERROR(check.Finish());
  ev::ContactSafetySet set;
  *set.mutable_safety() = request.safety();
  return OneFact(customer, kSealedSubStream, std::move(set), now);
}

absl::StatusOr<Step> DecideConfidentialAddress(
    const CustomerTarget& customer, const records::api::v1::SetConfidentialAddressRequest& request,
    absl::Time now) {
  FieldChecker check;
  check.Text("address", request.address(), 0, 300);
  RETURN_IF_ERROR(check.Finish());
  ev::ConfidentialAddressSet set;
  set.set_address(request.address());
  return OneFact(customer, kSealedSubStream, std::move(set), now);
}

absl::StatusOr<Step> DecideAuthority(
    const CustomerTarget& customer,
    const records::api::v1::RecordThirdPartyAuthorityRequest& request,
    const eventstore::SubjectId& third_party, absl::Time now) {
  const ev::ThirdPartyAuthority& authority = request.authority();
  FieldChecker check;
  check.Text("name", request.name(), 1, 200);
  check.Require(authority.scope_size() >= 1 && authority.scope_size() <= 20, "authority.scope",
                "1 to 20 entries: what the third party may hear and decide");
  for (int i = 0; i < authority.scope_size(); ++i) {
    check.Text(absl::StrCat("authority.scope[", i, "]"), authority.scope(i), 1, 200);
  }
  check.Require(absl::FromUnixMicros(authority.expires_at_us()) > now, "authority.expires_at_us",
                "is required and must be in the future");
  check.Text("authority.evidence", authority.evidence(), 1, 500);
  check.Text("authority.relation", authority.relation(), 0, 100);
  RETURN_IF_ERROR(check.Finish());
  ev::ThirdPartyAuthorityRecorded recorded;
  recorded.set_third_party(std::string(third_party.bytes()));
  recorded.set_name(request.name());
  *recorded.mutable_authority() = authority;
  return OneFact(customer, kSealedSubStream, std::move(recorded), now);
}

}  // namespace records::services
