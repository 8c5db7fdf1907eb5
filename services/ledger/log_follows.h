#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/log.h"
#include "services/runtime/push_reactor.h"
#include "services/runtime/rpc.h"

namespace records::services {

// One call that reads the whole log as it grows. Used by one thread at a time, but for over() and
// End().
class LogFollow {
 public:
  // `after`: by partition, the last sequence that the reader is not owed.
  explicit LogFollow(std::vector<uint64_t> after) : after_(std::move(after)) {}
  virtual ~LogFollow() = default;

  // Sends what the reader is to get of an event, at most one message; says whether there was one.
  virtual absl::StatusOr<bool> Send(const eventstore::StoredEvent& event) = 0;
  // Says that all that stood at the start was sent, or else gives a sign of life.
  virtual absl::Status SendMarker(bool caught_up) = 0;

  // Waits until there is room for messages; for how many. 0: the call is over.
  virtual size_t WaitForRoom() = 0;
  virtual bool over() const = 0;
  // As those of PushReactor.
  virtual void End(absl::Status status) = 0;
  virtual void Cut(absl::Status status) = 0;

  uint64_t after(uint32_t partition) const { return after_[partition]; }
  void Pass(eventstore::Position position) { after_[position.partition] = position.sequence; }

 private:
  std::vector<uint64_t> after_;
};

// The part of it that is about the reader.
template <typename Response>
class PushedFollow : public LogFollow {
 public:
  PushedFollow(std::shared_ptr<PushReactor<Response>> reactor, std::vector<uint64_t> after)
      : LogFollow(std::move(after)), reactor_(std::move(reactor)) {}

  size_t WaitForRoom() final { return reactor_->WaitForRoom() ? reactor_->room() : 0; }
  bool over() const final { return reactor_->over(); }
  void End(absl::Status status) final { reactor_->End(std::move(status)); }
  void Cut(absl::Status status) final { reactor_->Cut(std::move(status)); }

 protected:
  void Push(Response message) { reactor_->Push(std::move(message)); }

 private:
  const std::shared_ptr<PushReactor<Response>> reactor_;
};

// How many may be open, and what is said when more are asked for.
struct LogFollowLimits {
  size_t open_max = 0;
  size_t open_of_one_caller_max = 0;
  std::string reason;
  std::string message;
};

// The follows of one kind that are open. Each has a thread, so that a slow reader holds up nobody
// else; before each batch, and several times a second, it is asked whether the caller may still
// read.
//
// Thread-safe. The destructor ends all and joins their threads.
class LogFollows {
 public:
  // A sign of life after that long without a message.
  static constexpr absl::Duration kSignOfLifeEvery = absl::Seconds(30);

  LogFollows(Backend backend, LogFollowLimits limits)
      : backend_(backend), limits_(std::move(limits)) {}
  ~LogFollows();

  // RESOURCE_EXHAUSTED: a limit.
  absl::Status Start(std::unique_ptr<LogFollow> follow, const Authorised& caller,
                     bool stop_at_head);

 private:
  struct Open {
    std::unique_ptr<LogFollow> follow;
    Authorised caller;
    bool stop_at_head = false;
    std::vector<uint64_t> owed;  // by partition: the head when the call began
    uint32_t turn = 0;           // the partition that is read first
    std::atomic<bool> done = false;
    std::thread thread;
  };

  void Run(Open& open);
  // Until the call is over, or all that it asked for was sent.
  absl::Status Serve(Open& open);
  // Sends at most `room` messages of what is new; says whether there was anything.
  absl::StatusOr<bool> SendNew(Open& open, size_t room);
  void Reap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsFull(const Authorised& caller) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Backend backend_;
  const LogFollowLimits limits_;
  std::atomic<bool> stopping_ = false;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Open>> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::services
