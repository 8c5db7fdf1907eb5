#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "services/policy/decide.h"
#include "services/policy/register.h"
#include "tests/seed.h"
#include "tests/services/decide_oracle.h"

namespace records::services {
namespace {

namespace policy = records::policy::v1;

// Few names, so that chance meets them often; the last of each is never in a register.
const std::vector<std::string> kRoles = {"a", "b", "c", "d", "e", "nobody"};
const std::vector<std::string> kPurposes = {"p", "q", "r", "s", "curiosity"};
const std::vector<std::string> kViews = {"v", "w", "x", "nowhere"};
const std::vector<std::string> kWorkStreams = {"s.v1", "t.v1", "none.v1"};
const std::vector<std::string> kCategories = {"k", "l", "m", "n", "o", "nothing"};

// Draws registers without a fault, and questions to them.
class Chance {
 public:
  explicit Chance(uint64_t seed) : generator_(seed) {}

  policy::Register Register() {
    policy::Register reg;
    for (size_t i = 0; i + 1 < kPurposes.size(); ++i) {
      policy::Purpose* purpose = reg.add_purposes();
      purpose->set_id(kPurposes[i]);
      purpose->set_description("d");
    }
    for (size_t i = 0; i + 1 < kRoles.size(); ++i) AddRole(kRoles[i], reg);
    for (size_t i = 0; i + 1 < kCategories.size(); ++i) {
      AddCategory(kCategories[i], static_cast<uint32_t>(i + 1), reg);
    }
    return reg;
  }

  OracleQuestion Question() {
    OracleQuestion question;
    for (const std::string& role : kRoles) {
      if (Percent(40)) question.offered.push_back(role);
      if (Percent(50)) question.granted.push_back(role);
    }
    if (Percent(5) && !question.offered.empty()) question.offered.push_back(question.offered[0]);
    question.view = Percent(5) ? kViews.back() : Known(kViews);
    const int strange[] = {policy::ACTION_UNSPECIFIED, 4, -1, 99};
    question.action = Percent(5) ? strange[Below(4)] : Action();
    question.purpose = Percent(5) ? kPurposes.back() : Known(kPurposes);
    question.assigned = Percent(30);
    question.same_team = Percent(30);
    if (Percent(50)) question.work_stream = kWorkStreams[Below(kWorkStreams.size())];
    return question;
  }

 private:
  void AddRole(const std::string& id, policy::Register& reg) {
    policy::Role* role = reg.add_roles();
    role->set_id(id);
    role->set_description("d");
    role->add_stands_for("s");
    for (size_t i = 0; i + 1 < kWorkStreams.size(); ++i) {
      if (Percent(40)) role->add_work_streams(kWorkStreams[i]);
    }
    for (size_t view = 0; view + 1 < kViews.size(); ++view) {
      for (const int action : {1, 2, 3}) {
        if (!Percent(action == policy::ACTION_READ ? 70 : 25)) continue;
        policy::Permission* permission = role->add_permissions();
        permission->set_view(kViews[view]);
        permission->set_action(static_cast<policy::Action>(action));
        AddPurposes(permission->mutable_purposes());
      }
    }
  }

  void AddCategory(const std::string& id, uint32_t number, policy::Register& reg) {
    policy::Category* category = reg.add_categories();
    category->set_id(id);
    category->set_number(number);
    category->set_description("d");
    category->set_lawful_basis(policy::LAWFUL_BASIS_CONTRACT);
    category->set_sensitivity(policy::CATEGORY_SENSITIVITY_PERSONAL);
    category->mutable_retention()->set_days(1);
    category->mutable_retention()->set_counted_from(policy::RETENTION_START_CONTRACT_END);
    category->mutable_retention()->set_scope(policy::SCOPE_KIND_SUBJECT);
    category->set_policy_document("p");
    category->set_impact_assessment("i");
    category->add_clauses("c");
    const size_t readers = Below(4);
    for (size_t i = 0; i < readers; ++i) {
      policy::Reader* reader = category->add_readers();
      reader->set_role(Known(kRoles));
      reader->set_relation(Percent(50) ? policy::RELATION_ANYBODY
                                       : static_cast<policy::Relation>(1 + Below(3)));
      AddPurposes(reader->mutable_purposes());
    }
  }

