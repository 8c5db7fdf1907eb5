#include "services/ledger/log_tail.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "eventstore/status_macros.h"

namespace records::services {

namespace api = records::api::v1;
using eventstore::Ledger;
using eventstore::Position;

struct LogTails::Tail {
  std::shared_ptr<TailReactor> reactor;
  Authorised caller;
  api::TailLogRequest request;
  std::vector<uint64_t> next;  // by partition: the next sequence to send
  std::atomic<bool> done = false;
  std::thread thread;
};

LogTails::LogTails(Backend backend) : backend_(backend) {}

LogTails::~LogTails() {
  stopping_ = true;
  absl::MutexLock lock(&mutex_);
  for (auto& tail : tails_) tail->reactor->End(absl::UnavailableError("the server is stopping"));
  for (auto& tail : tails_) tail->thread.join();
}

void LogTails::Reap() {
  auto over = std::partition(tails_.begin(), tails_.end(),
                             [](const auto& tail) { return !tail->done.load(); });
  for (auto tail = over; tail != tails_.end(); ++tail) (*tail)->thread.join();
  tails_.erase(over, tails_.end());
}

absl::Status LogTails::Start(std::shared_ptr<TailReactor> reactor, const Authorised& caller,
                             const api::TailLogRequest& request) {
  absl::MutexLock lock(&mutex_);
  Reap();
  if (stopping_ || tails_.size() >= kTailsMax) {
    return Overloaded("TAILS_TOO_MANY", "Too many tails of the log are open. Close one.",
                      absl::Seconds(10));
  }
  auto tail = std::make_unique<Tail>();
  tail->reactor = std::move(reactor);
  tail->caller = caller;
  tail->request = request;
  const uint64_t last = std::min(request.last(), kLastMax);
  for (uint32_t p = 0; p < backend_.runtime.log.partition_count(); ++p) {
    const uint64_t head = backend_.runtime.log.Head(Ledger::kEvents, p).sequence;
    tail->next.push_back(head - std::min(head, last) + 1);
  }
  tail->thread = std::thread([this, raw = tail.get()] { Run(*raw); });
  tails_.push_back(std::move(tail));
  return absl::OkStatus();
}

// Sends what is new in each partition; says whether there was anything.
absl::StatusOr<bool> LogTails::SendNew(Tail& tail) {
  bool any = false;
  for (uint32_t p = 0; p < tail.next.size(); ++p) {
    const auto& log = backend_.runtime.log;
    if (log.Head(Ledger::kEvents, p).sequence < tail.next[p]) continue;
    ASSIGN_OR_RETURN(auto page, log.ReadPartition(Ledger::kEvents, Position{p, tail.next[p]},
                                                  eventstore::ReadDirection::kForward, {}, {}));
    for (const auto& stored : page) {
      if (!tail.reactor->WaitForRoom()) return absl::CancelledError("the reader is gone");
      api::TailLogResponse message;
      message.set_partition(stored.position.partition);
      message.set_sequence(stored.position.sequence);
      message.set_type(stored.event.type());
      message.set_collection(stored.event.stream().collection());
      message.set_recorded_at_us(stored.event.recorded_at_us());
      message.set_bytes(static_cast<uint32_t>(stored.bytes.size()));
      message.set_sealed_parts(static_cast<uint32_t>(stored.event.sealed_size()));
      tail.reactor->Push(std::move(message));
      tail.next[p] = stored.position.sequence + 1;
      any = true;
    }
  }
  return any;
}

void LogTails::Run(Tail& tail) {
  bool caught_up = false;
  uint64_t seen = backend_.runtime.log.WaitForBatch(Ledger::kEvents, 0, absl::ZeroDuration());
  while (!stopping_ && !tail.reactor->over()) {
    auto any = SendNew(tail);
    absl::Status status =
        any.ok() ? backend_.authoriser.StillAuthorised(tail.caller) : any.status();
    if (!status.ok()) {
      tail.reactor->End(status);
      break;
    }
    if (*any) continue;
    if (!caught_up && tail.reactor->WaitForRoom()) {
      caught_up = true;
      api::TailLogResponse marker;
      marker.set_caught_up(true);
      tail.reactor->Push(std::move(marker));
    }
    if (tail.request.stop_at_head()) {
      tail.reactor->End(absl::OkStatus());
      break;
    }
    seen = backend_.runtime.log.WaitForBatch(Ledger::kEvents, seen, absl::Milliseconds(250));
  }
  tail.done = true;
}

}  // namespace records::services
