#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/bus/internal/admin_call.h"
#include "eventstore/bus/topic_admin.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using internal::AdminCall;
using internal::KafkaDeleter;
using internal::KafkaEvent;
using GroupQuestion = std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t,
                                      KafkaDeleter<&rd_kafka_ListConsumerGroupOffsets_destroy>>;

}  // namespace

absl::StatusOr<PartitionOffsets> TopicAdmin::Ends(
    const std::map<std::string, TopicDescription>& topics, absl::Duration timeout) {
  PartitionOffsets ends;
  for (const auto& [name, topic] : topics) {
    for (int32_t partition = 0; partition < topic.partitions; ++partition) {
      ends[{name, partition}] = 0;
    }
  }
  RETURN_IF_ERROR(ListOffsets(client_.get(), OffsetOf::kCommittedEnd, timeout, ends));
  return ends;
}

absl::StatusOr<std::vector<std::string>> TopicAdmin::ListGroups(absl::string_view beginning,
                                                                absl::Duration timeout) {
  const AdminCall call(client_.get(), RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, timeout);
  rd_kafka_ListConsumerGroups(client_.get(), call.options(), call.queue());
  ASSIGN_OR_RETURN(const KafkaEvent event, call.Wait("listing the consumer groups"));
  const auto* result = rd_kafka_event_ListConsumerGroups_result(event.get());
  size_t count = 0;
  const rd_kafka_error_t** errors = rd_kafka_ListConsumerGroups_result_errors(result, &count);
  if (count > 0) {
    return KafkaStatus(rd_kafka_error_code(errors[0]), "listing the consumer groups");
  }
  const rd_kafka_ConsumerGroupListing_t** groups =
      rd_kafka_ListConsumerGroups_result_valid(result, &count);
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) {
    const std::string name = rd_kafka_ConsumerGroupListing_group_id(groups[i]);
    if (absl::StartsWith(name, beginning)) names.push_back(name);
  }
  return names;
}

absl::StatusOr<PartitionOffsets> TopicAdmin::GroupOffsets(const std::string& group,
                                                          absl::Duration timeout) {
  const std::string what = absl::StrCat("asking where the group ", group, " is");
  const GroupQuestion question(rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), nullptr));
  const AdminCall call(client_.get(), RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout);
  rd_kafka_ListConsumerGroupOffsets_t* questions[] = {question.get()};
  rd_kafka_ListConsumerGroupOffsets(client_.get(), questions, 1, call.options(), call.queue());
  ASSIGN_OR_RETURN(const KafkaEvent event, call.Wait(what));
  size_t count = 0;
  const rd_kafka_group_result_t** results = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(event.get()), &count);
  if (count != 1) return absl::UnavailableError(absl::StrCat(what, ": no result"));
  const rd_kafka_error_t* error = rd_kafka_group_result_error(results[0]);
  if (error != nullptr) return KafkaStatus(rd_kafka_error_code(error), what);
  const rd_kafka_topic_partition_list_t* partitions = rd_kafka_group_result_partitions(results[0]);
  PartitionOffsets offsets;
  for (int i = 0; partitions != nullptr && i < partitions->cnt; ++i) {
    const rd_kafka_topic_partition_t& partition = partitions->elems[i];
    if (partition.offset < 0) continue;  // it has said nothing of this one
    offsets[{partition.topic, partition.partition}] = partition.offset;
  }
  return offsets;
}

}  // namespace records::eventstore
