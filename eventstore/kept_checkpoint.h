#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventstore/anchor.h"
#include "eventstore/log.h"
#include "eventstore/signed_note.h"

// A signed checkpoint that was kept elsewhere, against what was restored.
namespace records::eventstore {

// What a checkpoint knows of, and what was restored has not. After it may have come more, of which
// nobody knows.
struct KnownLoss {
  uint64_t events = 0;
  uint64_t traces = 0;
};

// The trees of a signed checkpoint. kInvalidArgument: it is none, or this log did not sign it.
absl::StatusOr<std::vector<TreeHead>> ReadKeptCheckpoint(const std::string& note,
                                                         const NoteVerifier& verifier,
                                                         const StoreId& store);

// Counts what is missing. kDataLoss (CHECKPOINT_DIFFERS): what is there is not what was signed.
absl::StatusOr<KnownLoss> CompareWithKept(const EventLog& log, const std::vector<TreeHead>& trees);

}  // namespace records::eventstore
