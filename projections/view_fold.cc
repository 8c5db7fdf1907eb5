#include "projections/view_fold.h"

#include <algorithm>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "projections/view_rows.h"

namespace records::projections {

using eventstore::EventLog;
using eventstore::FollowMessage;
using eventstore::Ledger;
using eventstore::PartitionCheckpoint;
using eventstore::Position;
using eventstore::RootId;
using eventstore::Storage;
using eventstore::StorageBatch;
using eventstore::StoredEvent;

namespace {

constexpr size_t kReplayPageEvents = 256;

absl::Status Annotate(const absl::Status& status, absl::string_view what) {
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

absl::StatusOr<RootId> RootOf(const StoredEvent& event) {
  auto root = RootId::FromBytes(event.event.stream().root());
  if (!root.ok()) return absl::DataLossError("an event of the log names no root");
  return root;
}

// What a batch says of the fold's own place, apart from its effects; for planted bugs.
[[maybe_unused]] StorageBatch PlacesIn(const StorageBatch& batch) {
  StorageBatch places;
  for (const StorageBatch::Change& change : batch.changes()) {
    if (change.table == kRunnerTable) places.Put(change.table, change.key, change.value);
  }
  return places;
}

}  // namespace

ViewFold::ViewFold(const EventLog& log, const Projection& projection, Storage& storage,
                   FoldOptions options)
    : log_(log),
      projection_(projection),
      storage_(storage),
      options_(std::move(options)),
      partitions_(options_.partitions),
      batch_(storage) {
  if (!partitions_.empty()) return;
  for (uint32_t i = 0; i < log.partition_count(); ++i) partitions_.push_back(i);
}

absl::StatusOr<std::unique_ptr<ViewFold>> ViewFold::Create(const EventLog& log,
                                                           const Projection& projection,
                                                           Storage& storage, FoldOptions options) {
  auto fold = std::unique_ptr<ViewFold>(new ViewFold(log, projection, storage, std::move(options)));
  for (const uint32_t partition : fold->partitions_) {
    RETURN_IF_ERROR(fold->LoadCheckpoint(partition));
  }
  RETURN_IF_ERROR(fold->LoadParked());
  ASSIGN_OR_RETURN(fold->ended_, ReadCount(storage, kEndedKey));
  return fold;
}

absl::Status ViewFold::LoadCheckpoint(uint32_t partition) {
  if (partition >= log_.partition_count()) {
    return absl::InvalidArgumentError(absl::StrCat("the log has no partition ", partition));
  }
  Partition& state = state_[partition];
  state.passed = state.written = state.stored = Position{.partition = partition, .sequence = 0};
  const std::string key = CheckpointKey(partition);
  ASSIGN_OR_RETURN(const auto row, storage_.Get(kRunnerTable, key));
  if (!row.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const PartitionCheckpoint checkpoint, DecodeCheckpoint(key, *row));
  if (const absl::Status status = log_.VerifyCheckpoint(Ledger::kEvents, checkpoint);
      !status.ok()) {
    return Annotate(status, absl::StrCat("view ", projection_.name(), ", partition ", partition,
                                         ", checkpoint ", checkpoint.position.sequence));
  }
  state.passed = state.written = state.stored = checkpoint.position;
  return absl::OkStatus();
}

absl::Status ViewFold::LoadParked() {
  const auto cursor = storage_.NewCursor(kRunnerTable);
  for (cursor->Seek(kParkedPrefix); cursor->Valid(); cursor->Next()) {
    if (!absl::StartsWith(cursor->key(), kParkedPrefix)) break;
    ASSIGN_OR_RETURN(const RootId root, RootOfParkedKey(cursor->key()));
    ASSIGN_OR_RETURN(parked_[root], DecodeParked(cursor->value()));
  }
  return cursor->status();
}

Position ViewFold::Applied(uint32_t partition) const {
  const auto it = state_.find(partition);
  return it == state_.end() ? Position{.partition = partition} : it->second.written;
}

bool ViewFold::BatchIsFull() const {
  return progress_.events >= options_.batch_events || batch_.kept_bytes() >= options_.batch_bytes;
}

void ViewFold::SetEnds(absl::Span<const Position> up_to) {
  for (auto& [number, partition] : state_) {
    partition.batch_end = log_.BatchEnd(Ledger::kEvents, number).sequence;
    partition.limit = std::numeric_limits<uint64_t>::max();
  }
  for (const Position end : up_to) {
    const auto it = state_.find(end.partition);
    if (it == state_.end()) continue;
    it->second.limit = end.sequence;
    it->second.batch_end = std::min(it->second.batch_end, end.sequence);
  }
}

absl::StatusOr<FoldProgress> ViewFold::FoldBatch(absl::Span<const Position> up_to) {
  RETURN_IF_ERROR(failed_);
  if (!has_unwritten_) {
    progress_ = {};
    SetEnds(up_to);
    bool more = true;
    while (more && !BatchIsFull() && failed_.ok()) {
      more = false;
      for (size_t i = 0; i < partitions_.size() && !BatchIsFull(); ++i) {
        const size_t turn = first_turn_++ % partitions_.size();
        if (FoldTurn(state_[partitions_[turn]])) more = true;
      }
    }
    RETURN_IF_ERROR(failed_);
    if (progress_.events == 0 && !CheckpointIsFarBehind()) {
      for (auto& [number, partition] : state_) partition.written = partition.passed;
      return std::move(progress_);
    }
    RETURN_IF_ERROR(SealBatch());
  }
  RETURN_IF_ERROR(WriteBatch());
  return std::move(progress_);
}

bool ViewFold::CheckpointIsFarBehind() const {
  return std::any_of(state_.begin(), state_.end(), [](const auto& numbered) {
    const Partition& partition = numbered.second;
    return partition.passed.sequence - partition.stored.sequence > kUnstoredEventsMax;
  });
}

bool ViewFold::FoldTurn(Partition& partition) {
  for (size_t i = 0; i < kEventsPerTurn && !BatchIsFull(); ++i) {
    absl::Status status = OpenFollower(partition);
    if (status.ok() && partition.passed.sequence >= partition.batch_end) return false;
    if (status.ok()) status = ReadWaiting(partition);
    if (status.ok() && !partition.waiting.has_value()) return false;
    if (status.ok() && partition.waiting->position.sequence > partition.limit) {
      // What lies between is of no concern to this view.
      partition.passed.sequence = std::max(partition.passed.sequence, partition.limit);
      return false;
    }
    if (status.ok()) status = FoldOrPark(*partition.waiting);
    if (!status.ok()) {
      if (!absl::IsUnavailable(status)) partition.error = status;
      progress_.stalled.Update(status);
      return false;
    }
    partition.passed = partition.waiting->position;
    partition.waiting.reset();
    progress_.moved = true;
    ++progress_.events;
  }
  return true;
}

absl::Status ViewFold::OpenFollower(Partition& partition) {
  RETURN_IF_ERROR(partition.error);
  if (partition.follower != nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(partition.follower,
                   log_.Follow({.after = partition.passed, .types = projection_.types()}));
  return absl::OkStatus();
}

absl::Status ViewFold::ReadWaiting(Partition& partition) {
  if (partition.waiting.has_value()) return absl::OkStatus();
  while (true) {
    ASSIGN_OR_RETURN(FollowMessage message, partition.follower->Next(absl::ZeroDuration()));
    if (message.kind == FollowMessage::Kind::kEvent) {
      partition.waiting = std::move(message.event);
      return absl::OkStatus();
    }
    // Events of other types were passed in between.
    if (message.checkpoint.sequence > partition.passed.sequence) {
      partition.passed = message.checkpoint;
      progress_.moved = true;
    }
    if (message.kind == FollowMessage::Kind::kHeartbeat) return absl::OkStatus();
  }
}

absl::Status ViewFold::FoldOrPark(const StoredEvent& event) {
  ASSIGN_OR_RETURN(const RootId root, RootOf(event));
  const bool parked = parked_.contains(root);
  const bool ends = projection_.EndsRoot(event);
  if (parked && !ends) return absl::OkStatus();
  const absl::Status status = Apply(event);
  if (status.ok()) {
    if (ends) NoteEnded(root);
    progress_.roots.insert_or_assign(root, event.position);
    return status;
  }
  if (!failed_.ok() || absl::IsUnavailable(status)) return status;
  if (parked) return absl::OkStatus();
  progress_.parked.emplace_back(event.position, status);
  return Park(root, event.position);
}

void ViewFold::NoteEnded(const RootId& root) {
  if (parked_.erase(root) > 0) {
    batch_.Delete(kRunnerTable, ParkedKey(root));
    progress_.unparked = true;
  }
  batch_.Put(kRunnerTable, kEndedKey, EncodeCount(++ended_));
  batch_.Keep();
}

absl::Status ViewFold::Apply(const StoredEvent& event) {
  const absl::Status status = projection_.Apply(event, batch_);
  if (!batch_.storage_error().ok()) return Fail(batch_.storage_error());
  if (status.ok() || PLANTED_BUG("view-keeps-a-refused-fold")) {
    batch_.Keep();
  } else {
    batch_.Discard();
  }
  return status;
}

absl::Status ViewFold::Park(const RootId& root, Position first) {
  if (parked_.size() >= kParkedRootsMax) {
    return Fail(absl::FailedPreconditionError("too many parked roots: the fold itself is broken"));
  }
  PutParked(root, first);
  return absl::OkStatus();
}

void ViewFold::PutParked(const RootId& root, Position first) {
  parked_.insert_or_assign(root, first);
  batch_.Put(kRunnerTable, ParkedKey(root), EncodeParked(first));
  batch_.Keep();
}

absl::Status ViewFold::Replay(const RootId& root) {
  RETURN_IF_ERROR(failed_);
  if (has_unwritten_) return absl::UnavailableError("the view has no room to write its last batch");
  if (!parked_.contains(root)) return absl::NotFoundError("this root is not parked");
  bool more = true;
  while (more) {
    progress_ = {};
    auto page = ReplayPage(root);
    // What was folded before an error is kept, with the place to go on from.
    RETURN_IF_ERROR(failed_);
    RETURN_IF_ERROR(SealBatch());
    RETURN_IF_ERROR(WriteBatch());
    ASSIGN_OR_RETURN(more, std::move(page));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ViewFold::ReplayPage(const RootId& root) {
  const Position first = parked_.at(root);
  const uint64_t applied = Applied(first.partition).sequence;
  ASSIGN_OR_RETURN(
      const std::vector<StoredEvent> events,
      log_.ReadRoot(Ledger::kEvents, root, first.sequence - 1, {.events = kReplayPageEvents}));
  for (const StoredEvent& event : events) {
    // What the view has not reached comes with the fold itself.
    if (event.position.sequence > applied) break;
    if (const absl::Status status = Apply(event); !status.ok()) {
      if (failed_.ok()) PutParked(root, event.position);
      return status;
    }
  }
  if (events.empty() || events.back().position.sequence > applied) {
    parked_.erase(root);
    batch_.Delete(kRunnerTable, ParkedKey(root));
    batch_.Keep();
    return false;
  }
  Position next = events.back().position;
  ++next.sequence;
  PutParked(root, next);
  return true;
}

absl::Status ViewFold::SealBatch() {
  for (const uint32_t number : partitions_) {
    const Partition& partition = state_[number];
    if (partition.passed == partition.stored) continue;
    const auto checkpoint = log_.CheckpointAt(Ledger::kEvents, partition.passed);
    if (!checkpoint.ok()) return Fail(checkpoint.status());
    batch_.Put(kRunnerTable, CheckpointKey(number), EncodeCheckpoint(*checkpoint));
  }
  batch_.Keep();
  unwritten_.Clear();
  batch_.MoveKeptInto(unwritten_);
  has_unwritten_ = true;
  return absl::OkStatus();
}

absl::Status ViewFold::WriteBatch() {
  if (PLANTED_BUG("view-checkpoint-apart")) {
    RETURN_IF_ERROR(storage_.Write(PlacesIn(unwritten_), Storage::Durability::kUnsynced));
  }
  const absl::Status status = storage_.Write(unwritten_, Storage::Durability::kUnsynced);
  if (absl::IsResourceExhausted(status)) {
    if (PLANTED_BUG("view-undo-keeps-place")) unwritten_ = PlacesIn(unwritten_);
    return status;
  }
  if (!status.ok()) return Fail(status);
  unwritten_.Clear();
  has_unwritten_ = false;
  for (auto& [number, partition] : state_) {
    partition.written = partition.stored = partition.passed;
  }
  return absl::OkStatus();
}

absl::Status ViewFold::Fail(absl::Status status) {
  failed_ = Annotate(status, absl::StrCat("view ", projection_.name()));
  return failed_;
}

}  // namespace records::projections
