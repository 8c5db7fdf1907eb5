#include "eventstore/bus/bus_apply.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {

absl::StatusOr<BusState> ReadBus(const records::bus::v1::TopicRegister& reg,
                                 const BusPlanOptions& options, TopicAdmin& admin,
                                 absl::Duration timeout) {
  BusState found;
  ASSIGN_OR_RETURN(found.topics, admin.List(absl::StrCat(options.prefix, "."), timeout));
  std::vector<std::string> absent;
  for (const auto& [name, topic] : WantedBus(reg, options).topics) {
    if (!found.topics.contains(name)) absent.push_back(name);
  }
  RETURN_IF_ERROR(admin.CheckVisible(absent, timeout));
  if (options.with_rules) {
    ASSIGN_OR_RETURN(found.rules, admin.ListRules(timeout));
  }
  return found;
}

absl::Status ApplyDifference(const BusDifference& difference, TopicAdmin& admin,
                             absl::Duration timeout) {
  switch (difference.action) {
    case BusDifference::Action::kMakeTopic: {
      const absl::Status status = admin.Create(difference.topic, timeout);
      return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
    }
    case BusDifference::Action::kSetConfiguration:
      return admin.SetParameter(difference.topic.name, difference.parameter.first,
                                difference.parameter.second, timeout);
    case BusDifference::Action::kAddRule:
      return admin.AddRule(difference.rule, timeout);
    case BusDifference::Action::kRemoveRule:
      return admin.RemoveRule(difference.rule, timeout);
    case BusDifference::Action::kByHand:
      break;
  }
  return absl::FailedPreconditionError(difference.text);
}

}  // namespace records::eventstore
