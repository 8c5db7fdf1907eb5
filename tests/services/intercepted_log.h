#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/log.h"

namespace records::services::testing {

// A log that hands each append to a test before it goes on to the real one: the test may let it
// through, hold it, refuse it, or put another writer in between.
//
// Thread-safe. Must not outlive the real log.
class InterceptedLog final : public eventstore::EventLog {
 public:
  using Pass = std::function<void(eventstore::Append, eventstore::AppendCallback)>;
  // Called on the thread of the append, with what it came with and the way on.
  using Hook = std::function<void(eventstore::Append, eventstore::AppendCallback, const Pass&)>;

  explicit InterceptedLog(eventstore::EventLog& log) : log_(log) {}

  // Null: everything passes.
  void set_hook(Hook hook) {
    absl::MutexLock lock(&mutex_);
    hook_ = std::move(hook);
  }

  void AppendAsync(eventstore::Append append, eventstore::AppendCallback done) override {
    const Pass pass = [this](eventstore::Append to_append, eventstore::AppendCallback callback) {
      log_.AppendAsync(std::move(to_append), std::move(callback));
    };
    Hook hook;
    {
      absl::MutexLock lock(&mutex_);
      hook = hook_;
    }
    if (!hook) return pass(std::move(append), std::move(done));
    hook(std::move(append), std::move(done), pass);
  }

  absl::StatusOr<std::optional<std::vector<eventstore::StoredEvent>>> FindRequest(
      const eventstore::RequestKey& key) const override {
    return log_.FindRequest(key);
  }
  absl::StatusOr<eventstore::StoredEvent> ReadAt(eventstore::Ledger ledger,
                                                 eventstore::Position position) const override {
    return log_.ReadAt(ledger, position);
  }
  absl::StatusOr<std::vector<eventstore::StoredEvent>> ReadPartition(
      eventstore::Ledger ledger, eventstore::Position from, eventstore::ReadDirection direction,
      eventstore::ReadLimits limits, const std::vector<std::string>& types) const override {
    return log_.ReadPartition(ledger, from, direction, limits, types);
  }
  absl::StatusOr<std::vector<eventstore::StoredEvent>> ReadStream(
      eventstore::Ledger ledger, const eventstore::StreamName& stream, eventstore::Revision from,
      eventstore::ReadDirection direction, eventstore::ReadLimits limits) const override {
    return log_.ReadStream(ledger, stream, from, direction, limits);
  }
  absl::StatusOr<std::vector<eventstore::StoredEvent>> ReadRoot(
      eventstore::Ledger ledger, const eventstore::RootId& root, uint64_t after_sequence,
      eventstore::ReadLimits limits) const override {
    return log_.ReadRoot(ledger, root, after_sequence, limits);
  }
  absl::StatusOr<std::optional<eventstore::Revision>> StreamHead(
      eventstore::Ledger ledger, const eventstore::StreamName& stream) const override {
    return log_.StreamHead(ledger, stream);
  }
  absl::StatusOr<bool> StreamExists(eventstore::Ledger ledger,
                                    const eventstore::StreamName& stream) const override {
    return log_.StreamExists(ledger, stream);
  }
  eventstore::Position Head(eventstore::Ledger ledger, uint32_t partition) const override {
    return log_.Head(ledger, partition);
  }
  uint64_t WaitForBatch(eventstore::Ledger ledger, uint64_t seen,
                        absl::Duration wait) const override {
    return log_.WaitForBatch(ledger, seen, wait);
  }
  absl::StatusOr<std::unique_ptr<eventstore::Follower>> Follow(
      eventstore::FollowOptions options) const override {
    return log_.Follow(std::move(options));
  }
  absl::StatusOr<eventstore::PartitionCheckpoint> CheckpointAt(
      eventstore::Ledger ledger, eventstore::Position position) const override {
    return log_.CheckpointAt(ledger, position);
  }
  absl::Status VerifyCheckpoint(eventstore::Ledger ledger,
                                const eventstore::PartitionCheckpoint& checkpoint) const override {
    return log_.VerifyCheckpoint(ledger, checkpoint);
  }
  absl::StatusOr<std::string> SignedCheckpoint() override { return log_.SignedCheckpoint(); }
  std::vector<eventstore::KnownErasureHead> KnownErasures() const override {
    return log_.KnownErasures();
  }
  void SetErasureHead(const eventstore::ErasureHead& head) override { log_.SetErasureHead(head); }
  absl::StatusOr<std::vector<std::array<uint8_t, 32>>> ProveInclusion(
      eventstore::Ledger ledger, eventstore::Position position, uint64_t tree_size) const override {
    return log_.ProveInclusion(ledger, position, tree_size);
  }
  std::string VerifierKey() const override { return log_.VerifierKey(); }
  eventstore::StoreId store_id() const override { return log_.store_id(); }
  uint32_t partition_count() const override { return log_.partition_count(); }
  absl::Status WriteHealth() const override { return log_.WriteHealth(); }

 private:
  eventstore::EventLog& log_;
  absl::Mutex mutex_;
  Hook hook_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::services::testing
