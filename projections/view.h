#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/log.h"
#include "eventstore/storage.h"
#include "projections/projection.h"
#include "projections/runner.h"
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

// A storage and the runner that keeps it up. Stops and closes with its last holder.
struct ViewCopy {
  GenerationId id;
  std::unique_ptr<eventstore::Storage> storage;
  std::unique_ptr<Runner> runner;  // after the storage: ends before it
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

  // Folds a new copy from the first event, waits until it has come to where the log stands now, and
  // switches to it. The copy before stays on the disk. Until then, and on any error, nothing
  // changes.
  //   kDeadlineExceeded    it did not come so far in time
  //   kFailedPrecondition  it parked a root that is not parked in the live copy
  [[nodiscard]] absl::Status Rebuild(absl::Time deadline);

  // Switches back to the copy before, once that has come to where the log stands now.
  // kFailedPrecondition: there is none of this version. Else as Rebuild().
  [[nodiscard]] absl::Status Undo(absl::Time deadline);

  // Removes the copy before: there is nothing to go back to then.
  [[nodiscard]] absl::Status DropPrevious();

  // Ends folding for good, also of a copy that Rebuild() or Undo() wait for, which answer
  // kUnavailable then. Who holds a copy can go on reading it.
  void Stop();

 private:
  View(const eventstore::EventLog& log, const Projection& projection, ViewOptions options)
      : log_(log), projection_(projection), options_(std::move(options)) {}

  absl::StatusOr<std::shared_ptr<ViewCopy>> OpenCopy(GenerationId id) const;
  absl::Status CatchUp(const ViewCopy& copy, absl::Time deadline) const;
  absl::Status CheckParked(const ViewCopy& copy) const;
  // Lets Stop() reach the copy that a switch waits for. kUnavailable: stopped already.
  absl::Status SetNext(std::shared_ptr<ViewCopy> copy);
  absl::Status SwitchTo(GenerationId id, absl::Time deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(switching_);
  // Removes the folders of copies that the marker does not name.
  absl::Status RemoveLeftovers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(switching_);

  const eventstore::EventLog& log_;
  const Projection& projection_;
  const ViewOptions options_;

  absl::Mutex switching_;  // held through a rebuild; never together with a question
  ViewMarker marker_ ABSL_GUARDED_BY(switching_);
  mutable absl::Mutex mutex_;
  std::shared_ptr<ViewCopy> live_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ViewCopy> next_ ABSL_GUARDED_BY(mutex_);  // catches up, before a switch
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace records::projections
