#include "services/policy/decide.h"

#include <algorithm>
#include <array>
#include <bit>
#include <bitset>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "services/policy/register.h"

namespace records::services {

namespace policy = records::policy::v1;

namespace internal {

static_assert(kRegisterRolesMax <= 64, "a set of roles is one word");

// One bit for each category, in the order of the register.
using CategorySet = std::bitset<kRegisterCategoriesMax>;

// Sets of relations are bits: 1 assigned, 2 same team. Anybody needs none.
constexpr unsigned kAnybody = 0;
constexpr unsigned kAssigned = 1;
constexpr unsigned kSameTeam = 2;
constexpr size_t kRelationSets = 4;

// What one role that is permitted may read, for each set of relations that may hold.
struct RoleRule {
  size_t role = 0;
  std::array<CategorySet, kRelationSets> readable;
};

// Who may do one action to one view for one purpose.
struct ActionRule {
  uint64_t permitted = 0;       // roles, by bit
  std::vector<RoleRule> roles;  // of reads only, in the order of the register
};

struct DecisionTables {
  std::vector<std::string> role_names;
  std::vector<std::string> category_names;
  absl::flat_hash_map<std::string, size_t> roles;
  absl::flat_hash_map<std::string, size_t> categories;
  absl::flat_hash_map<std::string, size_t> purposes;
  absl::flat_hash_map<std::string, size_t> views;
  absl::flat_hash_map<std::string, uint64_t> work_streams;  // roles that take it, by bit
  std::vector<ActionRule> rules;                            // by RuleIndex

  size_t RuleIndex(size_t view, policy::Action action, size_t purpose) const {
    const auto action_index = static_cast<size_t>(action);
    return (view * policy::Action_ARRAYSIZE + action_index) * purposes.size() + purpose;
  }
};

namespace {

// Whether what a reader's relation asks for is among the relations that hold.
bool Holds(policy::Relation relation, unsigned relations) {
  switch (relation) {
    case policy::RELATION_ANYBODY:
      return true;
    case policy::RELATION_ASSIGNED:
      return (relations & kAssigned) != 0;
    case policy::RELATION_SAME_TEAM:
      return (relations & kSameTeam) != 0;
    default:
      return false;
  }
}

bool Lists(const google::protobuf::RepeatedPtrField<std::string>& purposes,
           const std::string& purpose) {
  return std::find(purposes.begin(), purposes.end(), purpose) != purposes.end();
}

RoleRule ReadableBy(const policy::Register& reg, size_t role, const std::string& purpose) {
  RoleRule rule{.role = role};
  const std::string& name = reg.roles(static_cast<int>(role)).id();
  for (int category = 0; category < reg.categories_size(); ++category) {
    for (const policy::Reader& reader : reg.categories(category).readers()) {
      if (reader.role() != name || !Lists(reader.purposes(), purpose)) continue;
      for (unsigned relations = kAnybody; relations < kRelationSets; ++relations) {
        if (Holds(reader.relation(), relations)) {
          rule.readable[relations].set(static_cast<size_t>(category));
        }
      }
    }
  }
  return rule;
}

void IndexNames(const policy::Register& reg, DecisionTables& tables) {
  for (const policy::Role& role : reg.roles()) {
    tables.roles.emplace(role.id(), tables.role_names.size());
    tables.role_names.push_back(role.id());
    for (const policy::Permission& permission : role.permissions()) {
      tables.views.emplace(permission.view(), tables.views.size());
    }
    for (const std::string& stream : role.work_streams()) {
      tables.work_streams[stream] |= uint64_t{1} << tables.roles.at(role.id());
    }
  }
  for (const policy::Category& category : reg.categories()) {
    tables.categories.emplace(category.id(), tables.category_names.size());
    tables.category_names.push_back(category.id());
  }
  for (const policy::Purpose& purpose : reg.purposes()) {
    tables.purposes.emplace(purpose.id(), tables.purposes.size());
  }
}

void IndexRules(const policy::Register& reg, DecisionTables& tables) {
  tables.rules.resize(tables.views.size() * policy::Action_ARRAYSIZE * tables.purposes.size());
  for (size_t role = 0; role < tables.role_names.size(); ++role) {
    for (const policy::Permission& permission : reg.roles(static_cast<int>(role)).permissions()) {
      for (const std::string& purpose : permission.purposes()) {
        ActionRule& rule = tables.rules[tables.RuleIndex(
            tables.views.at(permission.view()), permission.action(), tables.purposes.at(purpose))];
        rule.permitted |= uint64_t{1} << role;
        if (permission.action() != policy::ACTION_READ) continue;
        rule.roles.push_back(ReadableBy(reg, role, purpose));
      }
    }
  }
}

}  // namespace
}  // namespace internal

absl::StatusOr<DecisionTable> DecisionTable::Create(const policy::Register& reg) {
  RETURN_IF_ERROR(ValidateRegister(reg));
  auto tables = std::make_unique<internal::DecisionTables>();
  internal::IndexNames(reg, *tables);
  internal::IndexRules(reg, *tables);
  return DecisionTable(std::move(tables));
}

DecisionTable::DecisionTable(std::unique_ptr<const internal::DecisionTables> tables)
    : tables_(std::move(tables)) {}
DecisionTable::DecisionTable(DecisionTable&&) noexcept = default;
DecisionTable& DecisionTable::operator=(DecisionTable&&) noexcept = default;
DecisionTable::~DecisionTable() = default;

const std::string* AllowedCategories::RoleFor(absl::string_view category) const {
  if (tables_ == nullptr) return nullptr;
  const auto found = tables_->categories.find(category);
  if (found == tables_->categories.end()) return nullptr;
  for (const internal::RoleRule& rule : rule_->roles) {
    if ((roles_ >> rule.role & 1) != 0 && rule.readable[relations_].test(found->second)) {
      return &tables_->role_names[rule.role];
    }
  }
  return nullptr;
}

std::vector<std::string> AllowedCategories::Names() const {
  std::vector<std::string> names;
  if (tables_ == nullptr) return names;
  for (const std::string& category : tables_->category_names) {
    if (contains(category)) names.push_back(category);
  }
  return names;
}

bool AllowedCategories::empty() const {
  if (tables_ == nullptr) return true;
  return std::none_of(rule_->roles.begin(), rule_->roles.end(),
                      [this](const internal::RoleRule& rule) {
                        return (roles_ >> rule.role & 1) != 0 && rule.readable[relations_].any();
                      });
}

// Builds what a decision hands out.
class Decider {
 public:
  explicit Decider(const internal::DecisionTables& tables) : tables_(tables) {}

