#include "projections/runner.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "eventstore/clock.h"
#include "eventstore/status_macros.h"

namespace records::projections {

using eventstore::EventLog;
using eventstore::Ledger;
using eventstore::Position;
using eventstore::RootId;
using State = RunnerStatus::State;

namespace {
constexpr int kNiceness = 5;
}

absl::StatusOr<std::unique_ptr<Runner>> Runner::Create(const EventLog& log,
                                                       const Projection& projection,
                                                       eventstore::Storage& storage,
                                                       RunnerOptions options) {
  ASSIGN_OR_RETURN(auto fold, ViewFold::Create(log, projection, storage, options.fold));
  return std::unique_ptr<Runner>(new Runner(log, std::move(fold), std::move(options)));
}

Runner::Runner(const EventLog& log, std::unique_ptr<ViewFold> fold, RunnerOptions options)
    : log_(log), options_(std::move(options)), fold_(std::move(fold)) {
  absl::MutexLock lock(&mutex_);
  CopyApplied();
  CopyParked();
}

Runner::~Runner() { Stop(); }

void Runner::Start() {
  absl::MutexLock lock(&mutex_);
  if (status_.state != State::kReady) return;
  status_.state = State::kRunning;
  thread_ = std::thread([this] { Run(); });
}

void Runner::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
  {
    absl::MutexLock lock(&mutex_);
    if (status_.state != State::kFailed) status_.state = State::kStopped;
  }
  TellWaiters();
  listeners_.NotifyAll();
}

void Runner::Pause() {
  absl::MutexLock lock(&mutex_);
  pause_wanted_ = true;
  const auto stands_still = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return paused_ || !IsFolding();
  };
  mutex_.Await(absl::Condition(&stands_still));
}

absl::Status Runner::PauseAt(std::vector<Position> heads, absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  pause_wanted_ = true;
  pause_at_ = std::move(heads);
  const auto stands_there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return (paused_ && IsWherePauseIs()) || !IsFolding();
  };
  const bool told = mutex_.AwaitWithDeadline(absl::Condition(&stands_there), deadline);
  if (!IsFolding()) return absl::UnavailableError("VIEW_STOPPED: the view does not fold");
  if (told) return absl::OkStatus();
  return absl::DeadlineExceededError("the view did not come to where it is to stand still");
}

bool Runner::IsFolding() const {
  return status_.state == State::kRunning || status_.state == State::kStalled;
}

void Runner::Resume() {
  absl::MutexLock lock(&mutex_);
  pause_wanted_ = false;
  pause_at_.clear();
}

bool Runner::IsWherePauseIs() const {
  return std::all_of(pause_at_.begin(), pause_at_.end(),
                     [this](const Position& head) ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
                       return applied_.at(head.partition).sequence >= head.sequence;
                     });
}

std::vector<Position> Runner::AwaitResume() {
  absl::MutexLock lock(&mutex_);
  const auto goes_on = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !pause_wanted_ || stopping_ || !IsWherePauseIs();
  };
  if (!goes_on()) {
    paused_ = true;
    mutex_.Await(absl::Condition(&goes_on));
    paused_ = false;
  }
  return pause_at_;
}

bool Runner::Stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void Runner::Run() {
  // Where the processor is short appends come first. Linux counts niceness by thread; without the
  // right to change it nothing is lost.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
  while (!Stopping()) {
    const std::vector<Position> up_to = AwaitResume();
    TellWaiters();  // whose deadline is past
    RunReplays();
    // Asked before the partitions are polled, so that nothing can come in between unseen.
    const uint64_t seen = log_.WaitForBatch(Ledger::kEvents, std::numeric_limits<uint64_t>::max(),
                                            absl::ZeroDuration());
    const auto progress = fold_->FoldBatch(up_to);
    if (absl::IsResourceExhausted(progress.status())) {
      PublishError(progress.status(), State::kStalled);
      WaitToRetry();
      continue;
    }
    if (!progress.ok()) {
      PublishError(progress.status(), State::kFailed);
      break;
    }
    Publish(*progress);
    if (progress->moved) {
      if (progress->events < options_.fold.batch_events / 2) Gather();
      continue;
    }
    if (progress->stalled.ok()) {
      log_.WaitForBatch(Ledger::kEvents, seen, options_.idle_wait);
    } else {
      WaitToRetry();
    }
  }
  {
    absl::MutexLock lock(&mutex_);
    if (status_.state != State::kFailed) status_.state = State::kStopped;
    EndReplays();
  }
  TellWaiters();
}

void Runner::WaitToRetry() const {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.retry_wait);
}

void Runner::Gather() const {
  absl::MutexLock lock(&mutex_);
  const auto hurry = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || pause_wanted_ || waiting_ > 0 || !waiters_.empty() || !replays_.empty();
  };
  mutex_.AwaitWithTimeout(absl::Condition(&hurry), options_.gather_wait);
}

void Runner::Publish(const FoldProgress& progress) {
  {
    absl::MutexLock lock(&mutex_);
    CopyApplied();
    status_.error = progress.stalled;
    status_.state = progress.stalled.ok() ? State::kRunning : State::kStalled;
    status_.events_folded += progress.events;
    if (progress.events > 0) ++status_.batches_written;
    if (!progress.parked.empty() || progress.unparked) CopyParked();
    if (!progress.parked.empty()) {
      std::tie(status_.last_parked, status_.last_parked_error) = progress.parked.back();
    }
  }
  TellWaiters();
  listeners_.Notify(progress.roots);
}

