#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "eventstore/bus/bus_state.h"
#include "records/bus/v1/topics.pb.h"

namespace records::eventstore {

// What a cluster of brokers must be, and where one differs. Pure functions.

struct BusPlanOptions {
  std::string prefix = "records";  // one that CheckBusPrefix() lets pass
  int32_t replicas_max = 9;        // 1 for a single broker
  bool with_rules = true;          // else rules are neither wanted nor compared
};

// One way in which a cluster differs.
struct BusDifference {
  enum class Action {
    kMakeTopic,
    kSetConfiguration,
    kAddRule,
    kRemoveRule,
    kByHand,  // nothing that a program should do
  };
  Action action = Action::kByHand;
  std::string text;  // one line: what, and why where that is not plain

  TopicDescription topic;                         // kMakeTopic; kSetConfiguration: its name
  std::pair<std::string, std::string> parameter;  // kSetConfiguration
  BusRule rule;                                   // kAddRule, kRemoveRule
};

// REQUIRES: a register that ValidateTopicRegister() lets pass.
BusState WantedBus(const records::bus::v1::TopicRegister& reg, const BusPlanOptions& options);

// Returns where `found` differs, in the order in which it is to be mended: none when it is as the
// register says. What would lose records (a topic too many, a shorter retention) or put customers
// into other partitions is never to be done by a program. Rules too many are to be removed when
// they allow something below the own prefix, and told when they reach into it from outside, or
// deny: taking a denial away would open what somebody closed.
std::vector<BusDifference> CompareBus(const records::bus::v1::TopicRegister& reg,
                                      const BusPlanOptions& options, const BusState& found);

// "allow User:relay WRITE on topic records.log.v1".
std::string RuleText(const BusRule& rule);

}  // namespace records::eventstore
