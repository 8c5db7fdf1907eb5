#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/backup_files.h"
#include "eventstore/backup_manifest.h"
#include "eventstore/clock.h"
#include "eventstore/key_store.h"
#include "eventstore/log.h"

namespace rocksdb {
class Env;
}

namespace records::eventstore {

// Where backups are made from, and where they go.
struct BackupOptions {
  // The data folder of log and key store: copies are staged in it, as links.
  std::string data_dir;
  // Folders of the backups of the log, and of those of the keys: best on two other machines. They
  // must exist, and must not be one.
  std::string log_folder;
  std::string keys_folder;

  const Clock* clock = &SystemClock();
  // Not owned; nullptr: the machine's.
  rocksdb::Env* env = nullptr;
};

// How far the making of a backup has come.
struct BackupProgress {
  BackupPart part = BackupPart::kLog;
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;
};

// One half of a backup that was made.
struct MadeBackup {
  std::string folder;
  BackupManifest manifest;
  // SHA-256 of the manifest's file: whoever keeps it elsewhere can tell this backup from any other.
  Digest manifest_sha256{};
};

struct MadeBackups {
  MadeBackup log;
  MadeBackup keys;
};

// A backup that lies in the folders; a half may be missing.
struct ListedBackup {
  std::string name;
  std::optional<BackupManifest> log;
  std::optional<BackupManifest> keys;
};

// Makes backups of a log and its keys while they are served, each whole or not at all.
//
// A backup stands at one position: what was acknowledged before Create() was called is in it, and
// nothing is that came after its stated position. The log is copied first, the keys after it, so
// that each key that the log needs is there. Views are not in it (they are folded anew), nor is the
// master key, nor the erasure ledger. A backup appears under its name when all its bytes are on the
// disk; one that was cut short lies under a name that nothing takes for a backup, and is removed by
// the next CleanUp(), which names the second half of one that was cut short between its two names.
//
// Thread-safe; one at a time is made. Log and keys must outlive it.
class Backups {
 public:
  Backups(EventLog& log, KeyStore& keys, BackupOptions options);

  // Removes or finishes what a crash left behind. Call it at the start.
  [[nodiscard]] absl::Status CleanUp();

  // Makes a backup. `go_on` is told how far it is, now and then, and ends it with false.
  //   kInvalidArgument     not a name (IsBackupName())
  //   kAlreadyExists       there is one of that name
  //   kAborted             another one is being made, or the master key was rotated meanwhile
  //   kCancelled           `go_on` said so; nothing of it is left
  //   kFailedPrecondition  no folder was named, or the two are one
  // Other errors: log, key store or disk; nothing of it is left but what CleanUp() settles.
  [[nodiscard]] absl::StatusOr<MadeBackups> Create(
      const std::string& name, absl::FunctionRef<bool(const BackupProgress&)> go_on);

  // What lies in the folders, by name. One that is damaged shows without its manifest.
  [[nodiscard]] absl::StatusOr<std::vector<ListedBackup>> List() const;

 private:
  absl::Status CheckFolders() const;
  absl::Status CheckFree(const std::string& name) const;
  absl::StatusOr<MadeBackups> CreateAlone(const std::string& name,
                                          absl::FunctionRef<bool(const BackupProgress&)> go_on);
  absl::Status StageLog(BackupManifest& manifest);
  absl::Status StageKeys(BackupManifest& manifest);
  absl::StatusOr<MadeBackup> CopyOut(const std::string& staged, BackupManifest manifest,
                                     absl::FunctionRef<bool(const BackupProgress&)> go_on);
  absl::Status Publish(const std::string& folder, const std::string& name);
  absl::Status PublishBoth(const std::string& name);
  absl::Status SettleUnfinished(const std::string& folder, const std::string& other);
  // Whether the half that lies in `half` is whole, as the other half has its name already.
  bool WasPublished(const std::string& half, const std::string& other_half) const;
  std::string staging() const;

  EventLog& log_;
  KeyStore& keys_;
  const BackupOptions options_;
  rocksdb::Env& env_;
  absl::Mutex mutex_;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace records::eventstore
