#pragma once

#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace records::eventstore {

// Runs callbacks in order on a thread of its own, so that the committer never runs a caller's code.
// Without a thread (the simulation), RunWaiting() runs them.
//
// Thread-safe. Destruction runs what waits, then ends the thread.
class CompletionQueue {
 public:
  using Task = absl::AnyInvocable<void()>;

  explicit CompletionQueue(bool own_thread = true) {
    if (own_thread) thread_ = std::thread([this] { Run(); });
  }
  ~CompletionQueue();
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;

  void Push(Task task);
  void Push(std::vector<Task> tasks);

  // Runs what waits now on this thread, and returns how many that were. REQUIRES: no own thread.
  size_t RunWaiting();

 private:
  void Run();

  absl::Mutex mutex_;
  std::vector<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace records::eventstore
