#include "eventstore/bus/topic_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/limits.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

absl::Status ReadOnly() {
  return absl::UnimplementedError("TOPIC_READ_ONLY: this log is read from its topic");
}

// The log that the first record of a topic says it is of.
absl::StatusOr<StoreId> FindSource(TopicProbe& probe, uint32_t partitions) {
  for (uint32_t partition = 0; partition < partitions; ++partition) {
    ASSIGN_OR_RETURN(const auto first, probe.FirstFrom(partition, 0));
    if (first.has_value()) return SourceOf(*first);
  }
  return absl::UnavailableError(
      absl::StrCat("TOPIC_EMPTY: nothing was published to ", probe.topic(), " yet"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TopicLog>> TopicLog::Open(TopicLogOptions options) {
  const std::string group =
      options.group.empty() ? absl::StrCat(options.prefix, ".views") : options.group;
  auto probe = std::make_unique<TopicProbe>(options.settings, group, LogTopic(options.prefix),
                                            options.broker_timeout);
  ASSIGN_OR_RETURN(const int32_t partitions, probe->CountPartitions());
  if (partitions < 1 || static_cast<uint32_t>(partitions) > kPartitionsMax) {
    return absl::FailedPreconditionError(
        absl::StrCat("TOPIC_PARTITIONS: no log has ", partitions, " partitions"));
  }
  auto source = FindSource(*probe, static_cast<uint32_t>(partitions));
  if (absl::IsUnavailable(source.status()) && options.log.has_value()) source = *options.log;
  RETURN_IF_ERROR(source.status());
  if (options.log.has_value() && *source != *options.log) {
    return absl::FailedPreconditionError(
        absl::StrCat("OTHER_LOG: ", probe->topic(), " is of the log ", source->ToHex()));
  }
  TopicFeedOptions feeds{.settings = options.settings,
                         .topic = probe->topic(),
                         .group = group,
                         .silence_max = options.silence_max};
  TopicFollowerOptions follower{.log = *source,
                                .partition_count = static_cast<uint32_t>(partitions),
                                .retry_wait = options.retry_wait,
                                .retry_wait_max = options.retry_wait_max};
  return std::unique_ptr<TopicLog>(
      new TopicLog(std::move(probe), std::move(feeds), std::move(follower), options.head_refresh));
}

TopicLog::TopicLog(std::unique_ptr<TopicProbe> probe, TopicFeedOptions feeds,
                   TopicFollowerOptions follower, absl::Duration head_refresh)
    : follower_options_(std::move(follower)),
      probe_(std::move(probe)),
      board_(follower_options_.partition_count),
      feeds_(std::move(feeds)),
      head_watch_([this, head_refresh] { WatchHeads(head_refresh); }) {}

TopicLog::~TopicLog() {
  Close();
  head_watch_.join();
}

void TopicLog::WatchHeads(absl::Duration refresh) const {
  uint32_t next = 0;
  while (!board_.WaitUntilClosed(refresh)) {
    if (PLANTED_BUG("stalled-lag-hidden")) continue;
    for (uint32_t i = 0; i < partition_count() && !board_.closed(); ++i) {
      const uint32_t partition = next++ % partition_count();
      // What is wrong followers say; an answer that does not come takes long, so the rest waits for
      // the next time.
      if (board_.IsBehind(partition) && !FindHead(Ledger::kEvents, partition).ok()) break;
    }
  }
}

absl::Status TopicLog::CheckAsked(Ledger ledger, uint32_t partition) const {
  if (ledger != Ledger::kEvents) {
    return absl::UnimplementedError("a topic does not have the ledger of reads");
  }
  if (partition >= partition_count()) {
    return absl::InvalidArgumentError(absl::StrCat("the log has no partition ", partition));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<int64_t>> TopicLog::FindOffset(Position position) const {
  // Each event takes an offset, and so does the end of each transaction: what is missing on the way
  // is gone forward, and never too far.
  int64_t offset = static_cast<int64_t>(position.sequence) - 1;
  while (true) {
    ASSIGN_OR_RETURN(const auto record, probe_->FirstFrom(position.partition, offset));
    if (!record.has_value()) return std::nullopt;
    ASSIGN_OR_RETURN(const Position found, PositionOf(*record));
    if (found == position) return record->offset;
    if (found.partition != position.partition || found.sequence > position.sequence) {
      return absl::DataLossError(absl::StrCat("TOPIC_DIFFERS: ", probe_->topic(), "/",
                                              position.partition, " at offset ", record->offset,
                                              " has event ", found.sequence));
    }
    offset = record->offset + static_cast<int64_t>(position.sequence - found.sequence);
  }
}

absl::Status TopicLog::Scan(Position from, absl::FunctionRef<bool(StoredEvent)> take) const {
  from.sequence = std::max<uint64_t>(from.sequence, 1);
  ASSIGN_OR_RETURN(const auto offset, FindOffset(from));
  if (!offset.has_value()) return absl::OkStatus();
  --from.sequence;
  TopicChain chain(store_id(), partition_count(), from);
  return probe_->Scan(from.partition, *offset,
                      [&](const BusRecord& record) -> absl::StatusOr<bool> {
                        ASSIGN_OR_RETURN(StoredEvent event, chain.Take(record));
                        return take(std::move(event));
                      });
}

absl::StatusOr<StoredEvent> TopicLog::ReadAt(Ledger ledger, Position position) const {
  RETURN_IF_ERROR(CheckAsked(ledger, position.partition));
  std::optional<StoredEvent> found;
  RETURN_IF_ERROR(Scan(position, [&found](StoredEvent event) {
    found = std::move(event);
    return false;
  }));
  if (found.has_value() && found->position == position) return *std::move(found);
  return absl::NotFoundError("the topic has no such event");
}

absl::StatusOr<std::vector<StoredEvent>> TopicLog::ReadPartition(
    Ledger ledger, Position from, ReadDirection direction, ReadLimits limits,
    const std::vector<std::string>& types) const {
  RETURN_IF_ERROR(CheckAsked(ledger, from.partition));
  if (direction != ReadDirection::kForward) {
    return absl::UnimplementedError("a topic is read forwards");
  }
  limits = {std::min(limits.events, kReadEventsMax), std::min(limits.bytes, kReadBytesMax)};
  std::vector<StoredEvent> found;
  size_t bytes = 0;
  RETURN_IF_ERROR(Scan(from, [&](StoredEvent event) {
    if (!types.empty() &&
        std::find(types.begin(), types.end(), event.event.type()) == types.end()) {
      return true;
    }
    bytes += event.bytes.size();
    if (!found.empty() && bytes > limits.bytes) return false;
    found.push_back(std::move(event));
    return found.size() < limits.events;
  }));
  return found;
}

absl::StatusOr<std::vector<StoredEvent>> TopicLog::ReadRoot(Ledger ledger, const RootId& root,
                                                            uint64_t after_sequence,
                                                            ReadLimits limits) const {
  const Position from{.partition = PartitionOf(root, partition_count()),
                      .sequence = after_sequence + 1};
  RETURN_IF_ERROR(CheckAsked(ledger, from.partition));
  limits = {std::min(limits.events, kReadEventsMax), std::min(limits.bytes, kReadBytesMax)};
  std::vector<StoredEvent> found;
  size_t bytes = 0;
  RETURN_IF_ERROR(Scan(from, [&](StoredEvent event) {
    if (event.event.stream().root() != root.bytes()) return true;
    bytes += event.bytes.size();
    if (!found.empty() && bytes > limits.bytes) return false;
    found.push_back(std::move(event));
    return found.size() < limits.events;
  }));
  return found;
}

Position TopicLog::Head(Ledger ledger, uint32_t partition) const {
  if (ledger != Ledger::kEvents) return {.partition = partition};
  return board_.Head(partition);
}

absl::StatusOr<Position> TopicLog::FindHead(Ledger ledger, uint32_t partition) const {
  RETURN_IF_ERROR(CheckAsked(ledger, partition));
  ASSIGN_OR_RETURN(const auto last, probe_->Last(partition));
  if (!last.has_value()) return Head(ledger, partition);
  ASSIGN_OR_RETURN(const StoreId source, SourceOf(*last));
  ASSIGN_OR_RETURN(const Position position, PositionOf(*last));
  if (source != store_id() || position.partition != partition) {
    return absl::DataLossError(absl::StrCat("TOPIC_DIFFERS: the last record of ", probe_->topic(),
                                            "/", partition, " is of another log or partition"));
  }
  board_.RaiseHead(position);
  return Head(ledger, partition);
}

uint64_t TopicLog::WaitForBatch(Ledger ledger, uint64_t seen, absl::Duration wait) const {
  return ledger == Ledger::kEvents ? board_.WaitForBatch(seen, wait) : 0;
}

absl::StatusOr<std::unique_ptr<Follower>> TopicLog::Follow(FollowOptions options) const {
  RETURN_IF_ERROR(CheckAsked(options.ledger, options.after.partition));
  TopicPlace start{.position = {.partition = options.after.partition}};
  if (options.after.sequence > 0) {
    if (options.after > Head(options.ledger, options.after.partition)) {
      return absl::OutOfRangeError("a follower cannot start beyond the head");
    }
    if (auto place = board_.PlaceAt(options.after)) start = *std::move(place);
  }
  return std::make_unique<TopicLogFollower>(follower_options_, std::move(start), std::move(options),
                                            board_, feeds_);
}

absl::StatusOr<PartitionCheckpoint> TopicLog::CheckpointAt(Ledger ledger, Position position) const {
  RETURN_IF_ERROR(CheckAsked(ledger, position.partition));
  PartitionCheckpoint checkpoint{.store = store_id(), .position = position, .root = EmptyRoot()};
  if (position.sequence == 0) return checkpoint;
  const auto place = board_.PlaceAt(position);
  if (!place.has_value()) {
    return absl::OutOfRangeError(absl::StrCat("no follower of this log stands at event ",
                                              position.sequence, " of partition ",
                                              position.partition));
  }
  checkpoint.root = place->frontier.Root();
  checkpoint.resume = EncodeResume(*place);
  return checkpoint;
}

absl::Status TopicLog::VerifyCheckpoint(Ledger ledger,
                                        const PartitionCheckpoint& checkpoint) const {
  RETURN_IF_ERROR(CheckAsked(ledger, checkpoint.position.partition));
  if (checkpoint.store != store_id()) {
    return absl::FailedPreconditionError("the checkpoint is of another log");
  }
  if (checkpoint.position.sequence == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const TopicPlace place, PlaceOf(checkpoint));
  ASSIGN_OR_RETURN(const auto record,
                   probe_->FirstFrom(checkpoint.position.partition, place.offset));
  if (!record.has_value()) {
    return absl::OutOfRangeError("the topic ends before the checkpoint: it lost its end");
  }
  const auto position = PositionOf(*record);
  const auto source = SourceOf(*record);
  if (record->offset != place.offset || !position.ok() || *position != place.position ||
      !source.ok() || *source != store_id() || HashLeaf(record->value.value_or("")) != place.leaf) {
    return absl::DataLossError(absl::StrCat(
        "the topic has another event than the checkpoint at offset ", place.offset,
        " of partition ", place.position.partition, ": it was made anew or was changed"));
  }
  board_.RaiseHead(place.position);
  board_.Remember(place);
  return absl::OkStatus();
}

void TopicLog::AppendAsync(Append, AppendCallback done) { done(ReadOnly()); }

absl::StatusOr<std::optional<std::vector<StoredEvent>>> TopicLog::FindRequest(
    const RequestKey&) const {
  return ReadOnly();
}

absl::StatusOr<std::vector<StoredEvent>> TopicLog::ReadStream(Ledger, const StreamName&, Revision,
                                                              ReadDirection, ReadLimits) const {
  return ReadOnly();
}

absl::StatusOr<std::optional<Revision>> TopicLog::StreamHead(Ledger, const StreamName&) const {
  return ReadOnly();
}

absl::StatusOr<std::string> TopicLog::SignedCheckpoint() { return ReadOnly(); }

absl::Status TopicLog::WriteHealth() const {
  return absl::UnavailableError("TOPIC_READ_ONLY: this log is read from its topic");
}

}  // namespace records::eventstore
