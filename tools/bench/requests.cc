#include "tools/bench/requests.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace records::bench {
namespace {

namespace api = records::api::v1;
namespace events = records::events::v1;

constexpr std::array<const char*, 6> kSubjects = {"heating",    "rent account", "repairs",
                                                  "neighbours", "tenancy",      "parking"};
constexpr std::array<const char*, 6> kSummaries = {
    "boiler out since last night, two children at home, asks for a visit today",
    "asks how much is owed and whether the payment of last week has arrived",
    "window in the back bedroom does not close, reported before, nobody came",
    "wants to know when the lift is working again; walks with a frame",
    "asks to add her mother to the household; told which papers are needed",
    "car park gate stuck open; no personal matter",
};
constexpr std::array<const char*, 3> kActions = {"engineer booked", "statement sent by post",
                                                 "passed to the area team, will call back"};

template <typename Choices>
const char* Pick(std::mt19937_64& random, const Choices& choices) {
  return choices[random() % choices.size()];
}

}  // namespace

std::string RandomUuid(std::mt19937_64& random) {
  const uint64_t high = (random() & ~uint64_t{0xF000}) | 0x4000;
  const uint64_t low = (random() >> 2) | (uint64_t{1} << 63);
  return absl::StrFormat("%08x-%04x-%04x-%04x-%012x", high >> 32, (high >> 16) & 0xFFFF,
                         high & 0xFFFF, low >> 48, low & 0xFFFFFFFFFFFF);
}

std::string CustomerReference(uint64_t number) { return absl::StrCat("BENCH-", number); }

events::PersonDetails MakePerson(uint64_t number) {
  events::PersonDetails person;
  person.set_reference(CustomerReference(number));
  person.set_name(absl::StrCat("Synthetic Person ", number));
  person.mutable_date_of_birth()->set_year(static_cast<int32_t>(1940 + number % 60));
  person.mutable_date_of_birth()->set_month(static_cast<int32_t>(1 + number % 12));
  person.mutable_date_of_birth()->set_day(static_cast<int32_t>(1 + number % 28));
  return person;
}

events::TenancyDetails MakeTenancy(uint64_t number) {
  events::TenancyDetails tenancy;
  tenancy.set_tenure(events::TENURE_RENT);
  tenancy.set_contract_reference(absl::StrCat("T-", number));
  tenancy.set_property_reference(absl::StrCat("P-", number));
  tenancy.set_property_address(absl::StrCat(number % 200 + 1, " High Street"));
  return tenancy;
}

events::Contact MakeContact(std::mt19937_64& random) {
  events::Contact contact;
  contact.set_channel(events::CHANNEL_PHONE);
  contact.set_direction(events::DIRECTION_INBOUND);
  contact.add_subjects(Pick(random, kSubjects));
  contact.set_summary(Pick(random, kSummaries));
  contact.add_actions()->set_description(Pick(random, kActions));
  return contact;
}

api::RegisterCustomerRequest MakeRegistration(std::mt19937_64& random, uint64_t number) {
  api::RegisterCustomerRequest request;
  request.set_request_id(RandomUuid(random));
  *request.mutable_person() = MakePerson(number);
  *request.mutable_tenancy() = MakeTenancy(number);
  request.set_synthetic(true);
  return request;
}

void FillRecordContact(std::mt19937_64& random, uint64_t customer,
                       api::RecordContactRequest& request) {
  request.set_request_id(RandomUuid(random));
  request.set_customer(CustomerReference(customer));
  *request.mutable_contact() = MakeContact(random);
}

}  // namespace records::bench
