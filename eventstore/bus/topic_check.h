#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/log.h"

namespace records::eventstore {

// What checks of topics say: where a record was read, and that it is not as it must be
// (kDataLoss).
std::string WhereRead(const BusRecord& record);
absl::Status TopicDiffers(const BusRecord& record, absl::string_view what);

// Holds one partition of the log's topic against the log, record by record, in the order of
// offsets.
//
// Not thread-safe. The log must outlive it.
class TopicCheck {
 public:
  TopicCheck(const EventLog& log, uint32_t partition)
      : log_(log), last_{.partition = partition, .sequence = 0} {}

  // Takes the next record. What differs is named by the first word of the error, and passed: the
  // next record is held against what this one says of itself.
  //   kDataLoss            TOPIC_DIFFERS: other bytes than the log has there, no position, that of
  //                        another partition, or another event named as the one before it
  //   kAlreadyExists       EVENT_REPEATED
  //   kOutOfRange          LOG_BEHIND_TOPICS: the log does not have that event
  //   kFailedPrecondition  EVENT_MISSING: not the event after the last
  // Others as EventLog::ReadAt() gives them; the record was not taken then.
  [[nodiscard]] absl::Status Take(const BusRecord& record);

  // Asked at the topic's end. kFailedPrecondition (TOPIC_SHORT): it ends before `published`, which
  // the relay was told is there.
  [[nodiscard]] absl::Status CheckEnd(Position published) const;

  // Where to go on; of 0 all is to be read.
  int64_t next_offset() const { return next_offset_; }
  // The last event that was taken.
  Position last() const { return last_; }

 private:
  const EventLog& log_;
  Position last_;
  int64_t next_offset_ = 0;
};

}  // namespace records::eventstore
