#include "eventstore/bus/topic_check.h"

#include "absl/strings/str_cat.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {

std::string WhereRead(const BusRecord& record) {
  return absl::StrCat(record.topic, "/", record.partition, " at offset ", record.offset);
}

absl::Status TopicDiffers(const BusRecord& record, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("TOPIC_DIFFERS: ", WhereRead(record), " ", what));
}

absl::Status TopicCheck::Take(const BusRecord& record) {
  // A topic that was made anew, or that a broker cut: read again from its beginning.
  if (record.offset < next_offset_) last_.sequence = 0;
  const auto position = PositionOf(record);
  if (!position.ok() || position->partition != last_.partition) {
    next_offset_ = record.offset + 1;
    return TopicDiffers(record, position.ok() ? "is of another partition" : "says no position");
  }
  const auto event = log_.ReadAt(Ledger::kEvents, *position);
  const bool is_there = !absl::IsNotFound(event.status()) && !absl::IsOutOfRange(event.status());
  if (is_there) RETURN_IF_ERROR(event.status());
  const Position before = last_;
  last_ = *position;
  next_offset_ = record.offset + 1;
  if (!is_there) {
    return absl::OutOfRangeError(absl::StrCat("LOG_BEHIND_TOPICS: ", WhereRead(record),
                                              " has event ", position->sequence,
                                              ", which the log does not have"));
  }
  if (record.value != event->bytes) return TopicDiffers(record, "has other bytes than the log");
  if (record.Header("records_previous") !=
      absl::StrCat(position->partition, "/", position->sequence - 1)) {
    return TopicDiffers(record, "names another event as the one before it");
  }
  if (position->sequence == before.sequence + 1) return absl::OkStatus();
  if (position->sequence <= before.sequence) {
    last_ = before;
    return absl::AlreadyExistsError(absl::StrCat("EVENT_REPEATED: ", WhereRead(record),
                                                 " has event ", position->sequence, " again"));
  }
  return absl::FailedPreconditionError(absl::StrCat("EVENT_MISSING: ", WhereRead(record),
                                                    " has event ", position->sequence, " after ",
                                                    before.sequence));
}

absl::Status TopicCheck::CheckEnd(Position published) const {
  if (last_.sequence >= published.sequence) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("TOPIC_SHORT: partition ", last_.partition, " of the topic ends with event ",
                   last_.sequence, ", and event ", published.sequence, " was published"));
}

}  // namespace records::eventstore
