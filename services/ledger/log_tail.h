#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/log.h"
#include "records/api/v1/ledger_service.pb.h"
#include "services/runtime/push_reactor.h"
#include "services/runtime/rpc.h"

namespace records::services {

using TailReactor = PushReactor<records::api::v1::TailLogResponse>;

// The tails of the log that are open: each has a thread, so there are at most kTailsMax. Tails are
// for a person who looks; systems follow by the bus.
//
// Thread-safe. The destructor ends all tails and joins their threads.
class LogTails {
 public:
  static constexpr int kTailsMax = 8;
  static constexpr uint32_t kLastMax = 1000;

  explicit LogTails(Backend backend);
  ~LogTails();

  // RESOURCE_EXHAUSTED (TAILS_TOO_MANY): kTailsMax are open.
  absl::Status Start(std::shared_ptr<TailReactor> reactor, const Authorised& caller,
                     const records::api::v1::TailLogRequest& request);

 private:
  struct Tail;
  void Run(Tail& tail);
  absl::StatusOr<bool> SendNew(Tail& tail);
  void Reap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Backend backend_;
  std::atomic<bool> stopping_ = false;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Tail>> tails_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::services
