#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/anchor.h"
#include "eventstore/batch_builder.h"
#include "eventstore/log_format.h"
#include "eventstore/storage.h"

// The careful start: what a log's store says, held against its anchor, before anything is written.
// None of these functions writes.
namespace records::eventstore {

// Reads the right edge of every tree and the last recorded time, and sees that all tables reach as
// far as the events. kDataLoss, which names the place: the store is damaged.
absl::StatusOr<LogState> LoadLogState(const Storage& storage, const LogMeta& meta);

// OK when the store is what the anchor says, or ahead of it by one batch at most (a crash between
// batch and anchor). kDataLoss, which names what is missing: it has lost or changed something, or
// is not the store of this anchor.
absl::Status CheckAgainstAnchor(const Storage& storage, const LogState& state,
                                const LogAnchor& anchor);

// OK when each tree of the last signed checkpoint is a prefix of the same tree of the store.
absl::Status CheckAgainstCheckpoint(const Storage& storage, const LogState& state,
                                    const std::vector<TreeHead>& checkpoint);

// OK when the store still has the sizes of `state`.
absl::Status CheckSizes(const Storage& storage, const LogState& state);

}  // namespace records::eventstore
