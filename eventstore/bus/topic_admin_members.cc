#include "absl/strings/str_cat.h"
#include "eventstore/bus/internal/admin_call.h"
#include "eventstore/bus/topic_admin.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

std::string TextOf(const char* text) { return text == nullptr ? "" : text; }

GroupMember MemberOf(const rd_kafka_MemberDescription_t* description) {
  GroupMember member{.client = TextOf(rd_kafka_MemberDescription_client_id(description)),
                     .instance = TextOf(rd_kafka_MemberDescription_group_instance_id(description))};
  const rd_kafka_MemberAssignment_t* assignment =
      rd_kafka_MemberDescription_assignment(description);
  if (assignment == nullptr) return member;
  const rd_kafka_topic_partition_list_t* list = rd_kafka_MemberAssignment_partitions(assignment);
  for (int i = 0; list != nullptr && i < list->cnt; ++i) {
    member.partitions.emplace_back(list->elems[i].topic, list->elems[i].partition);
  }
  return member;
}

}  // namespace

absl::StatusOr<std::vector<GroupMember>> TopicAdmin::GroupMembers(const std::string& group,
                                                                  absl::Duration timeout) {
  const std::string what = absl::StrCat("asking who is in the group ", group);
  const internal::AdminCall call(client_.get(), RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout);
  const char* groups[] = {group.c_str()};
  rd_kafka_DescribeConsumerGroups(client_.get(), groups, 1, call.options(), call.queue());
  ASSIGN_OR_RETURN(const internal::KafkaEvent event, call.Wait(what));
  size_t count = 0;
  const rd_kafka_ConsumerGroupDescription_t** results =
      rd_kafka_DescribeConsumerGroups_result_groups(
          rd_kafka_event_DescribeConsumerGroups_result(event.get()), &count);
  if (count != 1) return absl::UnavailableError(absl::StrCat(what, ": no result"));
  const rd_kafka_error_t* error = rd_kafka_ConsumerGroupDescription_error(results[0]);
  std::vector<GroupMember> members;
  if (error != nullptr && rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) return members;
    return KafkaStatus(rd_kafka_error_code(error), what);
  }
  for (size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(results[0]); ++i) {
    members.push_back(MemberOf(rd_kafka_ConsumerGroupDescription_member(results[0], i)));
  }
  return members;
}

}  // namespace records::eventstore
