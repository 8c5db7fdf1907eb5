#include "tests/simulation/access_checker.h"

#include "absl/strings/str_cat.h"

namespace records::simulation {
namespace {

constexpr char kName[] = "access";

}  // namespace

void AccessChecker::ChangeAcknowledged(const std::string& caller, bool granted) {
  changing_.erase(caller);
  granted_[caller] = granted;
}

void AccessChecker::Decided(const std::string& caller, bool allowed, Report& report) const {
  if (changing_.contains(caller)) return;
  const auto it = granted_.find(caller);
  const bool granted = it != granted_.end() && it->second;
  if (allowed && !granted) report.Broken(kName, caller + " was answered under a revoked grant");
  if (!allowed && granted) report.Broken(kName, caller + " was refused under a grant that stands");
}

void AccessChecker::Check(const std::set<std::string>& traces,
                          const std::function<bool(size_t customer)>& may_be_closed,
                          Report& report) const {
  for (const auto& [trace, customer] : answered_) {
    if (!traces.contains(trace) && !may_be_closed(customer)) {
      report.Broken(kName, absl::StrCat("an answer has no trace: ", trace));
    }
  }
}

}  // namespace records::simulation
