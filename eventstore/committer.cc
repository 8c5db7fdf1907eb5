#include "eventstore/committer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

absl::Status NoMoreWrites() {
  return absl::UnavailableError("the log takes no writes: it is closing, or a write has failed");
}

absl::Status OutcomeUnknown() {
  return absl::UnknownError(
      "the log could not make this durable: it may be there or not. Try again with the same "
      "request "
      "id.");
}

// For a planted bug.
StorageBatch WithoutRequests(const StorageBatch& batch) {
  StorageBatch rest;
  for (const StorageBatch::Change& change : batch.changes()) {
    if (change.table != kRequestsTable) rest.Put(change.table, change.key, change.value);
  }
  return rest;
}

}  // namespace

Committer::Committer(CommitterOptions options, LogState state)
    : options_(std::move(options)),
      builder_(*options_.storage, options_.guard, std::move(state), options_.cached_streams_max),
      erasures_{options_.anchored.erasure_ledger_size, options_.anchored.erasure_ledger_head} {
  if (options_.own_thread) thread_ = std::thread([this] { Run(); });
}

void Committer::Enqueue(PreparedAppend prepared, AppendCallback done) {
  absl::Status refusal;
  {
    absl::MutexLock lock(&mutex_);
    if (closing_ || !health_.ok()) {
      refusal = NoMoreWrites();
    } else if (queue_.size() >= kQueuedAppendsMax ||
               queued_bytes_ + prepared.bytes > kQueuedBytesMax) {
      refusal = absl::ResourceExhaustedError(
          "LOG_BUSY: too many appends wait for the disk. Try again later.");
    } else {
      queued_bytes_ += prepared.bytes;
      queue_.push_back({std::move(prepared), std::move(done)});
      return;
    }
  }
  Answer(std::move(done), std::move(refusal));
}

void Committer::Close() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
  }
  if (thread_.joinable()) thread_.join();
  if (options_.own_thread) return;
  while (CommitOnce()) {
  }
}

void Committer::SetStoreState(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  store_state_ = status;
}

ErasureHead Committer::erasures() const {
  absl::MutexLock lock(&mutex_);
  return erasures_;
}

void Committer::SetErasures(const ErasureHead& head) {
  absl::MutexLock lock(&mutex_);
  erasures_ = head;
}

absl::Status Committer::health() const {
  absl::MutexLock lock(&mutex_);
  if (!health_.ok()) return health_;
  if (closing_) return NoMoreWrites();
  return store_state_;
}

absl::Status Committer::Pause(absl::FunctionRef<absl::Status(const LogAnchor&)> work) {
  Paused paused{work};
  {
    absl::MutexLock lock(&mutex_);
    if (closing_ || !health_.ok()) return NoMoreWrites();
    pauses_.push_back(&paused);
  }
  if (!options_.own_thread) ServePauses();
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&paused.done));
  return paused.result;
}

void Committer::ServePauses() {
  std::deque<Paused*> pauses;
  absl::Status health;
  {
    absl::MutexLock lock(&mutex_);
    pauses.swap(pauses_);
    health = health_;
  }
  for (Paused* paused : pauses) {
    paused->result = health.ok() ? paused->work(options_.anchored) : NoMoreWrites();
    absl::MutexLock lock(&mutex_);
    paused->done = true;
  }
}

void Committer::Run() {
  bool open = true;
  while (open) {
    AwaitBatch();
    ServePauses();
    if (CommitOnce()) continue;
    absl::MutexLock lock(&mutex_);
    open = !closing_ || !pauses_.empty();
  }
}

bool Committer::CommitOnce() {
  std::vector<Waiting> batch = TakeBatch();
  if (batch.empty()) return false;
  Commit(std::move(batch));
  return true;
}

absl::Status Committer::WriteStored(Ledger ledger, std::vector<StoredEvent> events) {
  RETURN_IF_ERROR(health());
  builder_.Begin(options_.clock->Now(), MeasureRoom());
  absl::Status status;
  for (StoredEvent& event : events) {
    status = builder_.AddStored(ledger, std::move(event));
    if (!status.ok()) break;
  }
  if (status.ok()) status = Persist();
  // The builder's memory is ahead of the store now.
  if (!status.ok()) StopWrites(status);
  return status;
}

void Committer::AwaitBatch() {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return closing_ || !queue_.empty() || !pauses_.empty();
  };
  mutex_.Await(absl::Condition(&ready));
}

