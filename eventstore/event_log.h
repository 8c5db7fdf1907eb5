#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/anchor_file.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/clock.h"
#include "eventstore/disk_space.h"
#include "eventstore/limits.h"
#include "eventstore/log.h"
#include "eventstore/random.h"
#include "eventstore/storage.h"

namespace rocksdb {
class Env;
}

namespace records::eventstore {

// Files of a log in its data folder.
inline constexpr char kLogFolder[] = "log";
inline constexpr char kLogAnchorFile[] = "log.anchor";
inline constexpr char kCheckpointKeyFile[] = "checkpoint.key";
inline constexpr char kLatestCheckpointFile[] = "checkpoint.latest";

// What a log is opened with. What is pointed to is not owned and must outlive the log.
struct LogOptions {
  // The data folder; made when it is absent.
  std::string data_dir;
  // Used when the log is made; later the log's own number counts.
  uint32_t partition_count = kPartitionsDefault;

  const Clock* clock = &SystemClock();
  Random* random = &SystemRandom();
  // Refuses appends that touch what is fenced; nullptr: nothing is.
  const AppendGuard* guard = nullptr;

  // Called once, when a write has failed and the log takes no more: the process should end, and the
  // next start settles what is there. From a thread of the log, which it must not block; it must
  // not destroy the log.
  std::function<void(const absl::Status&)> on_fatal;

  size_t block_cache_bytes = size_t{64} << 20;
  // What a start may have to replay; a flush comes before there is more.
  size_t write_ahead_log_bytes_max = size_t{256} << 20;
  uint64_t disk_reserve_bytes = kDiskReserveBytes;
  uint64_t disk_floor_bytes = kDiskFloorBytes;

  // Takes a folder whose restore is not finished: for the restore itself.
  bool is_restoring = false;

  // The machine's, unless a test gives its own.
  rocksdb::Env* env = nullptr;
  AnchorFiles* anchor_files = nullptr;
  const DiskSpace* disk_space = nullptr;

  // Without threads of its own the log does nothing until LogSteps says so. Such a log is opened by
  // OpenSteppedLogOn() and OpenLogForRestore() only.
  bool own_threads = true;
};

// Opens the log of a data folder, or makes it where there is none.
//
// Before anything is written the store is opened read-only and held against its anchor. Followers
// must be gone before the log is.
//   kDataLoss            the log has lost or changed something, which is named; nothing was changed
//   kFailedPrecondition  another process has the folder open, or it is of another format version
absl::StatusOr<std::unique_ptr<EventLog>> OpenLog(LogOptions options);

// What a log in memory lives on, so that it can be opened again. All must outlive the log.
struct MemoryLogFiles {
  Storage* storage = nullptr;  // with kLogTableCount tables
  AnchorFiles* anchor_files = nullptr;
  CheckpointFiles* checkpoint_files = nullptr;
};

// Opens a log on a storage and anchor files of the caller's, for tests and the simulation. Of the
// options, those of folder, cache and env mean nothing here.
absl::StatusOr<std::unique_ptr<EventLog>> OpenLogOn(MemoryLogFiles files, LogOptions options);

// Does the work of the threads of a log that has none, on the caller's thread, so that a simulation
// decides what happens when.
//
// Not thread-safe. Lives as long as its log.
class LogSteps {
 public:
  virtual ~LogSteps() = default;
  // Decides and writes one batch of the appends that wait; false: none wait.
  virtual bool CommitOnce() = 0;
  // Calls the callbacks that wait, and returns how many those were.
  virtual size_t RunCallbacks() = 0;
};

// Gives a log events back that it had before: those that came after its backup.
//
// Not thread-safe. Lives as long as its log.
class StoredEventWriter {
 public:
  virtual ~StoredEventWriter() = default;
  // Appends events of the ledger kEvents with the bytes they were stored with; OK means synced and
  // covered by the anchor. Their streams, requests and trees are as if the log had written them
  // itself. After an error the log takes no more. REQUIRES: they were decoded for their positions;
  // whole appends; at most kBatchEventsMax events.
  //   kInvalidArgument    an event does not follow what the log has
  //   kResourceExhausted  the disk has no room
  // Others: those of storage and anchor.
  [[nodiscard]] virtual absl::Status WriteStored(std::vector<StoredEvent> events) = 0;
};

struct SteppedLog {
  std::unique_ptr<EventLog> log;
  LogSteps* steps = nullptr;            // of the log
  StoredEventWriter* writer = nullptr;  // of the log
};

// As OpenLogOn(), without threads. At its end it writes what waits, as any log.
absl::StatusOr<SteppedLog> OpenSteppedLogOn(MemoryLogFiles files, LogOptions options);

// As OpenLog(), for a restore: takes a folder that is marked, and has no threads of its own.
absl::StatusOr<SteppedLog> OpenLogForRestore(LogOptions options);

}  // namespace records::eventstore
