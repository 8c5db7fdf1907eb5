#pragma once

#include <string>

#include "records/api/v1/contact_service.pb.h"
#include "records/api/v1/customer_service.pb.h"
#include "records/events/v1/asb.pb.h"
#include "records/events/v1/contact.pb.h"
#include "records/events/v1/customer.pb.h"

// Requests that are right as they stand; a test changes what it is about.
namespace records::services::testing {

inline events::v1::Contact GoodContact() {
  events::v1::Contact contact;
  contact.set_channel(events::v1::CHANNEL_PHONE);
  contact.set_direction(events::v1::DIRECTION_INBOUND);
  contact.add_subjects("heating");
  contact.set_summary("boiler out, two children at home");
  contact.set_no_further_action(true);
  return contact;
}

inline events::v1::PersonDetails GoodPerson(const std::string& reference,
                                            const std::string& name = "Pat Doe") {
  events::v1::PersonDetails person;
  person.set_reference(reference);
  person.set_name(name);
  person.mutable_date_of_birth()->set_year(1980);
  person.mutable_date_of_birth()->set_month(1);
  person.mutable_date_of_birth()->set_day(31);
  return person;
}

inline events::v1::TenancyDetails GoodTenancy(const std::string& contract = "T-1") {
  events::v1::TenancyDetails tenancy;
  tenancy.set_tenure(events::v1::TENURE_RENT);
  tenancy.set_contract_reference(contract);
  tenancy.set_property_reference("P-1");
  tenancy.set_property_address("1 High Street");
  return tenancy;
}

inline api::v1::ServiceRequestInput GoodRepair() {
  api::v1::ServiceRequestInput input;
  input.mutable_request()->set_kind(events::v1::SERVICE_REQUEST_KIND_REPAIR);
  input.mutable_request()->set_description("boiler does not light");
  input.mutable_request()->add_hazards(events::v1::HAZARD_EXCESS_COLD);
  input.add_vulnerabilities("two children under 5");
  return input;
}

inline events::v1::AsbReport GoodReport() {
  events::v1::AsbReport report;
  report.set_description("shouting at night in the flat above");
  report.set_place("stairwell B");
  report.set_kind("noise");
  return report;
}

inline events::v1::DocumentIndexEntry GoodDocument() {
  events::v1::DocumentIndexEntry entry;
  entry.set_content_sha256(std::string(32, 'h'));
  entry.set_medium(events::v1::DOCUMENT_MEDIUM_SCAN);
  entry.set_direction(events::v1::DIRECTION_INBOUND);
  entry.set_system(events::v1::DOCUMENT_SYSTEM_CRM);
  entry.set_matter("rent account");
  entry.set_sensitivity(events::v1::SENSITIVITY_PERSONAL);
  entry.set_retention_class("document-index");
  return entry;
}

inline api::v1::RecordContactRequest GoodRecordContact() {
  api::v1::RecordContactRequest request;
  request.set_request_id("8c5b3a2e-5a43-4be0-9c1d-2f61b27a9d10");
  request.set_customer("R1");
  *request.mutable_contact() = GoodContact();
  return request;
}

// A message with a repair request, a report of anti-social behaviour, and the rest.
inline api::v1::SplitMessageRequest GoodSplit() {
  api::v1::SplitMessageRequest request;
  request.set_request_id("8c5b3a2e-5a43-4be0-9c1d-2f61b27a9d11");
  request.set_customer("R1");
  *request.mutable_contact() = GoodContact();
  request.mutable_contact()->set_channel(events::v1::CHANNEL_EMAIL);
  *request.add_service_requests() = GoodRepair();
  *request.mutable_asb_report() = GoodReport();
  request.set_advice("told by telephone to send separate messages");
  return request;
}

}  // namespace records::services::testing
