#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/log.h"
#include "eventstore/storage.h"
#include "projections/projection.h"
#include "projections/root_listeners.h"
#include "projections/view_fold.h"

namespace records::projections {

struct RunnerOptions {
  FoldOptions fold;
  // How long the thread waits for the log before it looks whether it shall stop or replay.
  absl::Duration idle_wait = absl::Milliseconds(50);
  // How long it lets events gather after a batch that was far from full, unless somebody waits for
  // the view: each batch has a cost of its own. The first event after a rest is folded at once.
  absl::Duration gather_wait = absl::Milliseconds(10);
  // How long it waits before it tries again what was not to be had.
  absl::Duration retry_wait = absl::Milliseconds(200);
};

// More than this wait for a view only when it does not go on.
inline constexpr size_t kAppliedWaitersMax = 8'192;

// A root that the view cannot answer about, and the first of its events that is not folded.
struct ParkedRoot {
  eventstore::RootId root;
  eventstore::Position first;
};

// Numbers for health and metrics.
struct RunnerStatus {
  enum class State {
    kReady,    // not started
    kRunning,  // folds
    kStalled,  // something does not go on; `error` says what; the rest does, or is tried again
    kFailed,   // stopped by `error`; a restart goes on from the last batch
    kStopped,
  };
  State state = State::kReady;
  absl::Status error;
  uint64_t lag_events = 0;  // durable in the log and not in the view
  uint64_t events_folded = 0;
  uint64_t batches_written = 0;
  uint64_t parked_roots = 0;
  uint64_t ended_roots = 0;          // Projection::EndsRoot(), of all that the view contains
  eventstore::Position last_parked;  // since the start
  absl::Status last_parked_error;
};

// Keeps one view up with the log: one thread for all its partitions.
//
// Thread-safe. Must not outlive log, projection or storage; its subscriptions must not outlive it.
// What it promises of the rows is in ViewFold; it adds the thread, waiting, listening and health.
class Runner {
 public:
  // Fails as ViewFold::Create() does: a checkpoint that the log does not confirm is refused.
  static absl::StatusOr<std::unique_ptr<Runner>> Create(const eventstore::EventLog& log,
                                                        const Projection& projection,
                                                        eventstore::Storage& storage,
                                                        RunnerOptions options);
  ~Runner();  // stops

  // Starts the thread. Once.
  void Start();

  // Ends the thread after the batch at hand and wakes all that wait. Again: nothing. One thread at
  // a time.
  void Stop();

  // Folds nothing from when it returns until Resume(): what the view contains stands still. For a
  // moment only, as who waits for the view waits on. One caller at a time.
  void Pause();
  void Resume();
  // As Pause(), once the view contains just what stands up to `heads`, one for each partition and
  // none behind what it contains: it folds on up to there. No heads at all: wherever it is.
  // kDeadlineExceeded: it does not come there in time. kUnavailable: stopped or failed. Resume()
  // ends it in any case.
  [[nodiscard]] absl::Status PauseAt(std::vector<eventstore::Position> heads, absl::Time deadline);

  // Waits until the view contains the event at `position` (read your own write). By the clock of
  // the machine. kDeadlineExceeded; kUnavailable: stopped or failed; kInvalidArgument: not a
  // partition of this view.
  [[nodiscard]] absl::Status WaitFor(eventstore::Position position, absl::Time deadline) const;

  // As WaitFor(), without a thread that waits: calls `done` once, at once on this thread or later
  // on the runner's, which it must not block. kResourceExhausted: kAppliedWaitersMax wait already.
  void WhenApplied(eventstore::Position position, absl::Time deadline,
                   absl::AnyInvocable<void(absl::Status)> done);

  // The last position of a partition that the view contains.
  eventstore::Position AppliedPosition(uint32_t partition) const;

  // Calls `callback` after each batch that folded something under `root`, from now on, and when the
  // runner has stopped.
  [[nodiscard]] absl::StatusOr<std::unique_ptr<RootListeners::Subscription>> Subscribe(
      const eventstore::RootId& root, RootCallback callback);

  // The parked roots, by root.
  std::vector<ParkedRoot> ParkedRoots() const;

  // Folds what a parked root has missed, once its cause is mended, and waits for it. Fails as
  // ViewFold::Replay() does; kUnavailable: not running.
  [[nodiscard]] absl::Status Replay(const eventstore::RootId& root);

  RunnerStatus GetStatus() const;

 private:
  struct ReplayRequest {
    eventstore::RootId root;
    bool done = false;
    absl::Status result;
  };

  struct AppliedWaiter {
    eventstore::Position position;
    absl::Time deadline;
    absl::AnyInvocable<void(absl::Status)> done;
  };

  Runner(const eventstore::EventLog& log, std::unique_ptr<ViewFold> fold, RunnerOptions options);

  void Run();
  bool Stopping() const;
  // Waits while it is paused; returns where it is to stop.
  std::vector<eventstore::Position> AwaitResume();
  bool IsFolding() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Whether it contains what it is to be paused at.
  bool IsWherePauseIs() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void RunReplays();
  // What a wait for `position` has come to; nullopt: it goes on.
  std::optional<absl::Status> OutcomeOfWait(eventstore::Position position,
                                            absl::Time deadline) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void TellWaiters();
  void Publish(const FoldProgress& progress);
  void PublishError(const absl::Status& error, RunnerStatus::State state);
  void CopyApplied() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CopyParked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WaitToRetry() const;
  void Gather() const;
  void EndReplays() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const eventstore::EventLog& log_;
  const RunnerOptions options_;
  const std::unique_ptr<ViewFold> fold_;  // touched by the thread alone once it runs
  RootListeners listeners_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool pause_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<eventstore::Position> pause_at_ ABSL_GUARDED_BY(mutex_);
  RunnerStatus status_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint32_t, eventstore::Position> applied_ ABSL_GUARDED_BY(mutex_);
  std::vector<ParkedRoot> parked_ ABSL_GUARDED_BY(mutex_);
  std::deque<ReplayRequest*> replays_ ABSL_GUARDED_BY(mutex_);
  std::vector<AppliedWaiter> waiters_ ABSL_GUARDED_BY(mutex_);
  mutable int waiting_ ABSL_GUARDED_BY(mutex_) = 0;  // for the view to come further
  std::thread thread_;
};

}  // namespace records::projections
