#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/anchor.h"
#include "eventstore/batch_builder.h"
#include "eventstore/clock.h"
#include "eventstore/completion_queue.h"
#include "eventstore/disk_space.h"
#include "eventstore/head_board.h"
#include "eventstore/limits.h"
#include "eventstore/prepared_append.h"
#include "eventstore/storage.h"

namespace records::eventstore {

struct CommitterOptions {
  // All must outlive the committer; guard and space may be nullptr.
  Storage* storage = nullptr;
  Anchor* anchor = nullptr;
  const Clock* clock = nullptr;
  const AppendGuard* guard = nullptr;
  const DiskSpace* space = nullptr;
  HeadBoard* board = nullptr;
  CompletionQueue* completions = nullptr;

  // What the anchor says beside the trees.
  LogAnchor anchored;
  uint64_t disk_reserve_bytes = 0;
  uint64_t disk_floor_bytes = 0;
  size_t cached_streams_max = 0;
  // Without one, CommitOnce() does the work (the simulation).
  bool own_thread = true;

  // Called once, on the thread of completions, when the log can take no more writes.
  std::function<void(const absl::Status&)> on_fatal;
};

// The one writer of the log: a thread that takes all appends that wait, decides them in order,
// writes one synced batch and the anchor, makes it visible and then tells the callers. While it
// syncs, the next batch gathers.
//
// Thread-safe. Close() before what it uses is destroyed.
class Committer {
 public:
  Committer(CommitterOptions options, LogState state);
  ~Committer() { Close(); }
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Takes an append or answers why not: see EventLog::AppendAsync().
  void Enqueue(PreparedAppend prepared, AppendCallback done);

  // Writes one batch of what waits, on this thread; false: nothing waited. REQUIRES: no own thread;
  // one caller at a time.
  bool CommitOnce();

  // Writes events that this log had before, as one synced batch with its anchor: see
  // BatchBuilder::AddStored(). After an error the log takes no more. REQUIRES: no own thread; one
  // caller at a time; nothing waits.
  absl::Status WriteStored(Ledger ledger, std::vector<StoredEvent> events);

  // Writes what waits, then ends. What comes later is answered with kUnavailable.
  void Close();

  // Calls `work` between two batches, with what the anchor says, and waits for it: nothing is
  // written meanwhile, reads go on. Keep it short. Returns what `work` does; kUnavailable: the log
  // takes no writes. Without an own thread it works on the caller's.
  absl::Status Pause(absl::FunctionRef<absl::Status(const LogAnchor&)> work);

  // The store's own state, from any thread. kResourceExhausted stops writes until OK comes; any
  // other error stops them for ever.
  void SetStoreState(const absl::Status& status);

  // How far the erasure ledger has come: in the anchor from the next batch on.
  ErasureHead erasures() const;
  void SetErasures(const ErasureHead& head);

  // OK while writes are taken.
  absl::Status health() const;

 private:
  struct Waiting {
    PreparedAppend prepared;
    AppendCallback done;
  };
  // An answer that waits for the batch.
  struct Deferred {
    AppendCallback done;
    absl::StatusOr<Appended> outcome;
  };

  // A caller that waits for its work to be done between two batches.
  struct Paused {
    absl::FunctionRef<absl::Status(const LogAnchor&)> work;
    absl::Status result;
    bool done = false;
  };

  void Run();
  // Does the work of those that want a pause.
  void ServePauses();
  // Waits until there is a batch or somebody wants a pause, or the end.
  void AwaitBatch();
  // Returns the appends of the next batch; none: nothing waits.
  std::vector<Waiting> TakeBatch();
  void Commit(std::vector<Waiting> batch);
  // Makes the batch durable. Errors: outcome unknown.
  absl::Status Persist();
  absl::Status WriteAnchor();
  Room MeasureRoom() const;
  void Answer(AppendCallback done, absl::StatusOr<Appended> outcome);
  void Answer(std::vector<Deferred> deferred);
  // Ends writing for ever and returns what waits.
  std::deque<Waiting> StopWrites(const absl::Status& cause);
  void TellOwner(const absl::Status& cause, std::deque<Waiting> dropped);

  CommitterOptions options_;
  BatchBuilder builder_;
  bool owner_told_ = false;  // of the thread alone, as the builder

  mutable absl::Mutex mutex_;
  std::deque<Waiting> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Paused*> pauses_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);  // final once not OK
  absl::Status store_state_ ABSL_GUARDED_BY(mutex_);
  ErasureHead erasures_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // last: it uses the others
};

}  // namespace records::eventstore
