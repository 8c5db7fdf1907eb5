#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "eventstore/log.h"
#include "eventstore/storage.h"
#include "projections/projection.h"
#include "projections/runner.h"
#include "projections/view_compare.h"
#include "projections/view_marker.h"

namespace records::projections {

// Opens a storage with these tables in `folder`, making what is missing.
using StorageOpener = std::function<absl::StatusOr<std::unique_ptr<eventstore::Storage>>(
    const std::string& folder, const std::vector<std::string>& tables)>;

// How a view lies in RocksDB.
enum class ViewLayout {
  kPlain,
  // For views with rows for each event: every key begins with a root. The search for the place of a
  // new row starts where the root's last one was put.
  kByRoot,
};

// The opener of the product: RocksDB.
StorageOpener RocksViewStorage(size_t block_cache_bytes, ViewLayout layout = ViewLayout::kPlain);

struct ViewOptions {
  std::string folder;  // of this view alone: DIR/views/timeline
  StorageOpener open_storage;
  RunnerOptions runner;
};

// Tells who waits for it that a copy is closed, so that its folder can be opened again.
struct CloseSignal {
  CloseSignal() = default;
  ~CloseSignal() { told->Notify(); }
  CloseSignal(const CloseSignal&) = delete;
  CloseSignal& operator=(const CloseSignal&) = delete;

  // lint: shared on purpose, it is heard after the copy is gone
  const std::shared_ptr<absl::Notification> told = std::make_shared<absl::Notification>();
};

// A storage and the runner that keeps it up. Closes with its last holder. Once another copy answers
// its runner is stopped: what it shows then is what it showed last.
struct ViewCopy {
  CloseSignal closed;  // first: the last to end
  GenerationId id;
  std::unique_ptr<eventstore::Storage> storage;
  std::unique_ptr<Runner> runner;  // after the storage: ends before it
  // Roots that were ended when its tables were last rewritten.
  std::atomic<uint64_t> rewritten = 0;
};

// How far a copy has come that is to answer next.
struct SwitchProgress {
  GenerationId next;
  uint64_t events_done = 0;   // positions that it has passed
  uint64_t events_total = 0;  // and those that stand in the log
};

// Asked a few times a second by Rebuild() and Undo(). False: it is given up.
using GoOn = std::function<bool(const SwitchProgress& progress)>;

struct ViewStatus {
  GenerationId live;
  std::optional<GenerationId> previous;
  bool can_undo = false;                    // Undo() has a copy of this version to go back to
  std::optional<SwitchProgress> switching;  // a Rebuild() or Undo() is under way
  // How the copy that answers agreed with the one before it when it took over: nullopt when there
  // was no switch since the start, the last one was given up, or the two are of different versions.
  std::optional<RowComparison> comparison;
  RunnerStatus runner;       // of the live copy
  uint64_t events_done = 0;  // as in SwitchProgress, of the live copy
  uint64_t events_total = 0;
};

// A view on the disk that can be folded anew beside itself: the old copy answers until the new one
// has come as far, then a durable marker and a pointer are switched, and can be switched back.
//
// Thread-safe. Must not outlive log or projection; copies that were handed out must not either.
class View {
 public:
  // Opens the copy that the marker names and starts folding. Of a marker of another version: the
  // previous copy when that is of this version, else a new copy folded from the first event, and
  // what was live can still be opened by a program of its version. Fails as the opener,
  // ReadMarker() and Runner::Create() do.
  static absl::StatusOr<std::unique_ptr<View>> Open(const eventstore::EventLog& log,
                                                    const Projection& projection,
                                                    ViewOptions options);

  // The copy that answers. Hold it for one question, or as long as a subscription to its runner.
  std::shared_ptr<const ViewCopy> live()
      const;  // lint: shared on purpose, a switch ends no question

  // As live(), for subscriptions and replay.
  std::shared_ptr<ViewCopy> live();  // lint: shared on purpose

