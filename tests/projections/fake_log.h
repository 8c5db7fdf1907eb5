#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/crypto.h"
#include "eventstore/log.h"

namespace records::projections {

// A log in memory for tests of views: what is appended is durable at once. It can lose its end,
// change its past, or be damaged at a position. Thread-safe.
class FakeLog final : public eventstore::EventLog {
 public:
  using Ledger = eventstore::Ledger;
  using Position = eventstore::Position;
  using StoredEvent = eventstore::StoredEvent;

  FakeLog(uint32_t partitions, eventstore::StoreId store)
      : store_(store), partitions_(partitions), trees_(partitions) {}

  // Appends to the partition of the event's root; returns the position.
  Position Add(records::log::v1::Event event) {
    const auto root = eventstore::RootId::FromBytes(event.stream().root());
    const uint32_t partition = eventstore::PartitionOf(*root, partition_count());
    absl::MutexLock lock(&mutex_);
    auto& events = partitions_[partition];
    const Position position{.partition = partition, .sequence = events.size() + 1};
    event.mutable_position()->set_partition(partition);
    event.mutable_position()->set_sequence(position.sequence);
    std::string bytes = event.SerializeAsString();
    const std::string before = events.empty() ? "" : trees_[partition].back();
    trees_[partition].push_back(Chained(before, bytes));
    events.push_back({position, std::move(event), std::move(bytes)});
    ++batches_;
    return position;
  }

  void LoseEnd(uint32_t partition, size_t kept) {
    absl::MutexLock lock(&mutex_);
    trees_[partition].resize(kept);
    partitions_[partition].resize(kept);
  }
  void ChangePast(Position position) {
    absl::MutexLock lock(&mutex_);
    std::string before;
    for (size_t i = 0; i < partitions_[position.partition].size(); ++i) {
      std::string& bytes = partitions_[position.partition][i].bytes;
      if (i + 1 == position.sequence) bytes += "x";
      trees_[position.partition][i] = before = Chained(before, bytes);
    }
  }
  void Damage(std::optional<Position> position) {
    absl::MutexLock lock(&mutex_);
    damaged_ = position;
  }
  // What FindHead() answers instead of the head; OK: the head.
  void set_head_error(absl::Status error) {
    absl::MutexLock lock(&mutex_);
    head_error_ = std::move(error);
  }

  std::vector<StoredEvent> All(uint32_t partition) const {
    absl::MutexLock lock(&mutex_);
    return partitions_[partition];
  }

