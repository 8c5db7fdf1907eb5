#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eventstore/bus/topic_register.h"
#include "services/policy/register.h"

namespace records::services {
namespace {

namespace policy = records::policy::v1;

constexpr size_t kNameMax = 32;  // categories, roles, views
constexpr size_t kPurposeNameMax = 64;

bool IsName(absl::string_view name, size_t length_max) {
  return !name.empty() && name.size() <= length_max &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_islower(c) || c == '-'; });
}

// Zero is "not given", and a number that the schema does not know is no answer either.
template <typename Enum>
bool IsGiven(Enum value) {
  return value != 0 && google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(value);
}

// Collects the faults of one register.
class Validator {
 public:
  explicit Validator(const policy::Register& reg) : reg_(reg) {}

  absl::Status Run() {
    CheckSizes();
    CheckPurposes();
    CheckRoles();
    CheckCategories();
    if (faults_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(faults_, "\n"));
  }

 private:
  template <typename... Parts>
  void Fault(absl::string_view row, const Parts&... parts) {
    faults_.push_back(absl::StrCat(row, ": ", parts...));
  }

  void CheckSizes() {
    const auto check = [this](absl::string_view what, int size, size_t size_max) {
      if (size == 0) Fault("register", "has no ", what);
      if (static_cast<size_t>(size) > size_max) {
        Fault("register", "has ", size, " ", what, ", more than ", size_max);
      }
    };
    check("categories", reg_.categories_size(), kRegisterCategoriesMax);
    check("roles", reg_.roles_size(), kRegisterRolesMax);
    check("purposes", reg_.purposes_size(), kRegisterPurposesMax);
  }

  // Notes a name of its kind and returns how faults of its row begin.
  std::string Declare(absl::string_view kind, const std::string& id, size_t length_max,
                      absl::flat_hash_set<std::string>& known) {
    const std::string row = absl::StrCat(kind, " '", id, "'");
    if (!IsName(id, length_max)) Fault(row, "the id is not [a-z-]{1,", length_max, "}");
    if (!known.insert(id).second) Fault(row, "stands twice");
    return row;
  }

  void CheckDescribed(const std::string& row, const std::string& description) {
    if (absl::StripAsciiWhitespace(description).empty()) Fault(row, "has no description");
  }

  void CheckPurposeList(const std::string& row,
                        const google::protobuf::RepeatedPtrField<std::string>& listed) {
    if (listed.empty()) Fault(row, "names no purpose");
    absl::flat_hash_set<absl::string_view> seen;
    for (const std::string& purpose : listed) {
      if (!purposes_.contains(purpose)) Fault(row, "unknown purpose '", purpose, "'");
      if (!seen.insert(purpose).second) Fault(row, "purpose '", purpose, "' stands twice");
    }
  }

  void CheckPurposes() {
    for (const policy::Purpose& purpose : reg_.purposes()) {
      CheckDescribed(Declare("purpose", purpose.id(), kPurposeNameMax, purposes_),
                     purpose.description());
    }
  }

  void CheckRoles() {
    for (const policy::Role& role : reg_.roles()) {
      const std::string row = Declare("role", role.id(), kNameMax, roles_);
      CheckDescribed(row, role.description());
      if (role.stands_for().empty()) Fault(row, "stands for no role of the policies");
      absl::flat_hash_set<std::pair<std::string, int>> seen;
      for (const policy::Permission& permission : role.permissions()) {
        const std::string line = absl::StrCat(row, ": permission on '", permission.view(), "'");
        if (!IsName(permission.view(), kNameMax)) {
          Fault(line, "the view is not [a-z-]{1,", kNameMax, "}");
        }
        if (!IsGiven(permission.action())) Fault(line, "has no action");
        if (!seen.insert({permission.view(), permission.action()}).second) {
          Fault(line, "the same view and action stand twice");
        }
        CheckPurposeList(line, permission.purposes());
      }
      CheckWorkStreams(row, role);
    }
  }

  void CheckWorkStreams(const std::string& row, const policy::Role& role) {
    absl::flat_hash_set<absl::string_view> seen;
    for (const std::string& stream : role.work_streams()) {
      if (!eventstore::IsTopicName(stream)) {
        Fault(row, "the work stream '", stream, "' is not a name and a version such as .v1");
      }
      if (!seen.insert(stream).second) Fault(row, "work stream '", stream, "' stands twice");
    }
  }

