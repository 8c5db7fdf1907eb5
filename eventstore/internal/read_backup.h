#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/backup_manifest.h"

namespace rocksdb {
class Env;
}

// Private to restore.cc.
namespace records::eventstore::internal {

// A backup as it lies there: what it says, and what it should hold.
struct ReadBackup {
  std::string folder;
  std::string note;
  BackupManifest manifest;
  std::vector<BackupFile> files;
};

// kDataLoss: names the backup, and says that nothing was restored.
absl::Status Damaged(absl::string_view folder, absl::string_view what);

// Reads manifest and list. kDataLoss: it is damaged. kNotFound: there is none.
// kFailedPrecondition: it is the other half of a backup.
absl::StatusOr<ReadBackup> ReadOneBackup(rocksdb::Env& env, const std::string& folder,
                                         BackupPart part);

}  // namespace records::eventstore::internal
