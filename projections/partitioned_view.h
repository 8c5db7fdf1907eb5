#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "eventstore/log.h"
#include "projections/projection.h"
#include "projections/runner.h"
#include "projections/view.h"

namespace records::projections {

struct PartitionedViewOptions {
  std::string folder;  // of this view alone; its partitions lie in p00, p01, ...
  StorageOpener open_storage;
  RunnerOptions runner;  // its partitions are set here
  // Before a partition that could not be opened, or that failed, is opened again.
  absl::Duration retry_wait = absl::Seconds(1);
  // How often it is looked whether a partition has come to its head, or has failed.
  absl::Duration look_wait = absl::Milliseconds(20);
  // How long Release() waits for those who hold a copy.
  absl::Duration release_wait = absl::Seconds(10);
  // Told that a partition is being let go of, before its copies are waited for: who holds one for
  // long, such as a subscription, drops it then. Must not call this view.
  std::function<void(uint32_t partition)> on_letting_go;
};

// As GoOn, for the partition whose turn it is.
using PartitionGoOn = std::function<bool(uint32_t partition, const SwitchProgress& progress)>;

// How one partition stands.
struct PartitionStatus {
  enum class State {
    kOpening,     // asks how far the log goes, and opens what lies on the disk
    kCatchingUp,  // has not come to where the log stood when it was acquired: must not answer
    kReady,
    kFailed,  // `error` says why; it is opened again after a while
  };
  uint32_t partition = 0;
  State state = State::kOpening;
  absl::Status error;
  eventstore::Position applied;
  eventstore::Position target;  // where the log stood
  ViewStatus view;              // once it is open
  uint64_t folded_anew = 0;     // times that what lay on the disk could not be used
};

// A view that is folded partition by partition, by several processes that share them out: one View
// with a folder of its own for each partition that is held here. It knows nothing of how they are
// shared out; Acquire() and Release() say so.
//
// A partition answers once it has come to where the log stood when it was acquired: a marker that
// is missing because its event is still to come may cost a life. What lies on the disk is gone on
// from, unless the log does not confirm it or it is damaged: then it is removed and folded anew.
// A partition that is let go of is removed from the disk, since rows that nobody folds here would
// outlast an erasure.
//
// A log that is away makes the view lag, no more.
//
// Thread-safe. Must not outlive log or projection; copies that were handed out must not outlive it.
class PartitionedView {
 public:
  PartitionedView(const eventstore::EventLog& log, const Projection& projection,
                  PartitionedViewOptions options);
  // Stops. What is held stays on the disk for the next start.
  ~PartitionedView();

  // Removes from the disk what is of other partitions: what a process had before it ended, and does
  // not get again. kUnavailable: something cannot be removed.
  [[nodiscard]] absl::Status KeepOnly(absl::Span<const uint32_t> partitions);

  // Begins to hold a partition, and returns at once; it is opened and brought up behind. Held
  // already: nothing; suspended: it answers once it has come to where the log stands now.
  // kInvalidArgument: the log has no such partition.
  [[nodiscard]] absl::Status Acquire(uint32_t partition);

  // No question is answered from now on, until Acquire(); the rows stay and are kept up. For what
  // may come back. Not held: nothing.
  void Suspend(uint32_t partition);

  // No question is answered from now on; waits for those under way, ends folding and removes the
  // rows. kDeadlineExceeded: somebody still held a copy after `release_wait`; it was removed under
  // them. kUnavailable: it cannot be removed from the disk. Not held: nothing.
  [[nodiscard]] absl::Status Release(uint32_t partition);

  // The copy of a partition that answers. Hold it for one question, or until `on_letting_go`.
  //   kUnavailable  VIEW_NOT_HERE, VIEW_CATCHING_UP, or VIEW_FAILED with the reason
  // lint: allow(shared_ptr) a switch or a hand-over ends no question
  [[nodiscard]] absl::StatusOr<std::shared_ptr<ViewCopy>> Live(uint32_t partition);

  // Waits until a partition answers. kUnavailable: it is not held; kDeadlineExceeded.
  [[nodiscard]] absl::Status WaitUntilReady(uint32_t partition, absl::Time deadline) const;

  // View::Rebuild() and View::Undo() for one partition, or for all that are held, one after the
  // other, until one fails; those before it stay switched. Undo() of all passes those that have
  // nothing to go back to, unless none has. kUnavailable too: one is not ready, or is being let go
  // of.
  [[nodiscard]] absl::Status Rebuild(std::optional<uint32_t> partition, absl::Time deadline,
                                     const PartitionGoOn& go_on = nullptr);
  [[nodiscard]] absl::Status Undo(std::optional<uint32_t> partition, absl::Time deadline,
                                  const PartitionGoOn& go_on = nullptr);

  // Of the partitions that answer, by partition and root.
  std::vector<ParkedRoot> ParkedRoots();
  // Runner::Replay() for a root of this partition.
  [[nodiscard]] absl::Status Replay(uint32_t partition, const eventstore::RootId& root);

  // Those that are held, by partition.
  std::vector<PartitionStatus> GetStatus() const;

 private:
  using State = PartitionStatus::State;

  // How many use the view of a partition; under mutex_.
  struct Use {
    int count = 0;
  };
  struct Held {
    State state = State::kOpening;
    absl::Status error;
    std::optional<eventstore::Position> target;  // once it was asked for since the acquisition
    uint64_t acquisition = 0;
    bool suspended = false;
    std::shared_ptr<View> view;  // lint: allow(shared_ptr) its copies' holders keep it
    std::shared_ptr<Use> use;    // lint: allow(shared_ptr) counted past the end of this
    absl::Time retry_at = absl::InfinitePast();
    absl::Time clean_at = absl::InfinitePast();
    bool letting_go = false;
    bool in_work = false;  // the thread works on it without the lock
    uint64_t folded_anew = 0;
  };
  class Holder;

  std::string FolderOf(uint32_t partition) const;
  absl::Status Remove(uint32_t partition) const;

  void Run();
  void Look(uint32_t partition);
  // Finds where it must come to, and opens it where it is not.
  void Open(uint32_t partition);
  // Looks whether a view has come there, or has failed.
  void Watch(uint32_t partition, View& view);
  // Takes what was erased out of its files.
  void Clean(uint32_t partition, View& view);
  // Opens what lies on the disk; folds anew where it cannot be used.
  absl::StatusOr<std::unique_ptr<View>> OpenView(uint32_t partition, bool& folded_anew) const;
  void Fail(Held& held, absl::Status why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Why a partition does not answer; OK: it does.
  absl::Status CheckReady(uint32_t partition) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  std::vector<uint32_t> HeldPartitions() const;
  absl::Status ForEach(const std::vector<uint32_t>& partitions,
                       absl::FunctionRef<absl::Status(View&, uint32_t partition)> change);
  // lint: allow(shared_ptr) as Live()
  absl::StatusOr<std::shared_ptr<Holder>> Hold(uint32_t partition);

  const eventstore::EventLog& log_;
  const Projection& projection_;
  const PartitionedViewOptions options_;

  mutable absl::Mutex mutex_;
  absl::btree_map<uint32_t, Held> held_ ABSL_GUARDED_BY(mutex_);
  bool acquired_ ABSL_GUARDED_BY(mutex_) = false;  // something new is to be opened
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace records::projections
