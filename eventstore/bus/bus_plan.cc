#include "eventstore/bus/bus_plan.h"

#include <algorithm>
#include <limits>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace records::eventstore {
namespace {

namespace bus = records::bus::v1;
using Action = BusDifference::Action;
using Operation = BusRule::Operation;
using Resource = BusRule::Resource;

constexpr int64_t kMillisecondsOfDay = int64_t{24} * 60 * 60 * 1000;
constexpr char kRetention[] = "retention.ms";
constexpr char kRetentionBytes[] = "retention.bytes";
constexpr char kCleanup[] = "cleanup.policy";
constexpr char kInSync[] = "min.insync.replicas";

std::string PrincipalOf(const bus::Principal& principal) {
  return absl::StrCat("User:", principal.name());
}

std::map<std::string, std::string> ConfigurationOf(const bus::Topic& topic, int32_t replicas) {
  const bool compacted = topic.retention().last_of_each_key();
  std::map<std::string, std::string> configuration = {
      {kCleanup, compacted ? "compact" : "delete"},
      {kRetention, "-1"},
      {kRetentionBytes, "-1"},
      {kInSync,
       absl::StrCat(std::min(static_cast<int32_t>(topic.replicas_in_sync_min()), replicas))},
      {"max.message.bytes", absl::StrCat(topic.record_bytes_max())},
      // A broker that fell behind never becomes the leader: what it lacks would be lost.
      {"unclean.leader.election.enable", "false"},
      // The brokers' own time would be the same for the records of one request on every stream.
      {"message.timestamp.type", "CreateTime"},
  };
  if (topic.retention().days() > 0) {
    configuration[kRetention] = absl::StrCat(topic.retention().days() * kMillisecondsOfDay);
    // Only whole files go: without this, records of a quiet topic stay a week longer.
    configuration["segment.ms"] = absl::StrCat(kMillisecondsOfDay);
  }
  return configuration;
}

absl::string_view ResourceName(Resource resource) {
  switch (resource) {
    case Resource::kTopic:
      return "topic";
    case Resource::kGroup:
      return "group";
    case Resource::kCluster:
      return "cluster";
    case Resource::kTransactionalId:
      return "transactional id";
    case Resource::kOther:
      break;
  }
  return "another resource";
}

absl::string_view OperationName(Operation operation) {
  constexpr absl::string_view kNames[] = {"another operation",
                                          "another operation",
                                          "ALL",
                                          "READ",
                                          "WRITE",
                                          "CREATE",
                                          "DELETE",
                                          "ALTER",
                                          "DESCRIBE",
                                          "CLUSTER_ACTION",
                                          "DESCRIBE_CONFIGS",
                                          "ALTER_CONFIGS",
                                          "IDEMPOTENT_WRITE"};
  const auto index = static_cast<size_t>(operation);
  return index < std::size(kNames) ? kNames[index] : kNames[0];
}

// A number of milliseconds or bytes to keep; the greatest for "-1", without end.
int64_t Kept(const std::string& value) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(value, &number) || number < 0) return std::numeric_limits<int64_t>::max();
  return number;
}

bool LosesRecords(const std::string& parameter, const std::string& found,
                  const std::string& wanted) {
  if (parameter == kRetention || parameter == kRetentionBytes) return Kept(wanted) < Kept(found);
  return parameter == kCleanup;
}

// The differences of one cluster.
class Comparison {
 public:
  Comparison(const bus::TopicRegister& reg, const BusPlanOptions& options, const BusState& found)
      : below_(absl::StrCat(options.prefix, ".")), wanted_(WantedBus(reg, options)), found_(found) {
    for (const bus::Principal& principal : reg.principals()) {
      if (principal.administrator()) administrators_.insert(PrincipalOf(principal));
    }
  }

  std::vector<BusDifference> Run() {
    for (const auto& [name, topic] : wanted_.topics) CompareTopic(topic);
    if (wanted_.rules) CompareRules();
    for (const auto& [name, topic] : found_.topics) {
      if (!absl::StartsWith(name, below_) || wanted_.topics.contains(name)) continue;
      ByHand("topic ", name, " is not in the register; it is never deleted here");
    }
    std::stable_sort(differences_.begin(), differences_.end(),
                     [](const auto& a, const auto& b) { return a.action < b.action; });
    return std::move(differences_);
  }

 private:
  template <typename... Parts>
  void ByHand(const Parts&... parts) {
    differences_.push_back({.action = Action::kByHand, .text = absl::StrCat(parts...)});
  }

  void CompareTopic(const TopicDescription& wanted) {
    const auto it = found_.topics.find(wanted.name);
    if (it == found_.topics.end()) {
      differences_.push_back({.action = Action::kMakeTopic,
                              .text = absl::StrCat("topic ", wanted.name, ": ", wanted.partitions,
                                                   " partitions, ", wanted.replicas, " replicas"),
                              .topic = wanted});
      return;
    }
    const TopicDescription& found = it->second;
    if (found.partitions != wanted.partitions) {
      ByHand("topic ", wanted.name, " has ", found.partitions, " partitions, and must have ",
             wanted.partitions, ": changing that would break the order, so make it anew");
    }
    if (found.replicas != wanted.replicas) {
      ByHand("topic ", wanted.name, " has ", found.replicas, " replicas, and must have ",
             wanted.replicas, ": see kafka-reassign-partitions");
    }
    for (const auto& [parameter, value] : wanted.configuration) {
      CompareParameter(found, {parameter, value});
    }
  }