  void AppendAsync(eventstore::Append, eventstore::AppendCallback done) override {
    done(absl::UnimplementedError("fake"));
  }
  absl::StatusOr<std::optional<std::vector<StoredEvent>>> FindRequest(
      const eventstore::RequestKey&) const override {
    return std::nullopt;
  }
  absl::StatusOr<StoredEvent> ReadAt(Ledger, Position position) const override {
    absl::MutexLock lock(&mutex_);
    const auto& events = partitions_[position.partition];
    if (position == damaged_) return absl::DataLossError("damaged");
    if (position.sequence == 0 || position.sequence > events.size()) {
      return absl::NotFoundError("beyond the head");
    }
    return events[position.sequence - 1];
  }
  absl::StatusOr<std::vector<StoredEvent>> ReadPartition(
      Ledger, Position, eventstore::ReadDirection, eventstore::ReadLimits,
      const std::vector<std::string>&) const override {
    return absl::UnimplementedError("fake");
  }
  absl::StatusOr<std::vector<StoredEvent>> ReadStream(Ledger, const eventstore::StreamName&,
                                                      eventstore::Revision,
                                                      eventstore::ReadDirection,
                                                      eventstore::ReadLimits) const override {
    return absl::UnimplementedError("fake");
  }
  absl::StatusOr<std::vector<StoredEvent>> ReadRoot(Ledger, const eventstore::RootId& root,
                                                    uint64_t after_sequence,
                                                    eventstore::ReadLimits limits) const override {
    std::vector<StoredEvent> found;
    for (StoredEvent& event : All(eventstore::PartitionOf(root, partition_count()))) {
      if (event.position.sequence <= after_sequence) continue;
      if (event.event.stream().root() != root.bytes()) continue;
      if (found.size() == limits.events) break;
      found.push_back(std::move(event));
    }
    return found;
  }
  absl::StatusOr<std::optional<eventstore::Revision>> StreamHead(
      Ledger, const eventstore::StreamName&) const override {
    return absl::UnimplementedError("fake");
  }
  Position Head(Ledger, uint32_t partition) const override {
    absl::MutexLock lock(&mutex_);
    return {.partition = partition, .sequence = partitions_[partition].size()};
  }
  absl::StatusOr<Position> FindHead(Ledger ledger, uint32_t partition) const override {
    {
      absl::MutexLock lock(&mutex_);
      if (!head_error_.ok()) return head_error_;
    }
    return Head(ledger, partition);
  }
  uint64_t WaitForBatch(Ledger, uint64_t seen, absl::Duration wait) const override {
    absl::MutexLock lock(&mutex_);
    const auto more = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return batches_ > seen; };
    mutex_.AwaitWithTimeout(absl::Condition(&more), wait);
    return batches_;
  }
  absl::StatusOr<std::unique_ptr<eventstore::Follower>> Follow(
      eventstore::FollowOptions options) const override {
    return std::make_unique<FakeFollower>(*this, options.after);
  }
  absl::StatusOr<eventstore::PartitionCheckpoint> CheckpointAt(Ledger,
                                                               Position position) const override {
    absl::MutexLock lock(&mutex_);
    const auto& events = partitions_[position.partition];
    if (position.sequence > events.size()) return absl::OutOfRangeError("beyond the head");
    eventstore::PartitionCheckpoint checkpoint{.store = store_, .position = position};
    if (position.sequence == 0) return checkpoint;
    const std::string& root = trees_[position.partition][position.sequence - 1];
    std::copy(root.begin(), root.end(), checkpoint.root.begin());
    return checkpoint;
  }
  absl::Status VerifyCheckpoint(Ledger ledger,
                                const eventstore::PartitionCheckpoint& checkpoint) const override {
    if (checkpoint.store != store_) return absl::FailedPreconditionError("of another log");
    const auto own = CheckpointAt(ledger, checkpoint.position);
    if (!own.ok()) return own.status();
    return own->root == checkpoint.root ? absl::OkStatus() : absl::DataLossError("roots differ");
  }
  absl::StatusOr<std::string> SignedCheckpoint() override {
    return absl::UnimplementedError("fake");
  }
  std::string VerifierKey() const override { return ""; }
  eventstore::StoreId store_id() const override { return store_; }
  uint32_t partition_count() const override { return static_cast<uint32_t>(partitions_.size()); }
  absl::Status WriteHealth() const override { return absl::OkStatus(); }

 private:
  class FakeFollower final : public eventstore::Follower {
   public:
    FakeFollower(const FakeLog& log, Position after) : log_(log), after_(after) {}
    absl::StatusOr<eventstore::FollowMessage> Next(absl::Duration) override {
      const Position next{.partition = after_.partition, .sequence = after_.sequence + 1};
      auto event = log_.ReadAt(Ledger::kEvents, next);
      if (absl::IsNotFound(event.status())) return eventstore::FollowMessage{};
      if (!event.ok()) return event.status();
      after_ = next;
      return eventstore::FollowMessage{.kind = eventstore::FollowMessage::Kind::kEvent,
                                       .event = *std::move(event),
                                       .checkpoint = next};
    }

   private:
    const FakeLog& log_;
    Position after_;
  };

  // Stands for the tree: each digest covers the one before.
  static std::string Chained(absl::string_view before, absl::string_view bytes) {
    return std::string(eventstore::AsBytes(eventstore::Sha256({before, bytes})));
  }

  const eventstore::StoreId store_;
  mutable absl::Mutex mutex_;
  std::vector<std::vector<StoredEvent>> partitions_;  // sized once
  std::vector<std::vector<std::string>> trees_ ABSL_GUARDED_BY(mutex_);
  std::optional<Position> damaged_ ABSL_GUARDED_BY(mutex_);
  absl::Status head_error_ ABSL_GUARDED_BY(mutex_);
  uint64_t batches_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace records::projections
