#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace records::eventstore {

using TopicPartition = std::pair<std::string, int32_t>;
// An offset for each of some partitions of topics.
using PartitionOffsets = std::map<TopicPartition, int64_t>;

// Which offset of a partition is asked for.
enum class OffsetOf {
  kFirst,         // of its first record that is kept
  kCommittedEnd,  // behind all that is committed, and before the first transaction that is open
  kWrittenEnd,    // behind all that was written
};

// Asks brokers for offsets of the partitions that `offsets` names, and sets them. Errors as
// KafkaStatus() says; then none is to be relied on. librdkafka's own
// rd_kafka_query_watermark_offsets must not be used instead: where a broker answers one of its two
// questions with an error, it takes the partition for empty (2.12.1; seen as records published
// twice and progress taken for lost).
[[nodiscard]] absl::Status ListOffsets(rd_kafka_t* client, OffsetOf which, absl::Duration timeout,
                                       PartitionOffsets& offsets);

// As ListOffsets(), of one partition.
[[nodiscard]] absl::StatusOr<int64_t> FindOffset(rd_kafka_t* client,
                                                 const TopicPartition& partition, OffsetOf which,
                                                 absl::Duration timeout);

}  // namespace records::eventstore
