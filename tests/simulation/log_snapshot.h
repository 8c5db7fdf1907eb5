#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventstore/log.h"

namespace records::simulation {

// All events of a log that a reader may see: one list for each tree, in the order of
// eventstore::TreeIndex() (all partitions of the events, then those of the traces).
struct LogSnapshot {
  uint32_t partition_count = 0;
  std::vector<std::vector<eventstore::StoredEvent>> trees;

  const std::vector<eventstore::StoredEvent>& Events(uint32_t partition) const {
    return trees[partition];
  }
  const std::vector<eventstore::StoredEvent>& Traces(uint32_t partition) const {
    return trees[partition_count + partition];
  }
  // nullptr: there is no such event.
  const eventstore::StoredEvent* Find(eventstore::Position position) const {
    if (position.partition >= partition_count || position.sequence == 0) return nullptr;
    const auto& events = Events(position.partition);
    return position.sequence <= events.size() ? &events[position.sequence - 1] : nullptr;
  }
};

// Reads it through the log's own reads, page by page. Fails as they do.
absl::StatusOr<LogSnapshot> ReadSnapshot(const eventstore::EventLog& log);

}  // namespace records::simulation
