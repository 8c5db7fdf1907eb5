#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eventstore/anchor.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/committer.h"
#include "eventstore/completion_queue.h"
#include "eventstore/event_log.h"
#include "eventstore/head_board.h"
#include "eventstore/log_reader.h"
#include "eventstore/rocks_storage.h"
#include "eventstore/tree_reader.h"

// Private to event_log.cc and log_opening.cc.
namespace records::eventstore::internal {

// Brings the store's own state, which comes from RocksDB's threads, to the committer while it
// lives.
class StoreStateRelay {
 public:
  void Attach(Committer* committer);
  void Report(const absl::Status& status);

 private:
  absl::Mutex mutex_;
  Committer* committer_ ABSL_GUARDED_BY(mutex_) = nullptr;
  absl::Status last_ ABSL_GUARDED_BY(mutex_);
};

// What a log stands on. Destroyed from the bottom up.
struct LogParts {
  std::shared_ptr<void> folder_lock;
  std::unique_ptr<DiskSpace> owned_space;
  std::unique_ptr<CheckpointFiles> owned_checkpoint_files;
  std::shared_ptr<StoreStateRelay> relay;
  std::unique_ptr<Storage> owned_storage;
  Storage* storage = nullptr;
  // Null without files: CopyTo() is kUnimplemented then.
  RocksStorage* database = nullptr;
  AnchorFiles* anchor_files = nullptr;
  const DiskSpace* space = nullptr;
  std::unique_ptr<Anchor> anchor;
  LogAnchor anchored;
  std::unique_ptr<CheckpointSigner> signer;
};

class EventLogImpl final : public EventLog, public LogSteps, public StoredEventWriter {
 public:
  EventLogImpl(LogParts parts, LogState state, const LogOptions& options);
  ~EventLogImpl() override;

  void AppendAsync(Append append, AppendCallback done) override;
  absl::StatusOr<std::optional<std::vector<StoredEvent>>> FindRequest(
      const RequestKey& key) const override;
  absl::StatusOr<StoredEvent> ReadAt(Ledger ledger, Position position) const override;
  absl::StatusOr<std::vector<StoredEvent>> ReadPartition(
      Ledger ledger, Position from, ReadDirection direction, ReadLimits limits,
      const std::vector<std::string>& types) const override;
  absl::StatusOr<std::vector<StoredEvent>> ReadStream(Ledger ledger, const StreamName& stream,
                                                      Revision from, ReadDirection direction,
                                                      ReadLimits limits) const override;
  absl::StatusOr<std::vector<StoredEvent>> ReadRoot(Ledger ledger, const RootId& root,
                                                    uint64_t after_sequence,
                                                    ReadLimits limits) const override;
  absl::StatusOr<std::optional<Revision>> StreamHead(Ledger ledger,
                                                     const StreamName& stream) const override;
  absl::StatusOr<bool> StreamExists(Ledger ledger, const StreamName& stream) const override;
  Position Head(Ledger ledger, uint32_t partition) const override;
  uint64_t WaitForBatch(Ledger ledger, uint64_t seen, absl::Duration wait) const override;
  absl::StatusOr<std::unique_ptr<Follower>> Follow(FollowOptions options) const override;
  absl::StatusOr<PartitionCheckpoint> CheckpointAt(Ledger ledger, Position position) const override;
  absl::Status VerifyCheckpoint(Ledger ledger,
                                const PartitionCheckpoint& checkpoint) const override;
  absl::StatusOr<std::string> SignedCheckpoint() override;
  std::vector<KnownErasureHead> KnownErasures() const override;
  absl::StatusOr<std::vector<std::array<uint8_t, 32>>> ProveInclusion(
      Ledger ledger, Position position, uint64_t tree_size) const override;
  void SetErasureHead(const ErasureHead& head) override { committer_->SetErasures(head); }
  absl::StatusOr<LogCopy> CopyTo(const std::string& folder) override;
  absl::StatusOr<std::string> SignText(absl::string_view text) override {
    return parts_.signer->SignText(text);
  }
  std::string VerifierKey() const override { return parts_.signer->VerifierKey(); }
  StoreId store_id() const override { return store_; }
  uint32_t partition_count() const override { return board_.partition_count(); }
  absl::Status WriteHealth() const override { return committer_->health(); }

  bool CommitOnce() override { return committer_->CommitOnce(); }
  absl::Status WriteStored(std::vector<StoredEvent> events) override {
    return committer_->WriteStored(Ledger::kEvents, std::move(events));
  }
  size_t RunCallbacks() override { return completions_.RunWaiting(); }

 private:
  LogParts parts_;
  const StoreId store_;
  HeadBoard board_;
  const LogReader reader_;
  const TreeReader trees_;
  mutable std::atomic<size_t> followers_{0};
  CompletionQueue completions_;
  std::unique_ptr<Committer> committer_;
};

}  // namespace records::eventstore::internal
