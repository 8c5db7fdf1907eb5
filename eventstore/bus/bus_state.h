#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace records::eventstore {

// Topics and rules of a cluster of brokers, as wanted or as found. Value types.

// What a topic is, or shall be.
struct TopicDescription {
  std::string name;  // as the brokers know it, with prefix
  int32_t partitions = 1;
  int32_t replicas = 1;
  std::map<std::string, std::string> configuration;  // "retention.ms" and the like
};

// An access rule (ACL) of the brokers. The numbers are those of Kafka's protocol.
struct BusRule {
  enum class Resource { kOther = 0, kTopic = 2, kGroup = 3, kCluster = 4, kTransactionalId = 5 };
  enum class Operation {
    kOther = 0,
    kAll = 2,
    kRead = 3,
    kWrite = 4,
    kCreate = 5,
    kDelete = 6,
    kAlter = 7,
    kDescribe = 8,
    kClusterAction = 9,
    kDescribeConfigs = 10,
    kAlterConfigs = 11,
    kIdempotentWrite = 12,
  };

  std::string principal;  // "User:relay"
  Resource resource = Resource::kTopic;
  std::string name;       // of the resource, or what its name begins with
  bool prefixed = false;  // `name` is a beginning
  Operation operation = Operation::kRead;
  bool allows = true;  // else denies
  std::string host = "*";

  std::strong_ordering operator<=>(const BusRule&) const = default;
};

struct BusState {
  std::map<std::string, TopicDescription> topics;
  // nullopt: the brokers check none, or they are not looked at.
  std::optional<std::set<BusRule>> rules;
};

}  // namespace records::eventstore
