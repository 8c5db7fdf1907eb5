#include "services/ledger/log_follows.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "eventstore/status_macros.h"

namespace records::services {
namespace {

using eventstore::Ledger;
using eventstore::Position;

constexpr absl::Duration kCheckEvery = absl::Milliseconds(250);

bool HasReached(const LogFollow& follow, const std::vector<uint64_t>& owed) {
  for (uint32_t p = 0; p < owed.size(); ++p) {
    if (follow.after(p) < owed[p]) return false;
  }
  return true;
}

absl::Status ReaderGone() { return absl::CancelledError("the reader is gone"); }

}  // namespace

LogFollows::~LogFollows() {
  stopping_ = true;
  absl::MutexLock lock(&mutex_);
  for (auto& open : open_) open->follow->End(absl::UnavailableError("the server is stopping"));
  for (auto& open : open_) open->thread.join();
}

void LogFollows::Reap() {
  auto over = std::partition(open_.begin(), open_.end(),
                             [](const auto& open) { return !open->done.load(); });
  for (auto open = over; open != open_.end(); ++open) (*open)->thread.join();
  open_.erase(over, open_.end());
}

bool LogFollows::IsFull(const Authorised& caller) const {
  const auto of_caller = absl::c_count_if(open_, [&caller](const auto& open) {
    return open->caller.Name() == caller.Name() && !open->follow->over();
  });
  return stopping_ || open_.size() >= limits_.open_max ||
         static_cast<size_t>(of_caller) >= limits_.open_of_one_caller_max;
}

absl::Status LogFollows::Start(std::unique_ptr<LogFollow> follow, const Authorised& caller,
                               bool stop_at_head) {
  absl::MutexLock lock(&mutex_);
  Reap();
  if (IsFull(caller)) return Overloaded(limits_.reason, limits_.message, absl::Seconds(10));
  auto open = std::make_unique<Open>();
  open->follow = std::move(follow);
  open->caller = caller;
  open->stop_at_head = stop_at_head;
  const auto& log = backend_.runtime.log;
  for (uint32_t p = 0; p < log.partition_count(); ++p) {
    open->owed.push_back(log.Head(Ledger::kEvents, p).sequence);
  }
  open->thread = std::thread([this, raw = open.get()] { Run(*raw); });
  open_.push_back(std::move(open));
  return absl::OkStatus();
}

absl::StatusOr<bool> LogFollows::SendNew(Open& open, size_t room) {
  const auto& log = backend_.runtime.log;
  const uint32_t partitions = log.partition_count();
  bool any = false;
  for (uint32_t i = 0; i < partitions; ++i) {
    const uint32_t p = (open.turn + i) % partitions;
    const uint64_t next = open.follow->after(p) + 1;
    if (log.Head(Ledger::kEvents, p).sequence < next) continue;
    ASSIGN_OR_RETURN(auto page, log.ReadPartition(Ledger::kEvents, Position{p, next},
                                                  eventstore::ReadDirection::kForward, {}, {}));
    for (const auto& stored : page) {
      if (stopping_ || open.follow->over()) return ReaderGone();
      open.follow->Pass(stored.position);
      ASSIGN_OR_RETURN(const bool sent, open.follow->Send(stored));
      any = true;
      if (!sent || --room > 0) continue;
      open.turn = (p + 1) % partitions;
      return true;
    }
  }
  return any;
}

absl::Status LogFollows::Serve(Open& open) {
  const auto& log = backend_.runtime.log;
  const auto& clock = backend_.runtime.clock;
  bool caught_up = false;
  absl::Time last_marker = clock.Now();
  uint64_t seen = log.WaitForBatch(Ledger::kEvents, 0, absl::ZeroDuration());
  while (true) {
    const size_t room = open.follow->WaitForRoom();
    if (stopping_ || room == 0) return ReaderGone();
    RETURN_IF_ERROR(backend_.authoriser.StillAuthorised(open.caller));
    const bool first = !caught_up && HasReached(*open.follow, open.owed);
    const absl::Time now = clock.Now();
    if (first || now - last_marker >= kSignOfLifeEvery) {
      RETURN_IF_ERROR(open.follow->SendMarker(first));
      caught_up = caught_up || first;
      last_marker = now;
      if (first && open.stop_at_head) return absl::OkStatus();
      continue;
    }
    ASSIGN_OR_RETURN(const bool any, SendNew(open, room));
    if (!any) seen = log.WaitForBatch(Ledger::kEvents, seen, kCheckEvery);
  }
}

void LogFollows::Run(Open& open) {
  const absl::Status status = Serve(open);
  // What waits for a slow reader is dropped with the right to read it.
  status.ok() ? open.follow->End(status) : open.follow->Cut(status);
  open.done = true;
}

}  // namespace records::services
