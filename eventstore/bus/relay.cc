#include "eventstore/bus/relay.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "eventstore/bus/relay_session.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {

using State = RelayStatus::State;

namespace {

// How long the thread waits for the log before it looks whether it shall stop.
constexpr absl::Duration kIdleWait = absl::Milliseconds(50);

// What no new producer mends.
bool NeedsAHand(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsDataLoss(status) ||
         absl::IsInvalidArgument(status);
}

bool IsFenced(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) && status.message().substr(0, 12) == "RELAY_FENCED";
}

}  // namespace

Relay::Relay(const EventLog& log, RelayOptions options) : log_(log), options_(std::move(options)) {
  for (uint32_t partition = 0; partition < log_.partition_count(); ++partition) {
    published_.push_back({partition, 0});
  }
}

Relay::~Relay() { Stop(); }

void Relay::Start() {
  absl::MutexLock lock(&mutex_);
  if (status_.state != State::kReady) return;
  status_.state = State::kWaiting;
  thread_ = std::thread([this] { Run(); });
}

void Relay::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool Relay::Stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void Relay::Run() {
  absl::Duration wait = options_.retry_wait;
  while (!Stopping()) {
    bool committed = false;
    const absl::Status status = RunSession(committed);
    if (status.ok()) break;
    if (IsFenced(status)) {
      PublishState(State::kFenced, status);
      if (options_.on_fenced) options_.on_fenced(status);
      return;
    }
    if (NeedsAHand(status)) {
      PublishState(State::kRefused, status);
      return;
    }
    PublishState(State::kWaiting, status);
    wait = committed ? options_.retry_wait : std::min(2 * wait, options_.retry_wait_max);
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), wait);
  }
  PublishState(State::kStopped, absl::OkStatus());
}

// OK: it was asked to stop. `committed` is set when a transaction was.
absl::Status Relay::RunSession(bool& committed) {
  ASSIGN_OR_RETURN(const auto session, Session::Start(log_, options_));
  {
    absl::MutexLock lock(&mutex_);
    ++status_.sessions;
    status_.events_republished += session->republished();
  }
  PublishProgress(*session);
  PublishState(State::kRunning, absl::OkStatus());
  while (!Stopping()) {
    // Asked before the partitions are polled, so that nothing can come in between unseen.
    const uint64_t seen = log_.WaitForBatch(Ledger::kEvents, std::numeric_limits<uint64_t>::max(),
                                            absl::ZeroDuration());
    const absl::Time begin = options_.clock->Now();
    ASSIGN_OR_RETURN(const size_t events, session->PublishBatch());
    if (events == 0) {
      log_.WaitForBatch(Ledger::kEvents, seen, kIdleWait);
      continue;
    }
    committed = true;
    {
      absl::MutexLock lock(&mutex_);
      ++status_.transactions;
      status_.events_published += events;
    }
    PublishProgress(*session);
    if (events >= options_.batch_events / 2) continue;
    const absl::Duration wait =
        std::max(options_.gather_wait,
                 std::min(2 * (options_.clock->Now() - begin), options_.gather_wait_max));
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), wait);
  }
  return absl::OkStatus();
}

void Relay::PublishProgress(const Session& session) {
  absl::MutexLock lock(&mutex_);
  published_.clear();
  for (const PartitionCheckpoint& checkpoint : session.progress().partitions) {
    Position& published = published_.emplace_back(checkpoint.position);
    for (const StreamProgress& stream : session.progress().streams) {
      published.sequence =
          std::min(published.sequence, stream.partitions[published.partition].covered);
    }
  }
  streams_ = session.progress().streams;
}

void Relay::PublishState(State state, const absl::Status& error) {
  absl::MutexLock lock(&mutex_);
  status_.state = state;
  status_.error = error;
}

RelayStatus Relay::GetStatus() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

RelayLag Relay::MeasureLag() const {
  RelayLag lag;
  absl::Time oldest = absl::InfiniteFuture();
  for (uint32_t partition = 0; partition < log_.partition_count(); ++partition) {
    const uint64_t published = Published(partition).sequence;
    const Position head = log_.Head(Ledger::kEvents, partition);
    if (head.sequence <= published) continue;
    lag.events += head.sequence - published;
    const auto next = log_.ReadAt(Ledger::kEvents, {partition, published + 1});
    if (next.ok()) {
      oldest = std::min(oldest, absl::FromUnixMicros(next->event.recorded_at_us()));
    }
  }
  if (oldest != absl::InfiniteFuture()) {
    lag.age = std::max(absl::ZeroDuration(), options_.clock->Now() - oldest);
  }
  return lag;
}

Position Relay::Published(uint32_t partition) const {
  absl::MutexLock lock(&mutex_);
  if (partition >= published_.size()) return {.partition = partition, .sequence = 0};
  return published_[partition];
}

Position Relay::PublishedTo(absl::string_view topic, size_t partition) const {
  absl::MutexLock lock(&mutex_);
  for (const StreamProgress& stream : streams_) {
    if (stream.topic == topic && partition < stream.tails.size()) return stream.tails[partition];
  }
  return {};
}

absl::Status Relay::WaitFor(Position position, absl::Time deadline) const {
  absl::MutexLock lock(&mutex_);
  const auto done = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || status_.state == State::kRefused || status_.state == State::kFenced ||
           (position.partition < published_.size() &&
            published_[position.partition].sequence >= position.sequence);
  };
  if (!mutex_.AwaitWithDeadline(absl::Condition(&done), deadline)) {
    return absl::DeadlineExceededError("the event is not published yet");
  }
  if (position.partition < published_.size() &&
      published_[position.partition].sequence >= position.sequence) {
    return absl::OkStatus();
  }
  return status_.error.ok() ? absl::UnavailableError("the relay was stopped") : status_.error;
}

absl::Status Relay::WaitForAll(absl::Time deadline) const {
  for (uint32_t partition = 0; partition < log_.partition_count(); ++partition) {
    RETURN_IF_ERROR(WaitFor(log_.Head(Ledger::kEvents, partition), deadline));
  }
  return absl::OkStatus();
}

}  // namespace records::eventstore
