#include "tests/simulation/log_snapshot.h"

#include <utility>

#include "eventstore/status_macros.h"

namespace records::simulation {

using eventstore::Ledger;
using eventstore::StoredEvent;

absl::StatusOr<LogSnapshot> ReadSnapshot(const eventstore::EventLog& log) {
  LogSnapshot snapshot{.partition_count = log.partition_count()};
  for (const Ledger ledger : {Ledger::kEvents, Ledger::kAccess}) {
    for (uint32_t partition = 0; partition < log.partition_count(); ++partition) {
      std::vector<StoredEvent>& events = snapshot.trees.emplace_back();
      while (true) {
        ASSIGN_OR_RETURN(
            std::vector<StoredEvent> page,
            log.ReadPartition(ledger, {partition, events.size() + 1},
                              eventstore::ReadDirection::kForward, {.events = 1024}, {}));
        if (page.empty()) break;
        for (StoredEvent& event : page) events.push_back(std::move(event));
      }
    }
  }
  return snapshot;
}

}  // namespace records::simulation
