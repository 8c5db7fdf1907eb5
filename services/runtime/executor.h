#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace records::services {

// A few threads for work that may wait: a key to become durable, a view to catch up. Threads of
// gRPC and of the log never wait.
//
// Thread-safe. The destructor stops. Without threads (the simulation) RunOne() does the work.
class Executor {
 public:
  explicit Executor(int threads);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Runs what is queued and joins the threads; later work is refused. Again: nothing.
  void Stop();

  // Runs `work` on one of the threads. Returns false, and drops the work, when kQueueMax wait or
  // the executor was stopped.
  [[nodiscard]] bool Run(absl::AnyInvocable<void()> work);

  // Runs what has waited longest on this thread; false: nothing waits.
  bool RunOne();

  // More than the largest import window for each of the streams a server allows at once.
  static constexpr size_t kQueueMax = 16'384;

 private:
  void Loop();

  absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace records::services