void Runner::PublishError(const absl::Status& error, State state) {
  absl::MutexLock lock(&mutex_);
  status_.error = error;
  status_.state = state;
}

void Runner::CopyApplied() {
  for (const uint32_t partition : fold_->partitions()) {
    applied_[partition] = fold_->Applied(partition);
  }
  status_.ended_roots = fold_->ended();
}

void Runner::CopyParked() {
  parked_.clear();
  for (const auto& [root, first] : fold_->parked()) parked_.push_back({root, first});
  std::sort(parked_.begin(), parked_.end(),
            [](const ParkedRoot& a, const ParkedRoot& b) { return a.root < b.root; });
}

std::optional<absl::Status> Runner::OutcomeOfWait(Position position, absl::Time deadline) const {
  const auto applied = applied_.find(position.partition);
  if (applied == applied_.end()) {
    return absl::InvalidArgumentError("this view does not fold that partition");
  }
  if (applied->second.sequence >= position.sequence) return absl::OkStatus();
  if (stopping_ || status_.state == State::kFailed || status_.state == State::kStopped) {
    return absl::UnavailableError("VIEW_STOPPED: the view does not fold");
  }
  if (eventstore::SystemClock().Now() < deadline) return std::nullopt;
  return absl::DeadlineExceededError("the view has not reached the write within the deadline");
}

absl::Status Runner::WaitFor(Position position, absl::Time deadline) const {
  absl::MutexLock lock(&mutex_);
  const auto settled = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return OutcomeOfWait(position, absl::InfiniteFuture()).has_value();
  };
  ++waiting_;
  mutex_.AwaitWithDeadline(absl::Condition(&settled), deadline);
  --waiting_;
  return *OutcomeOfWait(position, absl::InfinitePast());
}

void Runner::WhenApplied(Position position, absl::Time deadline,
                         absl::AnyInvocable<void(absl::Status)> done) {
  absl::Status outcome;
  {
    absl::MutexLock lock(&mutex_);
    auto settled = OutcomeOfWait(position, deadline);
    if (!settled.has_value() && waiters_.size() < kAppliedWaitersMax) {
      waiters_.push_back({position, deadline, std::move(done)});
      return;
    }
    outcome = settled.value_or(absl::ResourceExhaustedError(
        "VIEW_BEHIND: too many wait for the view already. Try again later."));
  }
  done(outcome);
}

void Runner::TellWaiters() {
  std::vector<std::pair<absl::AnyInvocable<void(absl::Status)>, absl::Status>> told;
  {
    absl::MutexLock lock(&mutex_);
    std::erase_if(waiters_, [&](AppliedWaiter& waiter) ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      auto outcome = OutcomeOfWait(waiter.position, waiter.deadline);
      if (outcome.has_value()) told.emplace_back(std::move(waiter.done), *std::move(outcome));
      return outcome.has_value();
    });
  }
  for (auto& [done, outcome] : told) done(outcome);
}

Position Runner::AppliedPosition(uint32_t partition) const {
  absl::MutexLock lock(&mutex_);
  const auto it = applied_.find(partition);
  return it == applied_.end() ? Position{.partition = partition} : it->second;
}

absl::StatusOr<std::unique_ptr<RootListeners::Subscription>> Runner::Subscribe(
    const RootId& root, RootCallback callback) {
  return listeners_.Add(root, std::move(callback));
}

std::vector<ParkedRoot> Runner::ParkedRoots() const {
  absl::MutexLock lock(&mutex_);
  return parked_;
}

absl::Status Runner::Replay(const RootId& root) {
  ReplayRequest request{.root = root};
  absl::MutexLock lock(&mutex_);
  if (!IsFolding() || stopping_)
    return absl::UnavailableError("VIEW_STOPPED: the view does not fold");
  replays_.push_back(&request);
  mutex_.Await(absl::Condition(&request.done));
  return request.result;
}

void Runner::RunReplays() {
  while (true) {
    RootId root;
    {
      absl::MutexLock lock(&mutex_);
      if (replays_.empty()) return;
      root = replays_.front()->root;
    }
    const absl::Status result = fold_->Replay(root);
    {
      absl::MutexLock lock(&mutex_);
      CopyParked();
      replays_.front()->result = result;
      replays_.front()->done = true;
      replays_.pop_front();
    }
    listeners_.Notify({{root, Position{}}});
  }
}

void Runner::EndReplays() {
  for (ReplayRequest* request : replays_) {
    request->result = absl::UnavailableError("VIEW_STOPPED: the view does not fold");
    request->done = true;
  }
  replays_.clear();
}

RunnerStatus Runner::GetStatus() const {
  absl::MutexLock lock(&mutex_);
  RunnerStatus status = status_;
  status.parked_roots = parked_.size();
  for (const auto& [partition, applied] : applied_) {
    const uint64_t head = log_.Head(Ledger::kEvents, partition).sequence;
    if (head > applied.sequence) status.lag_events += head - applied.sequence;
  }
  return status;
}

}  // namespace records::projections
