#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "eventstore/bus/relay_progress.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

absl::Status Differs(absl::string_view topic, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("TOPIC_DIFFERS: ", topic, " ", what));
}

// Where the event of a record stands; the log must have it.
absl::StatusOr<Position> PositionIn(const EventLog& log, const WorkStreams& work,
                                    const StreamProgress& stream, size_t topic_partition,
                                    const BusRecord& record) {
  const auto reference = work.OpenReference(stream.topic, record.value.value_or(""));
  if (!reference.ok()) return Differs(stream.topic, "has a record that no relay of this log wrote");
  const Position position = reference->position;
  if (position.partition >= stream.partitions.size() ||
      stream.PartitionOf(position.partition) != topic_partition) {
    return Differs(stream.topic, "has an event in another partition");
  }
  if (position.sequence > log.Head(Ledger::kEvents, position.partition).sequence) {
    return absl::FailedPreconditionError(
        absl::StrCat("LOG_BEHIND_TOPICS: partition ", position.partition, " was published to ",
                     stream.topic, " up to ", position.sequence, ", which is not in the log"));
  }
  return position;
}

// Takes for one partition of the topic what its records say instead of what the progress says.
absl::Status TakeRecords(const EventLog& log, const WorkStreams& work, const StreamRecords& records,
                         size_t topic_partition, StreamProgress& stream) {
  std::vector<uint64_t> seen(stream.partitions.size(), 0);
  stream.tails[topic_partition] = {};
  const auto take = [&](const BusRecord& record) -> absl::Status {
    ASSIGN_OR_RETURN(const Position position,
                     PositionIn(log, work, stream, topic_partition, record));
    seen[position.partition] = position.sequence;
    stream.tails[topic_partition] = position;
    return absl::OkStatus();
  };
  if (records.tails[topic_partition]) {
    RETURN_IF_ERROR(records.read_all(topic_partition, take));
  }
  for (uint32_t partition = 0; partition < seen.size(); ++partition) {
    if (stream.PartitionOf(partition) != topic_partition) continue;
    StreamProgress::Partition& progress = stream.partitions[partition];
    // What lies between the last event and what was covered has no place here: as before.
    if (seen[partition] == progress.last) continue;
    progress = {.covered = seen[partition], .last = seen[partition]};
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StreamProgress> PlanStream(const EventLog& log, const WorkStreams& work,
                                          const StreamProgress* known,
                                          const StreamRecords& records) {
  // A topic that was made anew, with as many partitions as one likes: nothing of it is known.
  const auto is_untouched = [](bool untouched) { return untouched; };
  if (known != nullptr && known->tails.size() != records.tails.size() &&
      absl::c_all_of(records.untouched, is_untouched)) {
    known = nullptr;
  }
  StreamProgress stream;
  if (known != nullptr) {
    stream = *known;
  } else {
    stream.topic = records.topic;
    stream.partitions.resize(log.partition_count());
    stream.tails.resize(records.tails.size());
  }
  if (stream.tails.size() != records.tails.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat("TOPIC_PARTITIONS: ", records.topic, " has ", records.tails.size(),
                     " partitions, and was published to ", stream.tails.size()));
  }
  for (size_t i = 0; i < records.tails.size(); ++i) {
    const std::optional<BusRecord>& tail = records.tails[i];
    if (known == nullptr && tail) {
      return absl::FailedPreconditionError(absl::StrCat(
          "PROGRESS_LOST: ", records.topic, " has records, and the progress knows of none"));
    }
    if (PLANTED_BUG("work-tail-not-read")) continue;
    const std::string expected = work.IdOf(records.topic, stream.tails[i]);
    if (tail && tail->Header("ce_id") == expected) continue;
    // Nothing there: nothing was, or retention took it; else it was made anew.
    if (!tail && !records.untouched[i]) continue;
    RETURN_IF_ERROR(TakeRecords(log, work, records, i, stream));
  }
  return stream;
}

}  // namespace records::eventstore
