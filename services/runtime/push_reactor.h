#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/errors/errors.h"

namespace records::services {

// The server's side of a stream of replies: others push, one write is under way at a time, and no
// more than kQueueMax messages wait, so that a slow reader costs a bounded amount and holds up
// nobody.
//
// Thread-safe. Lives until gRPC is done with the call, and as long as somebody else holds it.
template <typename Response>
class PushReactor final : public grpc::ServerWriteReactor<Response> {
 public:
  static constexpr size_t kQueueMax = 64;

  static std::shared_ptr<PushReactor> Create() {
    auto reactor = std::shared_ptr<PushReactor>(new PushReactor());
    absl::MutexLock lock(&reactor->mutex_);
    reactor->self_ = reactor;
    return reactor;
  }

  // Queues a message. False: the stream is over, or the reader is too slow for it.
  bool Push(Response message) {
    std::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      if (end_.has_value() || queue_.size() >= kQueueMax) return false;
      queue_.push_back(std::move(message));
      end = Advance();
    }
    if (end.has_value()) this->Finish(*end);
    return true;
  }

  // Ends the stream with `status` once what is queued is written. Later calls change nothing.
  void End(absl::Status status) {
    std::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      if (!end_.has_value()) end_ = ToGrpcStatus(status);
      end = Advance();
    }
    if (end.has_value()) this->Finish(*end);
  }

  // Ends the stream with `status`, and drops what is queued but for the message that gRPC has
  // already. Later calls change nothing.
  void Cut(absl::Status status) {
    std::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      if (!end_.has_value()) end_ = ToGrpcStatus(status);
      DropQueued();
      end = Advance();
    }
    if (end.has_value()) this->Finish(*end);
  }

  bool over() const {
    absl::MutexLock lock(&mutex_);
    return end_.has_value();
  }

  // Room for this many messages more.
  size_t room() const {
    absl::MutexLock lock(&mutex_);
    return end_.has_value() ? 0 : kQueueMax - queue_.size();
  }

  // Waits until there is room or the stream is over; true for room.
  bool WaitForRoom() {
    absl::MutexLock lock(&mutex_);
    auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return end_.has_value() || queue_.size() < kQueueMax;
    };
    mutex_.Await(absl::Condition(&ready));
    return !end_.has_value();
  }

  // Called whenever all that was queued is written. Set before the first push; must not block.
  void OnDrained(std::function<void()> drained) {
    absl::MutexLock lock(&mutex_);
    if (!done_) on_drained_ = std::move(drained);
  }

  // Called once gRPC is done with the call; at once when it already is. Set before the first push.
  void OnOver(absl::AnyInvocable<void()> over) {
    {
      absl::MutexLock lock(&mutex_);
      if (!done_) {
        on_over_ = std::move(over);
        return;
      }
    }
    over();
  }

  void OnWriteDone(bool ok) override {
    std::optional<grpc::Status> end;
    std::function<void()> drained;
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      queue_.pop_front();
      if (!ok) Abandon();
      if (queue_.empty() && !end_.has_value()) drained = on_drained_;
      end = Advance();
    }
    if (end.has_value()) return this->Finish(*end);
    if (drained) drained();
  }

  void OnCancel() override {
    std::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      Abandon();
      end = Advance();
    }
    if (end.has_value()) this->Finish(*end);
  }

  void OnDone() override {
    std::shared_ptr<PushReactor> self;
    absl::AnyInvocable<void()> over;
    {
      absl::MutexLock lock(&mutex_);
      if (!end_.has_value()) end_ = grpc::Status::CANCELLED;
      done_ = true;
      self = std::move(self_);
      over = std::move(on_over_);
      on_drained_ = nullptr;
    }
    if (over) over();
  }

 private:
  PushReactor() = default;

  void Abandon() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!end_.has_value()) end_ = grpc::Status::CANCELLED;
    DropQueued();
  }

  void DropQueued() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    queue_.erase(queue_.begin() + (writing_ ? 1 : 0), queue_.end());
  }

  // Starts the next write, or returns the status to finish with: outside the lock.
  std::optional<grpc::Status> Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return std::nullopt;
    if (!queue_.empty()) {
      writing_ = true;
      this->StartWrite(&queue_.front());
      return std::nullopt;
    }
    if (!end_.has_value()) return std::nullopt;
    finished_ = true;
    return end_;
  }

  mutable absl::Mutex mutex_;
  std::shared_ptr<PushReactor> self_ ABSL_GUARDED_BY(mutex_);
  std::deque<Response> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_drained_ ABSL_GUARDED_BY(mutex_);
  absl::AnyInvocable<void()> on_over_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::services