  // Folds a new copy from the first event, waits until it has come to where the live one stands,
  // and switches to it: no answer is ever older than one before it. The copy before stays on the
  // disk. Until then, and on any error, nothing changes. Before it switches it holds the rows of
  // both against each other, where these should agree; it switches whatever that shows, as the new
  // one is what the log says, and tells it in GetStatus().
  //   kAborted             another Rebuild() or Undo() is under way
  //   kCancelled           `go_on` said so
  //   kDeadlineExceeded    it did not come so far in time
  //   kFailedPrecondition  it parked a root that is not parked in the live copy
  // As the storage where the new copy cannot be read: a damaged one never answers.
  [[nodiscard]] absl::Status Rebuild(absl::Time deadline, const GoOn& go_on = nullptr);

  // Switches back to the copy before, once that has come to where the live one stands.
  // kNotFound: there is none of this version. Else as Rebuild().
  [[nodiscard]] absl::Status Undo(absl::Time deadline, const GoOn& go_on = nullptr);

  // Removes the copy before: there is nothing to go back to then. kAborted: as Rebuild().
  [[nodiscard]] absl::Status DropPrevious();

  // Takes the bytes of rows out of the files whose roots were ended (Projection::EndsRoot()) since
  // the last time, if any: removes the copy before, and rewrites the tables of the live one.
  // kAborted: as Rebuild(). Else as the storage.
  [[nodiscard]] absl::Status CleanEnded();

  // Runner::WaitFor() of the copy that answers, also over a switch.
  [[nodiscard]] absl::Status WaitFor(eventstore::Position position, absl::Time deadline) const;

  ViewStatus GetStatus() const;

  // The partitions that it folds.
  std::vector<uint32_t> Partitions() const;

  // Ends folding for good, also of a copy that Rebuild() or Undo() wait for, which answer
  // kUnavailable then. Who holds a copy can go on reading it.
  void Stop();

 private:
  View(const eventstore::EventLog& log, const Projection& projection, ViewOptions options)
      : log_(log), projection_(projection), options_(std::move(options)) {}

  class Turn;  // of one who switches

  // What a switch is to come to: by partition.
  using Heads = std::vector<eventstore::Position>;

  absl::StatusOr<std::shared_ptr<ViewCopy>> OpenCopy(GenerationId id) const;
  SwitchProgress ProgressOf(const ViewCopy& copy) const;
  Heads LogHeads() const;
  absl::Status CatchUp(const ViewCopy& copy, const Heads& heads, absl::Time deadline,
                       const GoOn& go_on) const;
  absl::Status CheckParked(const ViewCopy& copy) const;
  absl::Status GoesOn(const ViewCopy& next, const GoOn& go_on) const;
  // Both stand still at the same events for as long as it takes to open cursors.
  absl::StatusOr<RowComparison> CompareOnce(ViewCopy& next, const GoOn& go_on);
  absl::StatusOr<std::optional<RowComparison>> CompareCopies(ViewCopy& next, absl::Time deadline,
                                                             const GoOn& go_on);
  bool MustRewrite(const ViewCopy& copy) const;
  absl::Status Rewrite(ViewCopy& copy) const;
  // Lets Stop() reach the copy that a switch waits for. kUnavailable: stopped already.
  absl::Status SetNext(std::shared_ptr<ViewCopy> copy);
  ViewMarker marker() const;
  absl::Status SetMarker(const ViewMarker& marker);
  // Waits until who still held the copy that answered before has let go of it.
  absl::Status AwaitClosed(absl::Time deadline, const GoOn& go_on, const SwitchProgress& progress);
  // These three: by who has the turn.
  void ForgetComparison();
  absl::Status SwitchTo(GenerationId id, absl::Time deadline, const GoOn& go_on);
  absl::Status Replace(std::shared_ptr<ViewCopy> next, absl::Time deadline, const GoOn& go_on);
  // Removes the folders of copies that the marker does not name.
  absl::Status RemoveLeftovers();

  const eventstore::EventLog& log_;
  const Projection& projection_;
  const ViewOptions options_;

  mutable absl::Mutex mutex_;
  bool switching_ ABSL_GUARDED_BY(mutex_) = false;  // somebody has the turn
  ViewMarker marker_ ABSL_GUARDED_BY(mutex_);       // changed by who has the turn
  std::optional<RowComparison> comparison_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ViewCopy> live_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ViewCopy> next_ ABSL_GUARDED_BY(mutex_);  // catches up, before a switch
  // Of the copy that answered before the last switch.
  std::shared_ptr<absl::Notification> retired_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace records::projections