  std::variant<Decision, RefusalReason> Decide(const DecisionInput& input) const {
    const auto purpose = tables_.purposes.find(input.purpose);
    if (purpose == tables_.purposes.end()) return RefusalReason::kPurposeUnknown;
    const uint64_t counting = CountingRoles(input);
    if (counting == 0) return RefusalReason::kNoRoleCounts;
    const auto view = tables_.views.find(input.access.view());
    const policy::Action action = input.access.action();
    if (view == tables_.views.end() || !policy::Action_IsValid(action) ||
        action == policy::ACTION_SERVE) {
      return RefusalReason::kNotPermitted;
    }
    const internal::ActionRule& rule =
        tables_.rules[tables_.RuleIndex(view->second, action, purpose->second)];
    const uint64_t permitted = rule.permitted & counting;
    if (permitted == 0) return RefusalReason::kNotPermitted;

    Decision decision;
    decision.role = FirstOf(tables_, permitted);
    if (action != policy::ACTION_READ) return decision;
    decision.allowed.tables_ = &tables_;
    decision.allowed.rule_ = &rule;
    decision.allowed.roles_ = permitted;
    decision.allowed.relations_ = (input.relations.assigned ? internal::kAssigned : 0) |
                                  (input.relations.same_team ? internal::kSameTeam : 0);
    if (decision.allowed.empty()) return RefusalReason::kNothingReadable;
    return decision;
  }

  static std::optional<Decision> OnWorkStream(Decision decision, absl::string_view stream) {
    AllowedCategories& allowed = decision.allowed;
    if (allowed.tables_ == nullptr) return std::nullopt;
    const auto taken = allowed.tables_->work_streams.find(stream);
    if (taken == allowed.tables_->work_streams.end()) return std::nullopt;
    if (!PLANTED_BUG("work-stream-not-checked")) allowed.roles_ &= taken->second;
    if (allowed.roles_ == 0 || allowed.empty()) return std::nullopt;
    decision.role = FirstOf(*allowed.tables_, allowed.roles_);
    return decision;
  }

 private:
  // REQUIRES: a role.
  static const std::string& FirstOf(const internal::DecisionTables& tables, uint64_t roles) {
    return tables.role_names[static_cast<size_t>(std::countr_zero(roles))];
  }

  uint64_t CountingRoles(const DecisionInput& input) const {
    uint64_t roles = 0;
    for (const std::string& name : input.offered) {
      const auto found = tables_.roles.find(name);
      if (found == tables_.roles.end() ||
          (!input.granted.contains(name) && !PLANTED_BUG("offered-role-is-enough"))) {
        continue;
      }
      roles |= uint64_t{1} << found->second;
    }
    return roles;
  }

  const internal::DecisionTables& tables_;
};

std::optional<Decision> OnWorkStream(const Decision& decision, absl::string_view stream) {
  return Decider::OnWorkStream(decision, stream);
}

absl::string_view RefusalReasonName(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kPurposeUnknown:
      return "purpose-unknown";
    case RefusalReason::kNoRoleCounts:
      return "no-role-counts";
    case RefusalReason::kNotPermitted:
      return "not-permitted";
    case RefusalReason::kNothingReadable:
      return "nothing-readable";
  }
  return "";
}

std::variant<Decision, RefusalReason> Decide(const DecisionInput& input,
                                             const DecisionTable& table) {
  return Decider(table.tables()).Decide(input);
}

}  // namespace records::services
