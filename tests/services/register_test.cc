#include "services/policy/register.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace records::services {
namespace {

namespace policy = records::policy::v1;
using ::testing::HasSubstr;

// The registers as they are in the tree; ctest runs in its root.
constexpr char kShippedFolder[] = "deploy/policy";

// A register with one row of each kind and no fault.
policy::Register SmallRegister() {
  policy::Register reg;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(R"(
    purposes { id: "service-delivery" description: "d" }
    roles {
      id: "contact-officer" description: "d" stands_for: "Contact staff"
      permissions { view: "timeline" action: ACTION_READ purposes: "service-delivery" }
    }
    categories {
      id: "contact" number: 3 description: "d"
      lawful_basis: LAWFUL_BASIS_CONTRACT sensitivity: CATEGORY_SENSITIVITY_PERSONAL
      retention { days: 1 counted_from: RETENTION_START_CONTRACT_END scope: SCOPE_KIND_YEAR }
      readers { role: "contact-officer" purposes: "service-delivery" relation: RELATION_ANYBODY }
      traced: true policy_document: "p" impact_assessment: "i" clauses: "CR-2.2"
    })",
                                                            &reg));
  return reg;
}

// A folder of registers of this test's own, removed at its end.
class RegisterFolder {
 public:
  RegisterFolder() : path_(absl::StrCat(testing::TempDir(), "/registers-", getpid())) {
    std::filesystem::create_directories(path_);
    for (const auto& entry : std::filesystem::directory_iterator(kShippedFolder)) {
      std::filesystem::copy(entry.path(), std::filesystem::path(path_) / entry.path().filename());
    }
  }
  ~RegisterFolder() { std::filesystem::remove_all(path_); }