  void CompareParameter(const TopicDescription& found,
                        const std::pair<std::string, std::string>& wanted) {
    const auto entry = found.configuration.find(wanted.first);
    const std::string before = entry == found.configuration.end() ? "unknown" : entry->second;
    if (before == wanted.second) return;
    const std::string change = absl::StrCat("topic ", found.name, ": ", wanted.first, " from ",
                                            before, " to ", wanted.second);
    if (LosesRecords(wanted.first, before, wanted.second)) {
      return ByHand(change, " would lose records: see kafka-configs");
    }
    if (wanted.first == kInSync && Kept(wanted.second) > found.replicas) {
      return ByHand(change, " would end all writing: more replicas first");
    }
    BusDifference difference{.action = Action::kSetConfiguration, .text = change};
    difference.topic.name = found.name;
    difference.parameter = wanted;
    differences_.push_back(std::move(difference));
  }

  void CompareRules() {
    if (!found_.rules) {
      return ByHand(
          "the brokers check no access rules: whoever reaches them reads and writes every topic");
    }
    for (const BusRule& rule : *wanted_.rules) {
      if (found_.rules->contains(rule)) continue;
      differences_.push_back({.action = Action::kAddRule, .text = RuleText(rule), .rule = rule});
    }
    for (const BusRule& rule : *found_.rules) {
      if (wanted_.rules->contains(rule) || administrators_.contains(rule.principal)) continue;
      CompareSurplus(rule);
    }
  }

  void CompareSurplus(const BusRule& rule) {
    const bool is_below = rule.resource != Resource::kCluster &&
                          rule.resource != Resource::kOther && absl::StartsWith(rule.name, below_);
    if (is_below && rule.allows) {
      differences_.push_back({.action = Action::kRemoveRule, .text = RuleText(rule), .rule = rule});
    } else if (is_below || ReachesIn(rule)) {
      ByHand("rule from elsewhere: ", RuleText(rule));
    }
  }

  // Whether a rule that is not below the prefix bears on what is.
  bool ReachesIn(const BusRule& rule) const {
    if (rule.operation == Operation::kDescribe || rule.operation == Operation::kDescribeConfigs) {
      return false;
    }
    if (rule.resource == Resource::kCluster) {
      // Who may alter the cluster may allow themselves anything; who acts as a broker reads all.
      return rule.allows &&
             (rule.operation == Operation::kAll || rule.operation == Operation::kAlter ||
              rule.operation == Operation::kAlterConfigs ||
              rule.operation == Operation::kClusterAction);
    }
    if (rule.resource == Resource::kOther) return false;
    return rule.prefixed ? absl::StartsWith(below_, rule.name) : rule.name == "*";
  }

  const std::string below_;
  const BusState wanted_;
  const BusState& found_;
  std::set<std::string> administrators_;
  std::vector<BusDifference> differences_;
};

std::set<BusRule> RulesOf(const bus::Principal& principal, const std::string& prefix) {
  std::set<BusRule> rules;
  const auto add = [&](Resource resource, const std::string& name, bool prefixed,
                       Operation operation) {
    rules.insert({.principal = PrincipalOf(principal),
                  .resource = resource,
                  .name = absl::StrCat(prefix, ".", name),
                  .prefixed = prefixed,
                  .operation = operation});
  };
  for (const std::string& topic : principal.reads()) {
    add(Resource::kTopic, topic, false, Operation::kRead);
  }
  for (const std::string& topic : principal.writes()) {
    add(Resource::kTopic, topic, false, Operation::kWrite);
  }
  if (principal.reads_size() > 0) {
    add(Resource::kGroup, principal.name(), false, Operation::kRead);
    add(Resource::kGroup, absl::StrCat(principal.name(), "."), true, Operation::kRead);
  }
  if (principal.transactional()) {
    add(Resource::kTransactionalId, principal.name(), false, Operation::kWrite);
  }
  return rules;
}

}  // namespace

BusState WantedBus(const bus::TopicRegister& reg, const BusPlanOptions& options) {
  BusState wanted;
  for (const bus::Topic& topic : reg.topics()) {
    const int32_t replicas = std::min(static_cast<int32_t>(topic.replicas()), options.replicas_max);
    const std::string name = absl::StrCat(options.prefix, ".", topic.name());
    wanted.topics[name] = {.name = name,
                           .partitions = static_cast<int32_t>(topic.partitions()),
                           .replicas = replicas,
                           .configuration = ConfigurationOf(topic, replicas)};
  }
  if (!options.with_rules) return wanted;
  wanted.rules.emplace();
  for (const bus::Principal& principal : reg.principals()) {
    if (principal.administrator()) continue;
    wanted.rules->merge(RulesOf(principal, options.prefix));
  }
  return wanted;
}

std::vector<BusDifference> CompareBus(const bus::TopicRegister& reg, const BusPlanOptions& options,
                                      const BusState& found) {
  return Comparison(reg, options, found).Run();
}

std::string RuleText(const BusRule& rule) {
  return absl::StrCat(rule.allows ? "allow " : "deny ", rule.principal, " ",
                      OperationName(rule.operation), " on ", ResourceName(rule.resource), " ",
                      rule.name, rule.prefixed ? "*" : "",
                      rule.host == "*" ? "" : absl::StrCat(" from ", rule.host));
}

}  // namespace records::eventstore
