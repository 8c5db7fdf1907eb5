#include "eventstore/bus/stream_check.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "eventstore/bus/topic_check.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {

StreamCheck::StreamCheck(const EventLog& log, const WorkStreams& work, std::string topic,
                         int32_t partition, int32_t topic_partitions)
    : log_(log),
      work_(work),
      topic_(std::move(topic)),
      partition_(partition),
      topic_partitions_(topic_partitions),
      last_(log.partition_count(), 0) {}

absl::Status StreamCheck::Take(const BusRecord& record) {
  // A topic that was made anew, or that a broker cut: read again from its beginning.
  if (record.offset < next_offset_) last_.assign(last_.size(), 0);
  const auto reference = work_.OpenReference(topic_, record.value.value_or(""));
  if (!reference.ok()) {
    next_offset_ = record.offset + 1;
    return TopicDiffers(record, "was written by no relay of this log");
  }
  const Position position = reference->position;
  if (position.partition >= last_.size() ||
      static_cast<int32_t>(position.partition) % topic_partitions_ != partition_) {
    next_offset_ = record.offset + 1;
    return TopicDiffers(record, "is of another partition");
  }
  const auto event = log_.ReadAt(Ledger::kEvents, position);
  const bool is_there = !absl::IsNotFound(event.status()) && !absl::IsOutOfRange(event.status());
  if (is_there) RETURN_IF_ERROR(event.status());
  next_offset_ = record.offset + 1;
  uint64_t& last = last_[position.partition];
  const uint64_t before = std::exchange(last, std::max(last, position.sequence));
  if (!is_there) {
    return absl::OutOfRangeError(absl::StrCat("LOG_BEHIND_TOPICS: ", WhereRead(record),
                                              " has an event that the log does not"));
  }
  if (position.sequence <= before) {
    return absl::AlreadyExistsError(absl::StrCat("EVENT_REPEATED: ", WhereRead(record)));
  }
  RETURN_IF_ERROR(Compare(record, *event, *reference));
  const std::string expected = work_.IdOf(topic_, {position.partition, before});
  // Of the first that is read, what was before it may be gone by retention.
  if (before == 0 || record.Header("records_previous") == expected) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("EVENT_MISSING: between ", WhereRead(record), " and the one before it"));
}

absl::Status StreamCheck::Compare(const BusRecord& record, const StoredEvent& event,
                                  const WorkReference& reference) const {
  if (record.Header("ce_id") != work_.IdOf(topic_, reference.position)) {
    return TopicDiffers(record, "has another id than its event");
  }
  ASSIGN_OR_RETURN(const std::vector<WorkItem> items, work_.ItemsOf(event));
  const auto item =
      absl::c_find_if(items, [this](const WorkItem& one) { return one.topic == topic_; });
  // Since it was published its keys may have ended; nothing can tell its names then.
  if (item == items.end()) return absl::OkStatus();
  if (record.key == item->subject && record.Header("ce_subject") == item->subject &&
      record.Header("ce_type") == item->type && item->erased == reference.erased) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const bool has_keys, work_.HasKeysOf(event));
  // A restored log may have it without its keys; its subject's name is another one now.
  if (!has_keys) return absl::OkStatus();
  return TopicDiffers(record, "is under other names than its event");
}

absl::Status StreamCheck::CheckEnd(Position published) const {
  if (published.sequence <= last_[published.partition]) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("TOPIC_SHORT: partition ", partition_, " of ",
                                                    topic_, " ends before what was published"));
}

}  // namespace records::eventstore
