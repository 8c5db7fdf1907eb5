#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/backup_manifest.h"
#include "eventstore/clock.h"
#include "eventstore/erasure_head.h"
#include "eventstore/erasure_ledger.h"
#include "eventstore/kept_checkpoint.h"
#include "eventstore/random.h"
#include "eventstore/tail_keys.h"
#include "eventstore/tail_source.h"

namespace rocksdb {
class Env;
}

namespace records::eventstore {

// What a data folder is restored from, and where to. What is pointed to is not owned.
struct RestoreOptions {
  std::string log_backup;       // folder of a backup of the log
  std::string keys_backup;      // folder of one of the keys, as new as that of the log or newer
  std::string erasure_ledger;   // the newest copy of the ledger; must exist
  std::string master_key_file;  // stays where and as it is; its folder must exist
  // The new data folder: absent, empty, or left by a restore that was cut short. None of the above
  // may lie in it.
  std::string to;

  // Heads that the ledger must have reached besides those that the backups know of: of signed
  // checkpoints that were kept elsewhere.
  std::vector<KnownErasureHead> known_erasures;

  // Where the events lie that came after the backup of the log; nullptr: they are gone.
  TailSource* tail = nullptr;

  // The newest signed checkpoint that was kept elsewhere, whole; "": none was. What is restored
  // must be what it signs, as far as it goes, and what is missing is counted.
  std::string checkpoint;

  // Told how far it is; false ends it with kCancelled.
  std::function<bool(uint64_t bytes_done, uint64_t bytes_total)> go_on = [](uint64_t, uint64_t) {
    return true;
  };
  // The same, of the tail.
  std::function<bool(uint64_t events_done, uint64_t events_total)> go_on_tail =
      [](uint64_t, uint64_t) { return true; };

  const Clock* clock = &SystemClock();
  Random* random = &SystemRandom();
  rocksdb::Env* env = nullptr;
};

// What was appended from a log's tail.
struct RestoredTail {
  bool was_published = false;  // the source knows of this log at all
  uint64_t events = 0;         // 0: the backup had all that was published
  TailKeys keys;               // which of them the keys that were restored do not open
};

// What was restored: the log up to the position of its backup, and then what its tail had. What
// came after that is gone; of read traces, all that came after the backup.
struct Restored {
  BackupManifest log;
  BackupManifest keys;
  ErasureHead erasure_ledger;
  // Erasures of the ledger, and those of them that the backup of the keys knew nothing of.
  uint64_t erasures = 0;
  uint64_t erased_anew = 0;
  std::optional<RestoredTail> tail;  // where one was asked for
  std::optional<KnownLoss> lost;     // where a checkpoint was given
};

// Puts log and keys back into a folder that a server starts on without hands, with everything
// destroyed that the erasure ledger names. Until that is done the folder is marked, and neither
// OpenLog() nor OpenKeyStore() takes it; a restore that was cut short is begun anew by the next.
// After an error the folder is empty again.
//
//   kFailedPrecondition  the folder is not empty, or what is restored from lies in it; the master
//                        key is not that of the backup (MASTER_KEY_ENDED: a rotation came after
//                        it); two backups that do not go together, or the keys older than the log
//   kDataLoss            a backup is damaged, which is named; the ledger is older than a head that
//                        is known, or altered
//   kNotFound            a folder or file that was named is not there
//   kInvalidArgument     the checkpoint is not one, or was not signed by this log
// With a tail also as AppendTail() fails. A checkpoint that signs other events than were restored:
// kDataLoss (CHECKPOINT_DIFFERS).
[[nodiscard]] absl::StatusOr<Restored> Restore(const RestoreOptions& options);

}  // namespace records::eventstore
