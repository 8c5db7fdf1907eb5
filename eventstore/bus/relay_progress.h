#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/log.h"

namespace records::eventstore {

// How far a log was published: one checkpoint for each partition, in their order.
struct RelayProgress {
  StoreId log;
  std::vector<PartitionCheckpoint> partitions;
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

}  // namespace records::eventstore
