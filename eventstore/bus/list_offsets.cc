#include "eventstore/bus/list_offsets.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/internal/admin_call.h"
#include "eventstore/bus/internal/kafka_message.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using internal::AdminCall;
using internal::KafkaDeleter;
using internal::KafkaEvent;
using internal::KafkaPartitions;

KafkaPartitions Questions(const PartitionOffsets& offsets, OffsetOf which) {
  KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [partition, offset] : offsets) {
    rd_kafka_topic_partition_list_add(list.get(), partition.first.c_str(), partition.second)
        ->offset =
        which == OffsetOf::kFirst ? RD_KAFKA_OFFSET_SPEC_EARLIEST : RD_KAFKA_OFFSET_SPEC_LATEST;
  }
  return list;
}

}  // namespace

absl::Status ListOffsets(rd_kafka_t* client, OffsetOf which, absl::Duration timeout,
                         PartitionOffsets& offsets) {
  if (offsets.empty()) return absl::OkStatus();
  const AdminCall call(client, RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout);
  rd_kafka_AdminOptions_set_isolation_level(
      call.options(), which == OffsetOf::kWrittenEnd ? RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED
                                                     : RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED);
  const KafkaPartitions questions = Questions(offsets, which);
  rd_kafka_ListOffsets(client, questions.get(), call.options(), call.queue());
  const auto& [topic, partition] = offsets.begin()->first;
  const std::string asking = absl::StrCat("asking for offsets of ", topic, "/", partition,
                                          offsets.size() > 1 ? " and others" : "");
  ASSIGN_OR_RETURN(const KafkaEvent event, call.Wait(asking));
  size_t count = 0;
  const rd_kafka_ListOffsetsResultInfo_t** infos =
      rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event.get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_topic_partition_t& found =
        *rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    const std::string what =
        absl::StrCat("asking for an offset of ", found.topic, "/", found.partition);
    RETURN_IF_ERROR(KafkaStatus(found.err, what));
    if (found.offset < 0) return absl::UnavailableError(absl::StrCat(what, ": not known"));
    offsets[{found.topic, found.partition}] = found.offset;
  }
  if (count != offsets.size()) {
    return absl::UnavailableError(
        absl::StrCat(asking, ": ", count, " of ", offsets.size(), " were answered"));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> FindOffset(rd_kafka_t* client, const TopicPartition& partition,
                                   OffsetOf which, absl::Duration timeout) {
  PartitionOffsets offsets = {{partition, 0}};
  RETURN_IF_ERROR(ListOffsets(client, which, timeout, offsets));
  return offsets[partition];
}

}  // namespace records::eventstore
