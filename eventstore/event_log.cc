#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/follower.h"
#include "eventstore/internal/event_log_impl.h"
#include "eventstore/status_macros.h"

namespace records::eventstore::internal {
namespace {

std::vector<TreeHead> HeadsOf(const LogState& state) {
  std::vector<TreeHead> heads;
  heads.reserve(state.trees.size());
  for (const TileWriter& tree : state.trees) heads.push_back({tree.size(), tree.Root()});
  return heads;
}

}  // namespace

void StoreStateRelay::Attach(Committer* committer) {
  absl::MutexLock lock(&mutex_);
  committer_ = committer;
  if (committer_ != nullptr) committer_->SetStoreState(last_);
}

void StoreStateRelay::Report(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  last_ = status;
  if (committer_ != nullptr) committer_->SetStoreState(status);
}

EventLogImpl::EventLogImpl(LogParts parts, LogState state, const LogOptions& options)
    : parts_(std::move(parts)),
      store_(state.store),
      board_(state.partition_count, HeadsOf(state)),
      reader_(*parts_.storage, board_),
      trees_(*parts_.storage),
      completions_(options.own_threads) {
  CommitterOptions how;
  how.storage = parts_.storage;
  how.anchor = parts_.anchor.get();
  how.clock = options.clock;
  how.guard = options.guard;
  how.space = parts_.space;
  how.board = &board_;
  how.completions = &completions_;
  how.anchored = parts_.anchored;
  how.disk_reserve_bytes = options.disk_reserve_bytes;
  how.disk_floor_bytes = options.disk_floor_bytes;
  how.cached_streams_max = kCachedStreamsMax;
  how.on_fatal = options.on_fatal;
  how.own_thread = options.own_threads;
  committer_ = std::make_unique<Committer>(std::move(how), std::move(state));
  parts_.relay->Attach(committer_.get());
}

EventLogImpl::~EventLogImpl() {
  committer_->Close();
  board_.Close();
  parts_.relay->Attach(nullptr);
}

void EventLogImpl::AppendAsync(Append append, AppendCallback done) {
  absl::StatusOr<PreparedAppend> prepared = Prepare(std::move(append), board_.partition_count());
  if (prepared.ok()) return committer_->Enqueue(*std::move(prepared), std::move(done));
  completions_.Push([done = std::move(done), status = prepared.status()]() mutable {
    std::move(done)(std::move(status));
  });
}

absl::StatusOr<std::optional<std::vector<StoredEvent>>> EventLogImpl::FindRequest(
    const RequestKey& key) const {
  return reader_.FindRequest(key);
}

absl::StatusOr<StoredEvent> EventLogImpl::ReadAt(Ledger ledger, Position position) const {
  return reader_.ReadAt(ledger, position);
}

absl::StatusOr<std::vector<StoredEvent>> EventLogImpl::ReadPartition(
    Ledger ledger, Position from, ReadDirection direction, ReadLimits limits,
    const std::vector<std::string>& types) const {
  return reader_.ReadPartition(ledger, from, direction, limits, types);
}

absl::StatusOr<std::vector<StoredEvent>> EventLogImpl::ReadStream(Ledger ledger,
                                                                  const StreamName& stream,
                                                                  Revision from,
                                                                  ReadDirection direction,
                                                                  ReadLimits limits) const {
  return reader_.ReadStream(ledger, stream, from, direction, limits);
}

absl::StatusOr<std::vector<StoredEvent>> EventLogImpl::ReadRoot(Ledger ledger, const RootId& root,
                                                                uint64_t after_sequence,
                                                                ReadLimits limits) const {
  return reader_.ReadRoot(ledger, root, after_sequence, limits);
}

absl::StatusOr<std::optional<Revision>> EventLogImpl::StreamHead(Ledger ledger,
                                                                 const StreamName& stream) const {
  return reader_.StreamHead(ledger, stream);
}

absl::StatusOr<bool> EventLogImpl::StreamExists(Ledger ledger, const StreamName& stream) const {
  return reader_.StreamExists(ledger, stream);
}

Position EventLogImpl::Head(Ledger ledger, uint32_t partition) const {
  if (partition >= board_.partition_count()) return {partition, 0};
  return {partition, board_.Head(ledger, partition)};
}

uint64_t EventLogImpl::WaitForBatch(Ledger ledger, uint64_t seen, absl::Duration wait) const {
  return board_.WaitForBatch(ledger, seen, wait);
}

absl::StatusOr<std::unique_ptr<Follower>> EventLogImpl::Follow(FollowOptions options) const {
  return OpenFollower(reader_, board_, followers_, std::move(options));
}

absl::StatusOr<PartitionCheckpoint> EventLogImpl::CheckpointAt(Ledger ledger,
                                                               Position position) const {
  RETURN_IF_ERROR(reader_.CheckPartition(position.partition));
  const uint64_t head = board_.Head(ledger, position.partition);
  if (position.sequence > head) {
    return absl::OutOfRangeError(absl::StrCat("a checkpoint at ", Describe(ledger, position),
                                              " is beyond the head, ", head));
  }
  PartitionCheckpoint checkpoint{store_, position};
  if (const auto root = board_.RecentRoot(ledger, position.partition, position.sequence)) {
    checkpoint.root = *root;
    return checkpoint;
  }
  ASSIGN_OR_RETURN(checkpoint.root,
                   trees_.RootAt(ledger, position.partition, position.sequence, head));
  return checkpoint;
}

absl::Status EventLogImpl::VerifyCheckpoint(Ledger ledger,
                                            const PartitionCheckpoint& checkpoint) const {
  if (checkpoint.store != store_) {
    return absl::FailedPreconditionError("the checkpoint is of another log");
  }
  ASSIGN_OR_RETURN(const PartitionCheckpoint own, CheckpointAt(ledger, checkpoint.position));
  if (own.root == checkpoint.root) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the checkpoint at ",
                                          Describe(ledger, checkpoint.position),
                                          " has another root than the log: one was changed"));
}

absl::StatusOr<std::string> EventLogImpl::SignedCheckpoint() {
  return parts_.signer->Sign([this] {
    return CheckpointSigner::State{board_.Snapshot(), committer_->erasures()};
  });
}

absl::StatusOr<std::vector<Hash>> EventLogImpl::ProveInclusion(Ledger ledger, Position position,
                                                               uint64_t tree_size) const {
  RETURN_IF_ERROR(reader_.CheckPartition(position.partition));
  const uint64_t head = board_.Head(ledger, position.partition);
  if (tree_size > head) return absl::OutOfRangeError("the tree has not come so far");
  if (position.sequence == 0 || position.sequence > tree_size) {
    return absl::InvalidArgumentError("the event is not in that tree");
  }
  TileSource tree = OpenTree(*parts_.storage, ledger, position.partition, head);
  return InclusionProof(tree, position.sequence - 1, tree_size);
}

std::vector<KnownErasureHead> EventLogImpl::KnownErasures() const {
  return {{"log.anchor", committer_->erasures()},
          {"checkpoint.latest", parts_.signer->erasures_at_start()}};
}

}  // namespace records::eventstore::internal
