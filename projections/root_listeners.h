#pragma once

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/ids.h"

namespace records::projections {

// Live followers of one view.
inline constexpr size_t kRootListenersMax = 4096;

// Told after a batch that folded events of the root has become visible, with the last such
// position; with a nil one when there is something else to look at. Called from the runner's
// thread: it must not block, nor end its own subscription.
using RootCallback = absl::AnyInvocable<void(eventstore::Position last)>;

// Who wants to know when something happens under a root.
//
// Thread-safe. Must outlive its subscriptions.
class RootListeners {
 public:
  // Ends when it is destroyed: then its callback is not running and never runs again.
  class Subscription {
   public:
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

   private:
    friend class RootListeners;
    Subscription(RootListeners& listeners, eventstore::RootId root, uint64_t number)
        : listeners_(listeners), root_(root), number_(number) {}

    RootListeners& listeners_;
    const eventstore::RootId root_;
    const uint64_t number_;
  };

  // kResourceExhausted: kRootListenersMax stand already.
  [[nodiscard]] absl::StatusOr<std::unique_ptr<Subscription>> Add(const eventstore::RootId& root,
                                                                  RootCallback callback);

  void Notify(const absl::flat_hash_map<eventstore::RootId, eventstore::Position>& roots);

  // Tells all of them, whatever their root.
  void NotifyAll();

 private:
  void Remove(const eventstore::RootId& root, uint64_t number);

  absl::Mutex mutex_;
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<eventstore::RootId, absl::flat_hash_map<uint64_t, RootCallback>> callbacks_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::projections
