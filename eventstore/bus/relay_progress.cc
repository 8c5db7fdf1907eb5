#include "eventstore/bus/relay_progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/status_macros.h"
#include "records/log/v1/bus.pb.h"

namespace records::eventstore {
namespace {

absl::Status Behind(Position position) {
  return absl::FailedPreconditionError(
      absl::StrCat("LOG_BEHIND_TOPICS: partition ", position.partition, " was published up to ",
                   position.sequence, ", which is not in the log"));
}

// The log must hold what `progress` says was published.
absl::Status ConfirmProgress(const EventLog& log, const RelayProgress& progress) {
  if (progress.log != log.store_id() || progress.partitions.size() != log.partition_count()) {
    return absl::FailedPreconditionError("OTHER_LOG: the topics are of another log");
  }
  // A log that was restored and written to since differs in some partitions and is behind in
  // others: that it is behind says more.
  absl::Status differs;
  for (const PartitionCheckpoint& checkpoint : progress.partitions) {
    const absl::Status status = log.VerifyCheckpoint(Ledger::kEvents, checkpoint);
    if (absl::IsOutOfRange(status)) return Behind(checkpoint.position);
    if (absl::IsDataLoss(status)) {
      differs = absl::DataLossError(absl::StrCat("TOPIC_DIFFERS: ", status.message()));
      continue;
    }
    RETURN_IF_ERROR(status);
  }
  return differs;
}

// The log must hold the last record of its topic, byte for byte.
absl::StatusOr<Position> ConfirmTail(const EventLog& log, const BusRecord& tail) {
  ASSIGN_OR_RETURN(const Position position, PositionOf(tail));
  if (position.sequence > log.Head(Ledger::kEvents, position.partition).sequence) {
    return Behind(position);
  }
  ASSIGN_OR_RETURN(const StoredEvent event, log.ReadAt(Ledger::kEvents, position));
  if (tail.value != event.bytes) {
    return absl::DataLossError(absl::StrCat("TOPIC_DIFFERS: partition ", position.partition,
                                            " of the topic ends with another event than the log "
                                            "has at ",
                                            position.sequence));
  }
  return position;
}

void Encode(const StreamProgress& stream, log::v1::PublishedStream& message) {
  message.set_topic(stream.topic);
  for (const StreamProgress::Partition& partition : stream.partitions) {
    auto* work = message.add_partitions();
    work->set_covered(partition.covered);
    work->set_last(partition.last);
  }
  for (const Position tail : stream.tails) {
    auto* position = message.add_tails();
    position->set_partition(tail.partition);
    position->set_sequence(tail.sequence);
  }
}

absl::StatusOr<RelayProgress> Nothing(const EventLog& log) {
  RelayProgress progress{.log = log.store_id(), .partitions = {}, .streams = {}, .others = {}};
  for (uint32_t partition = 0; partition < log.partition_count(); ++partition) {
    ASSIGN_OR_RETURN(progress.partitions.emplace_back(),
                     log.CheckpointAt(Ledger::kEvents, {partition, 0}));
  }
  return progress;
}

}  // namespace

std::string EncodeProgress(const RelayProgress& progress) {
  log::v1::RelayProgress message;
  message.set_log(std::string(progress.log.bytes()));
  for (const PartitionCheckpoint& checkpoint : progress.partitions) {
    auto* partition = message.add_partitions();
    partition->mutable_position()->set_partition(checkpoint.position.partition);
    partition->mutable_position()->set_sequence(checkpoint.position.sequence);
    partition->set_root(checkpoint.root.data(), checkpoint.root.size());
  }
  for (const StreamProgress& stream : progress.streams) Encode(stream, *message.add_streams());
  for (const StreamProgress& stream : progress.others) Encode(stream, *message.add_streams());
  return message.SerializeAsString();
}

absl::StatusOr<RelayProgress> DecodeProgress(absl::string_view bytes) {
  log::v1::RelayProgress message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError("the progress of the relay is not one");
  }
  RelayProgress progress;
  const auto id = StoreId::FromBytes(message.log());
  if (!id.ok()) return absl::DataLossError("the progress of the relay names no log");
  progress.log = *id;
  for (const auto& partition : message.partitions()) {
    PartitionCheckpoint checkpoint{
        .store = *id,
        .position = {partition.position().partition(), partition.position().sequence()},
        .root = {}};
    if (partition.root().size() != checkpoint.root.size() ||
        checkpoint.position.partition != progress.partitions.size()) {
      return absl::DataLossError("the progress of the relay is damaged");
    }
    std::copy(partition.root().begin(), partition.root().end(), checkpoint.root.begin());
    progress.partitions.push_back(checkpoint);
  }
  for (const auto& published : message.streams()) {
    StreamProgress& stream = progress.streams.emplace_back();
    stream.topic = published.topic();
    for (const auto& work : published.partitions()) {
      stream.partitions.push_back({work.covered(), work.last()});
    }
    for (const auto& tail : published.tails()) {
      stream.tails.push_back({tail.partition(), tail.sequence()});
    }
    if (stream.tails.empty() || stream.partitions.size() != progress.partitions.size()) {
      return absl::DataLossError("the progress of the relay is damaged");
    }
  }
  return progress;
}

const StreamProgress* RelayProgress::Find(absl::string_view topic) const {
  for (const StreamProgress& stream : streams) {
    if (stream.topic == topic) return &stream;
  }
  return nullptr;
}

absl::StatusOr<Resume> PlanResume(const EventLog& log, const std::optional<RelayProgress>& progress,
                                  const std::vector<std::optional<BusRecord>>& tails) {
  const bool published =
      std::any_of(tails.begin(), tails.end(), [](const auto& tail) { return tail.has_value(); });
  if (!progress && published) {
    return absl::FailedPreconditionError(
        "PROGRESS_LOST: the log's topic has records, and no progress of a relay is there");
  }
  if (progress) RETURN_IF_ERROR(ConfirmProgress(log, *progress));
  Resume resume;
  if (progress) {
    resume.progress = *progress;
  } else {
    ASSIGN_OR_RETURN(resume.progress, Nothing(log));
  }
  for (size_t partition = 0; partition < tails.size(); ++partition) {
    PartitionCheckpoint& checkpoint = resume.progress.partitions[partition];
    Position end{static_cast<uint32_t>(partition), 0};
    if (tails[partition]) {
      ASSIGN_OR_RETURN(end, ConfirmTail(log, *tails[partition]));
      if (end.partition != partition) {
        return absl::DataLossError("TOPIC_DIFFERS: an event stands in another partition");
      }
    }
    if (end.sequence < checkpoint.position.sequence) {
      resume.republished += checkpoint.position.sequence - end.sequence;
    }
    if (end == checkpoint.position) continue;
    ASSIGN_OR_RETURN(checkpoint, log.CheckpointAt(Ledger::kEvents, end));
  }
  return resume;
}

}  // namespace records::eventstore