  void AddPurposes(google::protobuf::RepeatedPtrField<std::string>* purposes) {
    for (size_t i = 0; i + 1 < kPurposes.size(); ++i) {
      if (Percent(40)) *purposes->Add() = kPurposes[i];
    }
    if (purposes->empty()) *purposes->Add() = Known(kPurposes);
  }

  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(generator_); }
  bool Percent(size_t percent) { return Below(100) < percent; }
  int Action() { return Percent(60) ? 1 : static_cast<int>(1 + Below(3)); }
  const std::string& Known(const std::vector<std::string>& names) {
    return names[Below(names.size() - 1)];
  }

  std::mt19937_64 generator_;
};

OracleAnswer AskDecide(const DecisionTable& table, const OracleQuestion& question) {
  policy::MethodAccess access;
  access.set_view(question.view);
  access.set_action(static_cast<policy::Action>(question.action));
  const absl::flat_hash_set<std::string> granted(question.granted.begin(), question.granted.end());
  auto decided =
      Decide({.offered = question.offered,
              .granted = granted,
              .access = access,
              .purpose = question.purpose,
              .relations = {.assigned = question.assigned, .same_team = question.same_team}},
             table);
  if (const auto* reason = std::get_if<RefusalReason>(&decided)) {
    return {.refused = std::string(RefusalReasonName(*reason))};
  }
  auto& decision = std::get<Decision>(decided);
  if (!question.work_stream.empty()) {
    const auto on_stream = OnWorkStream(decision, question.work_stream);
    if (!on_stream.has_value()) return {.refused = "not-on-the-stream"};
    decision = *on_stream;
  }
  OracleAnswer answer{.role = decision.role};
  for (const std::string& category : decision.allowed.Names()) {
    answer.readable[category] = *decision.allowed.RoleFor(category);
  }
  for (const std::string& category : kCategories) {
    EXPECT_EQ(decision.allowed.contains(category), answer.readable.contains(category));
  }
  EXPECT_EQ(decision.allowed.empty(), answer.readable.empty());
  return answer;
}

std::string Print(const OracleQuestion& question) {
  std::string text = "offered:";
  for (const std::string& role : question.offered) text += " " + role;
  text += " granted:";
  for (const std::string& role : question.granted) text += " " + role;
  return text + " view " + question.view + " action " + std::to_string(question.action) +
         " purpose " + question.purpose + (question.assigned ? " assigned" : "") +
         (question.same_team ? " same-team" : "") +
         (question.work_stream.empty() ? "" : " on " + question.work_stream);
}

// CR-3.1.2a, CR-3.1.2b, DP-C2
TEST(DecideDifferentialTest, DecideAnswersAsThePlainReadingOfTheRegisterDoes) {
  const bool full = std::getenv("RECORDS_FULL") != nullptr;
  const int registers = full ? 2'000 : 100;
  const int questions = full ? 60 : 40;
  Chance chance(SeedOfRun());
  std::map<std::string, int> met;  // answers of each kind
  for (int r = 0; r < registers; ++r) {
    const policy::Register reg = chance.Register();
    const absl::StatusOr<DecisionTable> table = DecisionTable::Create(reg);
    ASSERT_TRUE(table.ok()) << table.status();
    for (int q = 0; q < questions; ++q) {
      const OracleQuestion question = chance.Question();
      const OracleAnswer expected = AskOracle(reg, question);
      const OracleAnswer actual = AskDecide(*table, question);
      ASSERT_EQ(actual.refused, expected.refused) << Print(question) << reg.DebugString();
      ASSERT_EQ(actual.role, expected.role) << Print(question) << reg.DebugString();
      ASSERT_EQ(actual.readable, expected.readable) << Print(question) << reg.DebugString();
      ++met[expected.refused.empty() ? (expected.readable.empty() ? "acts" : "reads")
                                     : expected.refused];
    }
  }
  // The comparison says little about a kind of answer that chance hardly meets.
  for (const char* kind : {"acts", "reads", "purpose-unknown", "no-role-counts", "not-permitted",
                           "nothing-readable", "not-on-the-stream"}) {
    EXPECT_GE(met[kind], registers * questions / 250) << kind;
  }
}

}  // namespace
}  // namespace records::services
