#include "eventstore/categories.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace records::eventstore {

absl::StatusOr<CategoryTable> CategoryTable::Create(std::vector<CategoryRule> rules) {
  CategoryTable table;
  table.rules_ = std::move(rules);
  for (size_t i = 0; i < table.rules_.size(); ++i) {
    const CategoryRule& rule = table.rules_[i];
    if (rule.id.empty() || rule.number == 0 || rule.number > kCategoryNumberMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("category '", rule.id, "' needs an id and a number from 1 to 65535"));
    }
    if (rule.scope < KeyScopeKind::kSubject || rule.scope > KeyScopeKind::kRoot) {
      return absl::InvalidArgumentError(absl::StrCat("category '", rule.id, "' has no key scope"));
    }
    if (!table.by_id_.emplace(rule.id, i).second ||
        !table.by_number_.emplace(rule.number, i).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("category '", rule.id, "' or its number ", rule.number, " is there twice"));
    }
  }
  return table;
}

const CategoryRule* CategoryTable::Find(absl::string_view id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &rules_[found->second];
}

const CategoryRule* CategoryTable::Find(uint32_t number) const {
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : &rules_[found->second];
}

}  // namespace records::eventstore