  void CheckCategories() {
    absl::flat_hash_set<std::string> known;
    absl::flat_hash_map<uint32_t, std::string> numbers;
    for (const policy::Category& category : reg_.categories()) {
      const std::string row = Declare("category", category.id(), kNameMax, known);
      CheckDescribed(row, category.description());
      if (category.number() == 0 || category.number() > eventstore::kCategoryNumberMax) {
        Fault(row, "number ", category.number(), " is not from 1 to ",
              eventstore::kCategoryNumberMax);
      } else if (const auto [other, fresh] = numbers.try_emplace(category.number(), category.id());
                 !fresh) {
        Fault(row, "number ", category.number(), " is that of category '", other->second, "'");
      }
      CheckGrounds(row, category);
      CheckRetention(row, category.retention());
      CheckReaders(row, category);
    }
  }

  // What makes the processing lawful.
  void CheckGrounds(const std::string& row, const policy::Category& category) {
    if (!IsGiven(category.lawful_basis())) Fault(row, "has no lawful basis");
    if (!IsGiven(category.sensitivity())) Fault(row, "has no sensitivity");
    const bool stated = !absl::StripAsciiWhitespace(category.condition()).empty();
    if (category.sensitivity() == policy::CATEGORY_SENSITIVITY_SPECIAL && !stated) {
      Fault(row, "is special category data and has no condition (C18)");
    }
    if (category.sensitivity() == policy::CATEGORY_SENSITIVITY_CRIMINAL && !stated) {
      Fault(row, "is criminal offence data and has no condition (C18)");
    }
    if (category.lawful_basis() == policy::LAWFUL_BASIS_CONSENT && !stated) {
      Fault(row, "rests on consent and its condition does not say why no other basis applies",
            " (DP-G2)");
    }
    if (category.policy_document().empty()) Fault(row, "names no policy document");
    if (category.impact_assessment().empty()) Fault(row, "names no impact assessment");
    if (category.clauses().empty()) Fault(row, "names no clause that it comes from");
  }

  // A key ends as a whole, so its span must fit what the period counts from.
  void CheckRetention(const std::string& row, const policy::Retention& retention) {
    if (retention.days() == 0) Fault(row, "has no retention period (DP-N1)");
    if (retention.days() > kRetentionDaysMax) {
      Fault(row, "is kept for ", retention.days(), " days, more than ", kRetentionDaysMax);
    }
    if (!IsGiven(retention.counted_from())) Fault(row, "does not say what its period counts from");
    if (!IsGiven(retention.scope())) Fault(row, "has no scope of its keys");
    if (retention.counted_from() == policy::RETENTION_START_CASE_CLOSED &&
        retention.scope() != policy::SCOPE_KIND_ROOT) {
      Fault(row, "counts from the closing of a case, and its keys are not of a case (ROOT)");
    }
    if (retention.counted_from() == policy::RETENTION_START_EVENT &&
        retention.scope() == policy::SCOPE_KIND_SUBJECT) {
      Fault(row, "counts from the event, and one key serves a person's whole time (SUBJECT)");
    }
  }

  void CheckReaders(const std::string& row, const policy::Category& category) {
    if (!category.fold_view().empty()) {
      if (!IsName(category.fold_view(), kNameMax)) {
        Fault(row, "the fold view '", category.fold_view(), "' is not [a-z-]{1,", kNameMax, "}");
      }
      if (!category.readers().empty()) Fault(row, "is a fold part and has readers");
      if (category.traced()) Fault(row, "is a fold part and is traced, but nobody reads it");
    }
    for (const policy::Reader& reader : category.readers()) {
      const std::string line = absl::StrCat(row, ": reader '", reader.role(), "'");
      if (!roles_.contains(reader.role())) Fault(line, "unknown role");
      if (!IsGiven(reader.relation())) Fault(line, "has no relation");
      CheckPurposeList(line, reader.purposes());
    }
  }

  const policy::Register& reg_;
  absl::flat_hash_set<std::string> purposes_;
  absl::flat_hash_set<std::string> roles_;
  std::vector<std::string> faults_;
};

}  // namespace

absl::Status ValidateRegister(const policy::Register& reg) { return Validator(reg).Run(); }

}  // namespace records::services
