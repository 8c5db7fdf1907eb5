#include "absl/strings/str_cat.h"
#include "eventstore/internal/event_log_impl.h"
#include "eventstore/status_macros.h"

// A copy of the log's files, for a backup.
namespace records::eventstore::internal {

absl::StatusOr<LogCopy> EventLogImpl::CopyTo(const std::string& folder) {
  if (parts_.database == nullptr) return EventLog::CopyTo(folder);
  LogCopy copy;
  // Before the pause, so that little is left to flush while appends wait.
  RETURN_IF_ERROR(parts_.database->Flush());
  RETURN_IF_ERROR(committer_->Pause([&](const LogAnchor& anchored) -> absl::Status {
    RETURN_IF_ERROR(parts_.database->CopyTo(absl::StrCat(folder, "/", kLogFolder)));
    LogAnchor now = anchored;
    const ErasureHead erasures = committer_->erasures();
    now.erasure_ledger_size = erasures.size;
    now.erasure_ledger_head = erasures.hash;
    ASSIGN_OR_RETURN(copy.anchor, EncodeLogAnchor(now));
    ASSIGN_OR_RETURN(copy.checkpoint, SignedCheckpoint());
    return absl::OkStatus();
  }));
  AnchorFiles& files = *parts_.anchor_files;
  RETURN_IF_ERROR(Anchor::Create(files, absl::StrCat(folder, "/", kLogAnchorFile), copy.anchor));
  RETURN_IF_ERROR(files.Create(absl::StrCat(folder, "/", kLatestCheckpointFile), copy.checkpoint));
  return copy;
}

}  // namespace records::eventstore::internal
