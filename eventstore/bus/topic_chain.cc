#include "eventstore/bus/topic_chain.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/internal/big_endian.h"
#include "eventstore/log_format.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

absl::Status Refused(const LogTopicRecord& record, absl::string_view name, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(name, ": ", record.topic, "/", record.partition,
                                          " at offset ", record.offset, " ", what));
}

// As BusRecord::Header(), without a copy.
absl::string_view HeaderOf(const BusRecord& record, absl::string_view name) {
  for (const auto& [header, value] : record.headers) {
    if (header == name) return value;
  }
  return "";
}

}  // namespace

void TopicPlace::Advance(Position next, int64_t next_offset, const Digest& next_leaf) {
  position = next;
  offset = next_offset;
  leaf = next_leaf;
  frontier.Append(next_leaf);
}

std::string EncodeResume(const TopicPlace& place) {
  std::string bytes;
  internal::AppendBigEndian(bytes, static_cast<uint64_t>(place.offset));
  bytes.append(place.leaf.begin(), place.leaf.end());
  bytes += place.frontier.Serialise();
  return bytes;
}

absl::StatusOr<TopicPlace> PlaceOf(const PartitionCheckpoint& checkpoint) {
  TopicPlace place{.position = checkpoint.position};
  if (checkpoint.position.sequence == 0) return place;
  absl::string_view rest = checkpoint.resume;
  if (rest.empty()) {
    return absl::FailedPreconditionError("the checkpoint has no place in a topic");
  }
  if (rest.size() < sizeof(uint64_t) + place.leaf.size()) {
    return absl::DataLossError("the checkpoint's place in the topic is damaged");
  }
  place.offset = static_cast<int64_t>(internal::TakeBigEndian<uint64_t>(rest));
  std::copy_n(rest.begin(), place.leaf.size(), place.leaf.begin());
  rest.remove_prefix(place.leaf.size());
  ASSIGN_OR_RETURN(place.frontier, Frontier::Parse(rest));
  if (place.offset < 0 || place.frontier.size() != checkpoint.position.sequence ||
      place.frontier.Root() != checkpoint.root) {
    return absl::DataLossError("the checkpoint's place in the topic has another tree than it says");
  }
  return place;
}

absl::StatusOr<Position> TopicChain::CheckPlace(const LogTopicRecord& record) const {
  if (record.source != source_) {
    return Refused(record, "OTHER_LOG", "is of another log");
  }
  const std::optional<Position> position = ParsePosition(record.position);
  if (!position.has_value()) return Refused(record, "TOPIC_DIFFERS", "says no position");
  if (position->partition != last_.partition ||
      record.partition != static_cast<int32_t>(last_.partition)) {
    return Refused(record, "TOPIC_DIFFERS", "is of another partition");
  }
  if (PLANTED_BUG("topic-chain-not-checked")) return *position;
  const uint64_t sequence = position->sequence;
  if (sequence <= last_.sequence) {
    return Refused(record, "EVENT_REPEATED",
                   absl::StrCat("has event ", sequence, " after ", last_.sequence));
  }
  if (sequence != last_.sequence + 1) {
    return Refused(record, "EVENT_MISSING",
                   absl::StrCat("has event ", sequence, " after ", last_.sequence));
  }
  if (record.previous != PositionText(last_)) {
    return Refused(record, "TOPIC_DIFFERS", "names another event as the one before it");
  }
  return *position;
}

absl::StatusOr<StoredEvent> TopicChain::Take(const LogTopicRecord& record) {
  ASSIGN_OR_RETURN(const Position position, CheckPlace(record));
  if (!record.value.has_value()) return Refused(record, "TOPIC_DIFFERS", "has no event");
  auto event =
      DecodeStoredEvent(Ledger::kEvents, position, partition_count_, std::string(*record.value));
  if (!event.ok()) {
    return Refused(record, "TOPIC_DIFFERS", "holds what is not the event that it says");
  }
  last_ = position;
  return event;
}

absl::StatusOr<StoredEvent> TopicChain::Take(const BusRecord& record) {
  return Take(LogTopicRecord{.topic = record.topic,
                             .partition = record.partition,
                             .offset = record.offset,
                             .value = record.value,
                             .source = HeaderOf(record, kSourceHeader),
                             .position = HeaderOf(record, kPositionHeader),
                             .previous = HeaderOf(record, kPreviousHeader)});
}

}  // namespace records::eventstore