  void Write(absl::string_view file, const std::string& text) const {
    std::ofstream(absl::StrCat(path_, "/", file)) << text;
  }
  void Remove(absl::string_view file) const {
    std::filesystem::remove(absl::StrCat(path_, "/", file));
  }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

// DP-G1, DP-N1
TEST(RegisterTest, TheShippedRegistersAreCompleteAndTheProgramHoldsACopyOfThem) {
  const absl::StatusOr<policy::Register> shipped = LoadRegister(kShippedFolder);
  ASSERT_TRUE(shipped.ok()) << shipped.status();
  const absl::StatusOr<policy::Register> embedded = EmbeddedRegister();
  ASSERT_TRUE(embedded.ok()) << embedded.status();
  EXPECT_EQ(shipped->SerializeAsString(), embedded->SerializeAsString());
  for (const policy::Category& category : shipped->categories()) {
    EXPECT_NE(LawfulBasisName(category.lawful_basis()), "") << category.id();
    EXPECT_GE(category.retention().days(), 1u) << category.id();
  }
}

// DP-B4
TEST(RegisterTest, EveryCategoryThatAnybodyMayReadIsTraced) {
  const absl::StatusOr<policy::Register> shipped = EmbeddedRegister();
  ASSERT_TRUE(shipped.ok());
  for (const policy::Category& category : shipped->categories()) {
    EXPECT_EQ(category.traced(), !category.readers().empty()) << category.id();
  }
}

// DP-B2, DP-B3
TEST(RegisterTest, HealthAndOffencesAreMarkedAsSuchWithTheirCondition) {
  const absl::StatusOr<policy::Register> shipped = EmbeddedRegister();
  ASSERT_TRUE(shipped.ok());
  std::set<std::string> special;
  std::set<std::string> criminal;
  for (const policy::Category& category : shipped->categories()) {
    if (category.sensitivity() == policy::CATEGORY_SENSITIVITY_SPECIAL)
      special.insert(category.id());
    if (category.sensitivity() == policy::CATEGORY_SENSITIVITY_CRIMINAL)
      criminal.insert(category.id());
  }
  EXPECT_THAT(special,
              testing::ElementsAre("communication-needs", "independent-living", "vulnerability"));
  EXPECT_THAT(criminal, testing::ElementsAre("asb"));
}

TEST(RegisterTest, EveryReaderOfTheShippedRegisterHasAViewToReadItIn) {
  const absl::StatusOr<policy::Register> shipped = EmbeddedRegister();
  ASSERT_TRUE(shipped.ok());
  std::set<std::pair<std::string, std::string>> can_read;  // role, purpose
  for (const policy::Role& role : shipped->roles()) {
    for (const policy::Permission& permission : role.permissions()) {
      if (permission.action() != policy::ACTION_READ) continue;
      for (const std::string& purpose : permission.purposes())
        can_read.insert({role.id(), purpose});
    }
  }
  for (const policy::Category& category : shipped->categories()) {
    for (const policy::Reader& reader : category.readers()) {
      for (const std::string& purpose : reader.purposes()) {
        EXPECT_TRUE(can_read.contains({reader.role(), purpose}))
            << category.id() << " " << reader.role() << " " << purpose;
      }
    }
  }
}

TEST(RegisterTest, EveryClauseOfTheShippedRegisterIsInTheCatalogueOfRules) {
  std::set<std::string> known;
  std::ifstream file("tests/requirements.tsv");
  for (std::string line; std::getline(file, line);) {
    known.insert(std::string(*absl::StrSplit(line, '\t').begin()));
  }
  ASSERT_TRUE(known.contains("CR-2.2"));
  const absl::StatusOr<policy::Register> shipped = EmbeddedRegister();
  ASSERT_TRUE(shipped.ok());
  for (const policy::Category& category : shipped->categories()) {
    for (const std::string& clause : category.clauses()) {
      // The conflicts and silences, C1 to C61, are not rules of their own.
      const bool conflict = clause.size() <= 3 && clause[0] == 'C' && isdigit(clause[1]) != 0;
      EXPECT_TRUE(conflict || known.contains(clause)) << category.id() << " " << clause;
    }
  }
}

TEST(RegisterTest, TheFourScopesOfKeysReachTheEventStore) {
  policy::Register reg = SmallRegister();
  const std::pair<policy::ScopeKind, eventstore::KeyScopeKind> scopes[] = {
      {policy::SCOPE_KIND_SUBJECT, eventstore::KeyScopeKind::kSubject},
      {policy::SCOPE_KIND_YEAR, eventstore::KeyScopeKind::kYear},
      {policy::SCOPE_KIND_MONTH, eventstore::KeyScopeKind::kMonth},
      {policy::SCOPE_KIND_ROOT, eventstore::KeyScopeKind::kRoot}};
  for (const auto& [scope, kind] : scopes) {
    reg.mutable_categories(0)->mutable_retention()->set_scope(scope);
    const absl::StatusOr<eventstore::CategoryTable> table = MakeCategoryTable(reg);
    ASSERT_TRUE(table.ok()) << table.status();
    ASSERT_NE(table->Find("contact"), nullptr);
    EXPECT_EQ(table->Find("contact")->scope, kind);
    EXPECT_EQ(table->Find(3u), table->Find("contact"));
  }
}

// One fault, planted in a register without any, and what the refusal must name.
struct Fault {
  const char* what;
  std::function<void(policy::Register&)> plant;
  const char* named;
};

policy::Category& Contact(policy::Register& reg) { return *reg.mutable_categories(0); }
policy::Permission& ReadTimeline(policy::Register& reg) {
  return *reg.mutable_roles(0)->mutable_permissions(0);
}

void ExpectEachIsRefusedByName(const std::vector<Fault>& faults) {
  ASSERT_TRUE(ValidateRegister(SmallRegister()).ok()) << ValidateRegister(SmallRegister());
  for (const Fault& fault : faults) {
    policy::Register reg = SmallRegister();
    fault.plant(reg);
    const absl::Status status = ValidateRegister(reg);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << fault.what;
    EXPECT_THAT(std::string(status.message()), HasSubstr(fault.named)) << fault.what;
  }
}

// DP-N1, DP-C5
TEST(RegisterTest, ACategoryWithoutPeriodOrWithKeysThatCannotEndInTimeIsRefused) {
  ExpectEachIsRefusedByName({
      {"no days", [](auto& reg) { Contact(reg).mutable_retention()->clear_days(); },
       "category 'contact': has no retention period"},
      {"a day too many",
       [](auto& reg) { Contact(reg).mutable_retention()->set_days(kRetentionDaysMax + 1); },
       "more than 36525"},
      {"no retention at all", [](auto& reg) { Contact(reg).clear_retention(); },
       "category 'contact': has no retention period"},
      {"no start", [](auto& reg) { Contact(reg).mutable_retention()->clear_counted_from(); },
       "does not say what its period counts from"},
      {"no scope", [](auto& reg) { Contact(reg).mutable_retention()->clear_scope(); },
       "has no scope"},
      {"a case under keys of a year",
       [](auto& reg) {
         Contact(reg).mutable_retention()->set_counted_from(policy::RETENTION_START_CASE_CLOSED);
       },
       "counts from the closing of a case"},
      {"an event under a key for life",
       [](auto& reg) {
         Contact(reg).mutable_retention()->set_counted_from(policy::RETENTION_START_EVENT);
         Contact(reg).mutable_retention()->set_scope(policy::SCOPE_KIND_SUBJECT);
       },
       "counts from the event"},
  });
}

// DP-G1, DP-G2, DP-B2, DP-B3
TEST(RegisterTest, ACategoryWithoutItsGroundsIsRefused) {
  ExpectEachIsRefusedByName({
      {"no basis", [](auto& reg) { Contact(reg).clear_lawful_basis(); }, "has no lawful basis"},
      {"unknown basis",
       [](auto& reg) { Contact(reg).set_lawful_basis(static_cast<policy::LawfulBasis>(99)); },
       "has no lawful basis"},
      {"no sensitivity", [](auto& reg) { Contact(reg).clear_sensitivity(); }, "has no sensitivity"},
      {"special",
       [](auto& reg) { Contact(reg).set_sensitivity(policy::CATEGORY_SENSITIVITY_SPECIAL); },
       "category 'contact': is special category data and has no condition"},
      {"criminal, blank condition",
       [](auto& reg) {
         Contact(reg).set_sensitivity(policy::CATEGORY_SENSITIVITY_CRIMINAL);
         Contact(reg).set_condition("  ");
       },
       "category 'contact': is criminal offence data and has no condition"},
      {"consent", [](auto& reg) { Contact(reg).set_lawful_basis(policy::LAWFUL_BASIS_CONSENT); },
       "rests on consent"},
      {"no document", [](auto& reg) { Contact(reg).clear_policy_document(); },
       "no policy document"},
      {"no assessment", [](auto& reg) { Contact(reg).clear_impact_assessment(); },
       "no impact assessment"},
      {"no clause", [](auto& reg) { Contact(reg).clear_clauses(); }, "names no clause"},
      {"no description", [](auto& reg) { Contact(reg).clear_description(); }, "has no description"},
  });
}

TEST(RegisterTest, NumbersOfCategoriesAreGivenOnceAndNeverZero) {
  const auto add_number = [](uint32_t number) {
    return [number](policy::Register& reg) {
      policy::Category* other = reg.add_categories();
      *other = reg.categories(0);
      other->set_id("other");
      other->set_number(number);
    };
  };
  ExpectEachIsRefusedByName({
      {"zero", add_number(0), "category 'other': number 0"},
      {"above the limit", add_number(eventstore::kCategoryNumberMax + 1),
       "category 'other': number 65536"},
      {"twice", add_number(3), "category 'other': number 3 is that of category 'contact'"},
  });
  policy::Register reg = SmallRegister();
  add_number(eventstore::kCategoryNumberMax)(reg);
  EXPECT_TRUE(ValidateRegister(reg).ok()) << ValidateRegister(reg);
}

// DP-C2
TEST(RegisterTest, UnknownNamesAndDuplicatesAreRefused) {
  ExpectEachIsRefusedByName({
      {"reader's role", [](auto& reg) { Contact(reg).mutable_readers(0)->set_role("cleaner"); },
       "category 'contact': reader 'cleaner': unknown role"},
      {"reader's purpose",
       [](auto& reg) { Contact(reg).mutable_readers(0)->set_purposes(0, "curiosity"); },
       "reader 'contact-officer': unknown purpose 'curiosity'"},
      {"reader without purpose",
       [](auto& reg) { Contact(reg).mutable_readers(0)->clear_purposes(); }, "names no purpose"},
      {"reader without relation",
       [](auto& reg) { Contact(reg).mutable_readers(0)->clear_relation(); }, "has no relation"},
      {"permission's purpose", [](auto& reg) { ReadTimeline(reg).add_purposes("curiosity"); },
       "permission on 'timeline': unknown purpose 'curiosity'"},
      {"permission's purpose twice",
       [](auto& reg) { ReadTimeline(reg).add_purposes("service-delivery"); },
       "purpose 'service-delivery' stands twice"},
      {"permission without action", [](auto& reg) { ReadTimeline(reg).clear_action(); },
       "has no action"},
      {"permission twice",
       [](auto& reg) { *reg.mutable_roles(0)->add_permissions() = ReadTimeline(reg); },
       "the same view and action stand twice"},
      {"category twice", [](auto& reg) { *reg.add_categories() = Contact(reg); },
       "category 'contact': stands twice"},
      {"role twice", [](auto& reg) { *reg.add_roles() = policy::Role(reg.roles(0)); },
       "role 'contact-officer': stands twice"},
      {"purpose twice", [](auto& reg) { *reg.add_purposes() = policy::Purpose(reg.purposes(0)); },
       "purpose 'service-delivery': stands twice"},
      {"role stands for nobody", [](auto& reg) { reg.mutable_roles(0)->clear_stands_for(); },
       "stands for no role"},
  });
}

TEST(RegisterTest, AWorkStreamIsNamedAsATopicIsAndOnceInARole) {
  const auto take = [](std::vector<std::string> streams) {
    return [streams](policy::Register& reg) {
      for (const std::string& stream : streams) reg.mutable_roles(0)->add_work_streams(stream);
    };
  };
  ExpectEachIsRefusedByName({
      {"no version", take({"repairs"}), "role 'contact-officer': the work stream 'repairs' is not"},
      {"version 0", take({"repairs.v0"}), "the work stream 'repairs.v0' is not"},
      {"with a prefix", take({"records.repairs.v1"}), "'records.repairs.v1' is not"},
      {"empty", take({""}), "the work stream '' is not"},
      {"twice", take({"repairs.v1", "asb.v1", "repairs.v1"}),
       "work stream 'repairs.v1' stands twice"},
  });
  policy::Register reg = SmallRegister();
  take({"repairs.v1", "asb.v12"})(reg);
  EXPECT_TRUE(ValidateRegister(reg).ok()) << ValidateRegister(reg);
}

TEST(RegisterTest, NamesKeepToTheirAlphabetAndLength) {
  ExpectEachIsRefusedByName({
      {"empty", [](auto& reg) { Contact(reg).set_id(""); }, "category '': the id is not"},
      {"upper case", [](auto& reg) { Contact(reg).set_id("Contact"); },
       "category 'Contact': the id"},
      {"digit", [](auto& reg) { reg.mutable_roles(0)->set_id("officer1"); },
       "role 'officer1': the id"},
      {"space", [](auto& reg) { reg.mutable_purposes(0)->set_id("a b"); }, "purpose 'a b': the id"},
      {"view", [](auto& reg) { ReadTimeline(reg).set_view("time_line"); },
       "permission on 'time_line': the view is not"},
      {"33 letters", [](auto& reg) { Contact(reg).set_id(std::string(33, 'a')); }, "the id is not"},
      {"65 letters", [](auto& reg) { reg.mutable_purposes(0)->set_id(std::string(65, 'a')); },
       "the id is not"},
  });
  policy::Register reg = SmallRegister();
  Contact(reg).set_id(std::string(32, 'a'));
  EXPECT_TRUE(ValidateRegister(reg).ok());
}

TEST(RegisterTest, AFoldPartHasNoReadersAndNoTrace) {
  ExpectEachIsRefusedByName({
      {"readers", [](auto& reg) { Contact(reg).set_fold_view("timeline"); },
       "category 'contact': is a fold part and has readers"},
      {"traced", [](auto& reg) { Contact(reg).set_fold_view("timeline"); }, "nobody reads it"},
      {"view", [](auto& reg) { Contact(reg).set_fold_view("Timeline"); },
       "the fold view 'Timeline'"},
  });
}

TEST(RegisterTest, ARegisterWithoutRowsOfAKindOrWithTooManyIsRefused) {
  ExpectEachIsRefusedByName({
      {"no categories", [](auto& reg) { reg.clear_categories(); }, "register: has no categories"},
      {"no roles", [](auto& reg) { reg.clear_roles(); }, "register: has no roles"},
      {"no purposes", [](auto& reg) { reg.clear_purposes(); }, "register: has no purposes"},
      {"too many roles",
       [](auto& reg) {
         for (size_t i = 0; i < kRegisterRolesMax; ++i)
           *reg.add_roles() = policy::Role(reg.roles(0));
       },
       "has 65 roles, more than 64"},
  });
}

TEST(RegisterTest, AllFaultsAreListedAtOnce) {
  policy::Register reg = SmallRegister();
  Contact(reg).clear_lawful_basis();
  ReadTimeline(reg).clear_purposes();
  const std::string message(ValidateRegister(reg).message());
  EXPECT_THAT(message, HasSubstr("has no lawful basis"));
  EXPECT_THAT(message, HasSubstr("names no purpose"));
}

TEST(RegisterTest, AnErrorOfTheTextNamesFileAndLine) {
  const RegisterFolder folder;
  folder.Write(kRolesFile, "roles {\n  id: \"a\"\n  colour: \"red\"\n}\n");
  const absl::Status status = LoadRegister(folder.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("roles.textproto:3:"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("colour"));
}

TEST(RegisterTest, AFileThatIsMissingOrTooLongOrOfAnotherKindIsRefused) {
  const RegisterFolder folder;
  ASSERT_TRUE(LoadRegister(folder.path()).ok()) << LoadRegister(folder.path()).status();

  folder.Write(kPurposesFile, "roles { id: \"a\" }");
  EXPECT_THAT(std::string(LoadRegister(folder.path()).status().message()),
              HasSubstr("purposes.textproto: holds rows of another kind"));

  folder.Write(kPurposesFile, std::string(kRegisterFileBytesMax + 1, '#'));
  EXPECT_THAT(std::string(LoadRegister(folder.path()).status().message()),
              HasSubstr("above the limit"));

  folder.Remove(kPurposesFile);
  EXPECT_EQ(LoadRegister(folder.path()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(LoadRegister(folder.path()).status().message()),
              HasSubstr("purposes.textproto"));
}

}  // namespace
}  // namespace records::services
