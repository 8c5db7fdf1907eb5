#include "eventstore/restore_marker.h"

#include "absl/strings/str_cat.h"
#include "eventstore/backup_files.h"
#include "eventstore/status_macros.h"
#include "rocksdb/env.h"

namespace records::eventstore {

absl::Status CheckRestoreFinished(rocksdb::Env* env, const std::string& data_dir) {
  if (env == nullptr) env = rocksdb::Env::Default();
  ASSIGN_OR_RETURN(const bool is_marked,
                   FileIsThere(*env, absl::StrCat(data_dir, "/", kRestoreMarkerFile)));
  if (!is_marked) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the restore into ", data_dir,
                   " was cut short, and what was erased may still be in it. Run `recordsctl backup "
                   "restore` into "
                   "it again."));
}

}  // namespace records::eventstore
