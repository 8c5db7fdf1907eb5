#include "services/policy/register.h"

namespace records::services {
namespace {

eventstore::KeyScopeKind ScopeOf(records::policy::v1::ScopeKind scope) {
  switch (scope) {
    case records::policy::v1::SCOPE_KIND_YEAR:
      return eventstore::KeyScopeKind::kYear;
    case records::policy::v1::SCOPE_KIND_MONTH:
      return eventstore::KeyScopeKind::kMonth;
    case records::policy::v1::SCOPE_KIND_ROOT:
      return eventstore::KeyScopeKind::kRoot;
    default:
      return eventstore::KeyScopeKind::kSubject;
  }
}

}  // namespace

absl::StatusOr<eventstore::CategoryTable> MakeCategoryTable(
    const records::policy::v1::Register& reg) {
  std::vector<eventstore::CategoryRule> rules;
  rules.reserve(static_cast<size_t>(reg.categories_size()));
  for (const auto& category : reg.categories()) {
    rules.push_back({.id = category.id(),
                     .number = category.number(),
                     .scope = ScopeOf(category.retention().scope())});
  }
  return eventstore::CategoryTable::Create(std::move(rules));
}

}  // namespace records::services
