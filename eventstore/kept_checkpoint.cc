#include "eventstore/kept_checkpoint.h"

#include "absl/strings/str_cat.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {

absl::StatusOr<std::vector<TreeHead>> ReadKeptCheckpoint(const std::string& note,
                                                         const NoteVerifier& verifier,
                                                         const StoreId& store) {
  const absl::StatusOr<OpenedNote> opened = OpenNote(note, {verifier});
  if (!opened.ok()) {
    return absl::InvalidArgumentError("the checkpoint was not signed by this log's key");
  }
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, ParseCheckpoint(opened->text));
  return TreesOf(checkpoint, store);
}

absl::StatusOr<KnownLoss> CompareWithKept(const EventLog& log, const std::vector<TreeHead>& trees) {
  KnownLoss lost;
  for (size_t tree = 0; tree < trees.size(); ++tree) {
    const bool is_events = tree < log.partition_count();
    const auto partition = static_cast<uint32_t>(tree % log.partition_count());
    const uint64_t known = trees[tree].size;
    const uint64_t head =
        log.Head(is_events ? Ledger::kEvents : Ledger::kAccess, partition).sequence;
    if (known > head) {
      (is_events ? lost.events : lost.traces) += known - head;
      continue;
    }
    // Traces that were made after an earlier restore are others than the ones that it lost.
    if (!is_events) continue;
    const absl::Status same = log.VerifyCheckpoint(
        Ledger::kEvents, {log.store_id(), {partition, known}, trees[tree].root});
    if (absl::IsDataLoss(same)) {
      return absl::DataLossError(absl::StrCat("CHECKPOINT_DIFFERS: partition ", partition,
                                              " up to sequence ", known,
                                              " is not what the checkpoint signs"));
    }
    RETURN_IF_ERROR(same);
  }
  return lost;
}

}  // namespace records::eventstore
