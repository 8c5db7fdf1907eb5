#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "services/recordsd/options.h"
#include "services/recordsd/server.h"

namespace records::services {

// Starts the timeline in a process of its own: its rows are folded from Kafka into a store of its
// own, it shares the partitions with the other instances, and asks the ledger who may read what,
// for keys, and to leave the traces. Without broker or ledger it starts and waits: it answers
// UNAVAILABLE until it has what it needs.
//   kInvalidArgument    an option or a register; --kafka or --ledger is missing
//   kFailedPrecondition the ledger decides by another register, or the topic is of another log
//   kUnimplemented      this program was built without Kafka
[[nodiscard]] absl::StatusOr<std::unique_ptr<RunningServer>> StartViewServer(
    const ServerOptions& options);

}  // namespace records::services
