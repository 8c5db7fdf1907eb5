#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eventstore/status_macros.h"
#include "nlohmann/json.hpp"
#include "tools/recordsctl/bus/bus_verbs.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/table.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

using eventstore::PartitionOffsets;
using eventstore::TopicDescription;

// How far a consumer group is in one topic.
struct GroupLag {
  int64_t records = 0;     // to the end, in the partitions where it has said how far it is
  int32_t partitions = 0;  // how many these are
};

struct BusStatus {
  std::map<std::string, TopicDescription> topics;
  PartitionOffsets ends;
  std::map<std::pair<std::string, std::string>, GroupLag> lags;  // of {group, topic}
};

absl::StatusOr<BusStatus> ReadStatus(BusRun& run) {
  const std::string below = absl::StrCat(run.options.prefix, ".");
  BusStatus status;
  ASSIGN_OR_RETURN(status.topics, run.admin.List(below, run.Left()));
  ASSIGN_OR_RETURN(status.ends, run.admin.Ends(status.topics, run.Left()));
  ASSIGN_OR_RETURN(const auto groups, run.admin.ListGroups(below, run.Left()));
  for (const std::string& group : groups) {
    ASSIGN_OR_RETURN(const PartitionOffsets offsets, run.admin.GroupOffsets(group, run.Left()));
    for (const auto& [partition, offset] : offsets) {
      const auto end = status.ends.find(partition);
      if (end == status.ends.end()) continue;  // a topic of somebody else
      GroupLag& lag = status.lags[{group, partition.first}];
      lag.records += std::max<int64_t>(end->second - offset, 0);
      ++lag.partitions;
    }
  }
  return status;
}

std::string ParameterOf(const TopicDescription& topic, const std::string& name) {
  const auto it = topic.configuration.find(name);
  return it == topic.configuration.end() ? "" : it->second;
}

std::string KeptOf(const TopicDescription& topic) {
  if (ParameterOf(topic, "cleanup.policy") == "compact") return "last of each key";
  int64_t milliseconds = 0;
  if (!absl::SimpleAtoi(ParameterOf(topic, "retention.ms"), &milliseconds)) return "?";
  if (milliseconds < 0) return "for ever";
  return absl::StrCat(milliseconds / 86'400'000, " days");
}

std::vector<int64_t> EndsOf(const BusStatus& status, const TopicDescription& topic) {
  std::vector<int64_t> ends;
  for (int32_t partition = 0; partition < topic.partitions; ++partition) {
    const auto end = status.ends.find({topic.name, partition});
    ends.push_back(end == status.ends.end() ? -1 : end->second);
  }
  return ends;
}

void PrintAsJson(Session& session, const BusStatus& status) {
  nlohmann::ordered_json topics = nlohmann::ordered_json::array();
  for (const auto& [name, topic] : status.topics) {
    topics.push_back({{"name", name},
                      {"partitions", topic.partitions},
                      {"replicas", topic.replicas},
                      {"kept", KeptOf(topic)},
                      {"ends", EndsOf(status, topic)}});
  }
  nlohmann::ordered_json groups = nlohmann::ordered_json::array();
  for (const auto& [key, lag] : status.lags) {
    groups.push_back({{"group", key.first},
                      {"topic", key.second},
                      {"partitions", lag.partitions},
                      {"lag", lag.records}});
  }
  const nlohmann::ordered_json json = {{"topics", topics}, {"groups", groups}};
  session.out << PrintableJson(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
              << '\n';
}

void PrintTables(Session& session, const BusStatus& status) {
  Table topics({"topic", "partitions", "replicas", "kept", "end of each partition"});
  for (const auto& [name, topic] : status.topics) {
    topics.AddRow({name, absl::StrCat(topic.partitions), absl::StrCat(topic.replicas),
                   KeptOf(topic), absl::StrJoin(EndsOf(status, topic), " ")});
  }
  session.out << topics.Render(session.Width());
  if (status.lags.empty()) return;
  Table groups({"group", "topic", "partitions", "behind"});
  for (const auto& [key, lag] : status.lags) {
    groups.AddRow({key.first, key.second, absl::StrCat(lag.partitions), absl::StrCat(lag.records)});
  }
  session.out << '\n' << groups.Render(session.Width());
}

}  // namespace

int ShowBusStatus(BusRun& run) {
  const auto status = ReadStatus(run);
  if (!status.ok()) {
    return FailBus(run.session, "get the status of the bus", status.status(), kExitRefused);
  }
  if (run.session.options.json) {
    PrintAsJson(run.session, *status);
  } else {
    PrintTables(run.session, *status);
  }
  for (const auto& [name, topic] : eventstore::WantedBus(run.reg, run.options).topics) {
    if (!status->topics.contains(name)) run.session.err << "missing: " << name << "\n";
  }
  return kExitOk;
}

}  // namespace records::tools
