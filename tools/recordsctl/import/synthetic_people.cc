#include "tools/recordsctl/import/synthetic_people.h"

#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/crypto.h"
#include "eventstore/ids.h"

namespace records::tools {
namespace {

namespace events = records::events::v1;

constexpr std::array kFirstNames = {
    "Ada",   "Amir",  "Anna",  "Bela",  "Boris", "Carla",  "Chen",  "Clara", "Dana",  "David",
    "Dina",  "Elif",  "Emil",  "Esra",  "Femi",  "Fiona",  "Goran", "Grace", "Hana",  "Hugo",
    "Ines",  "Ivan",  "Jack",  "Jana",  "Kamal", "Kira",   "Leah",  "Luis",  "Maria", "Milan",
    "Mina",  "Nadia", "Noah",  "Olga",  "Omar",  "Paula",  "Pavel", "Priya", "Rana",  "Rosa",
    "Samir", "Sara",  "Tariq", "Tessa", "Uma",   "Viktor", "Wanda", "Yusuf", "Zara",  "Zoë"};

constexpr std::array kLastNames = {
    "Adler",  "Akhtar", "Banda",  "Berg",    "Bianchi", "Clarke", "Costa", "Dahl",    "Demir",
    "Doyle",  "Evans",  "Farah",  "Fischer", "Garcia",  "Gupta",  "Hall",  "Haddad",  "Ito",
    "Jansen", "Jones",  "Kaya",   "Khan",    "Kovács",  "Lam",    "Lopez", "Mahmoud", "Moore",
    "Moyo",   "Murphy", "Nagy",   "Novak",   "Okafor",  "Olsen",  "Park",  "Patel",   "Pinto",
    "Quinn",  "Rahman", "Reyes",  "Rossi",   "Sato",    "Silva",  "Singh", "Sousa",   "Taylor",
    "Tran",   "Unger",  "Vargas", "Weiss",   "Young"};

constexpr int kOldestBirthYear = 1930;
constexpr int kBirthYears = 71;  // to 2000: every tenant is of age in every extract

}  // namespace

records::api::v1::ImportedCustomer SyntheticTenant(absl::string_view building_key) {
  const eventstore::Digest digest = eventstore::Sha256(building_key);
  const std::string hex = absl::BytesToHexString(eventstore::AsBytes(digest)).substr(0, 12);
  records::api::v1::ImportedCustomer customer;
  events::PersonDetails& person = *customer.mutable_person();
  person.set_reference(absl::StrCat("NYC-", hex));
  // Bytes past those of the reference, so that names do not follow from it.
  person.set_name(absl::StrCat(kFirstNames[digest[16] % kFirstNames.size()], " ",
                               kLastNames[digest[17] % kLastNames.size()]));
  events::Date& born = *person.mutable_date_of_birth();
  born.set_year(kOldestBirthYear + digest[18] % kBirthYears);
  born.set_month(1 + digest[19] % 12);
  born.set_day(1 + digest[20] % 28);
  events::TenancyDetails& tenancy = *customer.mutable_tenancy();
  tenancy.set_tenure(events::TENURE_RENT);
  tenancy.set_contract_reference(absl::StrCat("T-", hex));
  customer.set_synthetic(true);
  return customer;
}

std::string ImportRequestId(absl::string_view unique_key) {
  const eventstore::Digest digest = eventstore::Sha256({"nyc311", unique_key});
  eventstore::IdBytes bytes;
  std::copy(digest.begin(), digest.begin() + bytes.size(), bytes.begin());
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0F) | 0x80);  // version 8
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3F) | 0x80);  // variant of RFC 9562
  return eventstore::RequestId(bytes).ToUuid();
}

}  // namespace records::tools
