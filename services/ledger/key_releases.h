#pragma once

#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/clock.h"
#include "eventstore/ids.h"

namespace records::services {

// Which data subjects' keys other processes may hold: what an erasure waits for.
//
// Thread-safe. Must not outlive the clock. Forgets what has ended; above kSubjectsMax it knows only
// of all subjects together, and an erasure then waits for no longer than the lease.
class KeyReleases {
 public:
  static constexpr size_t kSubjectsMax = 1'000'000;

  // What the process before had released is not known, so all subjects begin as released. `steady`
  // must not jump: leases count by the clocks of other processes, and an erasure waits for them.
  explicit KeyReleases(const eventstore::Clock& steady);

  // Keys of `subject` are about to leave this process.
  void Note(const eventstore::SubjectId& subject);

  // Whether every lease of a fenced subject has ended.
  [[nodiscard]] bool Ended(const eventstore::SubjectId& subject) const;

 private:
  void Forget(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const eventstore::Clock& steady_;
  mutable absl::Mutex mutex_;
  absl::Time all_until_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<eventstore::SubjectId, absl::Time> until_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::pair<absl::Time, eventstore::SubjectId>> in_order_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::services
