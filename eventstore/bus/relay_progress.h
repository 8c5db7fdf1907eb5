#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/bus/work_streams.h"
#include "eventstore/log.h"

namespace records::eventstore {

// How far one work stream has come.
struct StreamProgress {
  struct Partition {
    uint64_t covered = 0;  // all that belongs on the stream up to this sequence is there
    uint64_t last = 0;     // the last event that does; 0: none
    friend bool operator==(const Partition&, const Partition&) = default;
  };
  std::string topic;                  // without prefix
  std::vector<Partition> partitions;  // of the log, in their order
  // The last event of each partition of the topic; sequence 0: none.
  std::vector<Position> tails;

  // Partition p of the log is on this partition of the topic.
  size_t PartitionOf(uint32_t log_partition) const { return log_partition % tails.size(); }
};

// How far a log was published: one checkpoint for each partition, in their order.
struct RelayProgress {
  StoreId log;
  std::vector<PartitionCheckpoint> partitions;
  std::vector<StreamProgress> streams;
  // Of streams that this program does not know: it was rolled back, say. Kept as it is for one that
  // does.
  std::vector<StreamProgress> others;

  // nullptr: nothing was published to that stream.
  const StreamProgress* Find(absl::string_view topic) const;
};

std::string EncodeProgress(const RelayProgress& progress);
// kDataLoss: not the progress of any log.
absl::StatusOr<RelayProgress> DecodeProgress(absl::string_view bytes);

// Where a relay goes on.
struct Resume {
  RelayProgress progress;    // of what the topic holds
  uint64_t republished = 0;  // events that were there once, and that the broker has lost
};

// Decides where to go on, from what Kafka says (the last progress; the last record of each
// partition of the log's topic) and what the log says of it. Where the topic ends before the
// progress the broker has lost what it acknowledged, and the rest is published again; where it ends
// behind it the progress was lost, and the log must confirm the topic's end.
//   kFailedPrecondition  PROGRESS_LOST: the topic has records, and no progress is there
//                        OTHER_LOG: the topics are of another log
//                        LOG_BEHIND_TOPICS: what was published is not in the log: it was restored
//                        from an older backup, say
//   kDataLoss            TOPIC_DIFFERS: log and topic, or log and progress, are at odds
absl::StatusOr<Resume> PlanResume(const EventLog& log, const std::optional<RelayProgress>& progress,
                                  const std::vector<std::optional<BusRecord>>& tails);

// What a broker has of one work stream: topic partition by topic partition.
struct StreamRecords {
  std::string topic;                            // without prefix
  std::vector<std::optional<BusRecord>> tails;  // the last record of each
  std::vector<bool> untouched;                  // never had a record: it is new, or was made anew
  // Gives all records of a partition, in their order, until one is refused. Asked for only where a
  // tail is not the expected one.
  using Take = std::function<absl::Status(const BusRecord&)>;
  std::function<absl::Status(size_t partition, const Take& take)> read_all;
};

// Decides where a work stream goes on, as PlanResume() does for the log's own topic: what the
// broker has lost is published again, what it has beyond the progress is not. What retention took
// is not lost.
//   kFailedPrecondition  PROGRESS_LOST: the topic has records, and the progress knows of none
//                        TOPIC_PARTITIONS: another number of partitions than it was published to
//                        LOG_BEHIND_TOPICS
//   kDataLoss            TOPIC_DIFFERS: a record that this relay did not write
absl::StatusOr<StreamProgress> PlanStream(const EventLog& log, const WorkStreams& work,
                                          const StreamProgress* known,
                                          const StreamRecords& records);

}  // namespace records::eventstore
