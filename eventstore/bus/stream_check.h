#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/bus/work_streams.h"
#include "eventstore/log.h"

namespace records::eventstore {

// Holds one partition of a work stream's topic against the log, record by record, as TopicCheck
// does for the log's own topic. What was taken by the retention of the topic is not missed.
//
// Not thread-safe. Log and streams must outlive it.
class StreamCheck {
 public:
  // Partition p of the log is on partition p mod `topic_partitions` of the topic.
  StreamCheck(const EventLog& log, const WorkStreams& work, std::string topic, int32_t partition,
              int32_t topic_partitions);

  // Takes the next record. What differs is named by the first word of the error, and passed.
  //   kDataLoss            TOPIC_DIFFERS: no relay of this log wrote it, or the log's event is not
  //                        on that stream, or under other names
  //   kAlreadyExists       EVENT_REPEATED
  //   kOutOfRange          LOG_BEHIND_TOPICS
  //   kFailedPrecondition  EVENT_MISSING: it names another one as the one before it than the last
  // Others as EventLog::ReadAt() gives them; the record was not taken then.
  [[nodiscard]] absl::Status Take(const BusRecord& record);

  // Asked at the topic's end. kFailedPrecondition (TOPIC_SHORT): it ends before the event at
  // `published`, which the relay was told is there. Sequence 0: nothing was published.
  [[nodiscard]] absl::Status CheckEnd(Position published) const;

  const std::string& topic() const { return topic_; }
  int32_t partition() const { return partition_; }
  int64_t next_offset() const { return next_offset_; }

 private:
  absl::Status Compare(const BusRecord& record, const StoredEvent& event,
                       const WorkReference& reference) const;

  const EventLog& log_;
  const WorkStreams& work_;
  const std::string topic_;
  const int32_t partition_;
  const int32_t topic_partitions_;
  std::vector<uint64_t> last_;  // by partition of the log; 0: none taken
  int64_t next_offset_ = 0;
};

}  // namespace records::eventstore
