#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventstore/bus/bus_state.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/list_offsets.h"

namespace records::eventstore {

// A member of a consumer group.
struct GroupMember {
  std::string client;    // what it calls itself
  std::string instance;  // of a static member
  std::vector<TopicPartition> partitions;
};

// Makes, removes and describes topics, and the rules of who may use them. Errors as KafkaStatus()
// says.
//
// Not thread-safe.
class TopicAdmin {
 public:
  static absl::StatusOr<std::unique_ptr<TopicAdmin>> Open(const KafkaSettings& settings);

  // Returns once a broker answers. As soon as it is known, and in words for a person:
  // kPermissionDenied: it refuses who signs in. kUnavailable: nobody listens (seen within seconds),
  // TLS fails, or none answers in time.
  [[nodiscard]] absl::Status WaitForBroker(absl::Duration timeout);

  // kAlreadyExists: there is a topic of that name, whatever it is like.
  [[nodiscard]] absl::Status Create(const TopicDescription& topic, absl::Duration timeout);
  // kNotFound: there is none.
  [[nodiscard]] absl::Status Delete(const std::string& topic, absl::Duration timeout);

  // The topics whose names begin so, with the parameters that hold for them; those only that the
  // principal may see.
  [[nodiscard]] absl::StatusOr<std::map<std::string, TopicDescription>> List(
      absl::string_view beginning, absl::Duration timeout);
  // kPermissionDenied: the principal may not know whether one of these topics is there.
  [[nodiscard]] absl::Status CheckVisible(const std::vector<std::string>& topics,
                                          absl::Duration timeout);
  // kInvalidArgument: no such parameter, or no such value.
  [[nodiscard]] absl::Status SetParameter(const std::string& topic, const std::string& name,
                                          const std::string& value, absl::Duration timeout);

  // All rules of the cluster; nullopt when the brokers check none.
  [[nodiscard]] absl::StatusOr<std::optional<std::set<BusRule>>> ListRules(absl::Duration timeout);
  // One that is there already: nothing.
  [[nodiscard]] absl::Status AddRule(const BusRule& rule, absl::Duration timeout);
  // One that is not there: nothing.
  [[nodiscard]] absl::Status RemoveRule(const BusRule& rule, absl::Duration timeout);

  // Where each partition ends for who reads what is committed.
  [[nodiscard]] absl::StatusOr<PartitionOffsets> Ends(
      const std::map<std::string, TopicDescription>& topics, absl::Duration timeout);
  // The consumer groups whose names begin so.
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> ListGroups(absl::string_view beginning,
                                                                    absl::Duration timeout);
  // Where a group goes on, in each partition in which it has said so.
  [[nodiscard]] absl::StatusOr<PartitionOffsets> GroupOffsets(const std::string& group,
                                                              absl::Duration timeout);
  // Who is in a group, and has which partitions; nobody in one that is not there.
  [[nodiscard]] absl::StatusOr<std::vector<GroupMember>> GroupMembers(const std::string& group,
                                                                      absl::Duration timeout);

 private:
  explicit TopicAdmin(KafkaClient client) : client_(std::move(client)) {}

  const KafkaClient client_;
};

}  // namespace records::eventstore
