#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/crypto.h"
#include "eventstore/ids.h"
#include "eventstore/log.h"
#include "eventstore/merkle.h"

namespace records::eventstore {

// Where somebody stands who reads one partition of the log's topic.
struct TopicPlace {
  Position position;    // of the last event; sequence 0: before the first
  int64_t offset = -1;  // of its record
  Digest leaf{};        // of its bytes
  Frontier frontier;    // of the partition's tree behind it

  // The place behind the next event.
  void Advance(Position next, int64_t next_offset, const Digest& next_leaf);
};

// A place as PartitionCheckpoint::resume: offset (8 bytes, big-endian), leaf (32), frontier.
std::string EncodeResume(const TopicPlace& place);

// The place that a checkpoint speaks of. kFailedPrecondition: it has none, it was not made from a
// topic. kDataLoss: it is damaged, or its tree has another size or root than it says.
absl::StatusOr<TopicPlace> PlaceOf(const PartitionCheckpoint& checkpoint);

// Reads one partition of the log's topic, record by record, and believes none: that it is the one
// after the last, says so, is of this log, and is an event that belongs there.
//
// Not thread-safe.
class TopicChain {
 public:
  // `last`: the position before the first record that is taken.
  TopicChain(const StoreId& log, uint32_t partition_count, Position last)
      : source_(SourceText(log)), partition_count_(partition_count), last_(last) {}

  // The event of the next record. kDataLoss, and the first word says what: EVENT_MISSING,
  // EVENT_REPEATED, OTHER_LOG, or TOPIC_DIFFERS for all else. Nothing was taken then.
  [[nodiscard]] absl::StatusOr<StoredEvent> Take(const LogTopicRecord& record);
  [[nodiscard]] absl::StatusOr<StoredEvent> Take(const BusRecord& record);

  Position last() const { return last_; }

 private:
  // The position of a record that is the next one.
  absl::StatusOr<Position> CheckPlace(const LogTopicRecord& record) const;

  const std::string source_;
  const uint32_t partition_count_;
  Position last_;
};

}  // namespace records::eventstore
