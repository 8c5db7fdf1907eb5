#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/event_log.h"
#include "eventstore/log.h"
#include "eventstore/tail_source.h"

namespace records::eventstore {

// How the tail of a log is appended.
struct TailOptions {
  // Told each event when it is durable; an error ends it.
  std::function<absl::Status(const StoredEvent&)> inspect = [](const StoredEvent&) {
    return absl::OkStatus();
  };
  // Told how far it is; false ends it with kCancelled.
  std::function<bool(uint64_t events_done, uint64_t events_total)> go_on = [](uint64_t, uint64_t) {
    return true;
  };
};

// What was appended.
struct AppendedTail {
  bool was_published = false;  // the source knows of this log at all
  uint64_t events = 0;         // appended; 0: the log had all that was published
};

// Appends what a source has beyond the end of a log, up to where the log was published, with the
// bytes that were stored. Nothing is taken on trust: the log's last event must be the source's,
// too; positions are dense, each event names the one before it, its stream and request must fit;
// and the tree over all of it must have the root that was published. The root is compared last, so
// after an error the log is to be thrown away.
//
//   kFailedPrecondition  OTHER_LOG: the source is of another log
//                        TOPIC_PARTITIONS: it has another number of partitions
//                        TOPIC_SHORT: it has lost the end of what was published
//                        PROGRESS_BEHIND: it has events beyond what was published, which no root
//                        covers
//                        EVENT_MISSING: an event is not there
//                        APPEND_CUT: it ends in the midst of an append
//   kAlreadyExists       EVENT_REPEATED
//   kDataLoss            TOPIC_DIFFERS: what lies there is not what this log had
// Others: those of source and log.
[[nodiscard]] absl::StatusOr<AppendedTail> AppendTail(TailSource& source, const EventLog& log,
                                                      StoredEventWriter& writer,
                                                      const TailOptions& options);

}  // namespace records::eventstore