std::vector<Committer::Waiting> Committer::TakeBatch() {
  absl::MutexLock lock(&mutex_);
  std::vector<Waiting> batch;
  size_t events = 0;
  size_t bytes = 0;
  while (!queue_.empty()) {
    const PreparedAppend& next = queue_.front().prepared;
    if (events + next.append.events.size() > kBatchEventsMax) break;
    if (bytes + next.bytes > kBatchBytesMax) break;
    events += next.append.events.size();
    bytes += next.bytes;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queued_bytes_ -= bytes;
  return batch;
}

Room Committer::MeasureRoom() const {
  if (options_.space == nullptr) return Room::kEnough;
  const absl::StatusOr<uint64_t> available = options_.space->AvailableBytes();
  // A disk that cannot be asked is written to: the write itself will tell.
  if (!available.ok() || *available >= options_.disk_reserve_bytes) return Room::kEnough;
  return *available >= options_.disk_floor_bytes ? Room::kReserveOnly : Room::kNone;
}

void Committer::Commit(std::vector<Waiting> batch) {
  absl::Status state;
  {
    absl::MutexLock lock(&mutex_);
    state = health_.ok() ? store_state_ : health_;
  }
  if (!state.ok() && !absl::IsResourceExhausted(state)) {
    std::deque<Waiting> dropped = StopWrites(state);
    for (Waiting& waiting : batch) Answer(std::move(waiting.done), NoMoreWrites());
    return TellOwner(state, std::move(dropped));
  }
  builder_.Begin(options_.clock->Now(), state.ok() ? MeasureRoom() : Room::kNone);
  std::vector<Deferred> deferred;
  absl::Status store_failure;
  for (Waiting& waiting : batch) {
    Decision decision = store_failure.ok() ? builder_.Add(std::move(waiting.prepared))
                                           : Decision{.outcome = NoMoreWrites()};
    if (decision.store_failed) store_failure = decision.outcome.status();
    if (decision.after_batch) {
      deferred.push_back({std::move(waiting.done), std::move(decision.outcome)});
    } else {
      Answer(std::move(waiting.done), std::move(decision.outcome));
    }
  }
  if (PLANTED_BUG("acknowledge-before-sync")) Answer(std::exchange(deferred, {}));
  absl::Status failure = Persist();
  if (!failure.ok()) {
    for (Deferred& answer : deferred) answer.outcome = OutcomeUnknown();
  } else {
    failure = store_failure;
  }
  // Who hears that a write failed must find the log closed to writes.
  std::deque<Waiting> dropped;
  if (!failure.ok()) dropped = StopWrites(failure);
  Answer(std::move(deferred));
  if (!failure.ok()) TellOwner(failure, std::move(dropped));
}

absl::Status Committer::Persist() {
  if (builder_.batch().empty()) return absl::OkStatus();
  if (PLANTED_BUG("publish-before-durable")) options_.board->Publish(builder_.FinishHeads());
  if (PLANTED_BUG("anchor-before-sync")) RETURN_IF_ERROR(WriteAnchor());
  if (PLANTED_BUG("request-id-apart")) {
    RETURN_IF_ERROR(
        options_.storage->Write(WithoutRequests(builder_.batch()), Storage::Durability::kSynced));
  }
  const auto durability =
      PLANTED_BUG("lying-fsync") ? Storage::Durability::kUnsynced : Storage::Durability::kSynced;
  RETURN_IF_ERROR(options_.storage->Write(builder_.batch(), durability));
  if (!PLANTED_BUG("anchor-never")) RETURN_IF_ERROR(WriteAnchor());
  options_.board->Publish(builder_.FinishHeads());
  return absl::OkStatus();
}

absl::Status Committer::WriteAnchor() {
  options_.anchored.trees = builder_.FinishHeads();
  if (options_.guard != nullptr) options_.anchored.key_store_sequence = options_.guard->Sequence();
  const ErasureHead erased = erasures();
  options_.anchored.erasure_ledger_size = erased.size;
  options_.anchored.erasure_ledger_head = erased.hash;
  ASSIGN_OR_RETURN(const std::string payload, EncodeLogAnchor(options_.anchored));
  return options_.anchor->Write(payload);
}

void Committer::Answer(AppendCallback done, absl::StatusOr<Appended> outcome) {
  options_.completions->Push([done = std::move(done), outcome = std::move(outcome)]() mutable {
    std::move(done)(std::move(outcome));
  });
}

void Committer::Answer(std::vector<Deferred> deferred) {
  std::vector<CompletionQueue::Task> tasks;
  tasks.reserve(deferred.size());
  for (Deferred& answer : deferred) {
    tasks.push_back([done = std::move(answer.done), outcome = std::move(answer.outcome)]() mutable {
      std::move(done)(std::move(outcome));
    });
  }
  options_.completions->Push(std::move(tasks));
}

std::deque<Committer::Waiting> Committer::StopWrites(const absl::Status& cause) {
  if (PLANTED_BUG("writes-go-on-after-failure")) return {};
  absl::MutexLock lock(&mutex_);
  if (health_.ok()) {
    health_ = absl::UnavailableError(
        absl::StrCat("the log takes no writes until it is opened again: ", cause.message()));
  }
  queued_bytes_ = 0;
  return std::exchange(queue_, {});
}

void Committer::TellOwner(const absl::Status& cause, std::deque<Waiting> dropped) {
  for (Waiting& waiting : dropped) Answer(std::move(waiting.done), NoMoreWrites());
  if (!options_.on_fatal || std::exchange(owner_told_, true)) return;
  options_.completions->Push([on_fatal = options_.on_fatal, cause] { on_fatal(cause); });
}

}  // namespace records::eventstore
