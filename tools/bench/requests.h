#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "records/api/v1/contact_service.pb.h"
#include "records/api/v1/customer_service.pb.h"

// What the benchmark sends: invented people and contacts, sized as those of a contact centre.
namespace records::bench {

// A version 4 UUID in text.
std::string RandomUuid(std::mt19937_64& random);

// Reference of the n-th customer of the benchmark.
std::string CustomerReference(uint64_t number);

records::events::v1::PersonDetails MakePerson(uint64_t number);
records::events::v1::TenancyDetails MakeTenancy(uint64_t number);
records::events::v1::Contact MakeContact(std::mt19937_64& random);

records::api::v1::RegisterCustomerRequest MakeRegistration(std::mt19937_64& random,
                                                           uint64_t number);
// A contact of a customer.
void FillRecordContact(std::mt19937_64& random, uint64_t customer,
                       records::api::v1::RecordContactRequest& request);

}  // namespace records::bench
