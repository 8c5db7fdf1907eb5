#include <limits>

#include "absl/strings/str_cat.h"
#include "eventstore/log_format.h"
#include "eventstore/status_macros.h"

// The protobuf side of the format: fields are appended and skimmed by hand, because the committer
// must not parse or copy sealed parts.
namespace records::eventstore {
namespace {

using records::log::v1::Event;

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

void AppendVarint(std::string& bytes, uint64_t number) {
  for (; number >= 0x80; number >>= 7) bytes.push_back(static_cast<char>(number | 0x80));
  bytes.push_back(static_cast<char>(number));
}

void AppendTag(std::string& bytes, uint32_t field, WireType type) {
  AppendVarint(bytes, field << 3 | type);
}

// As protobuf does, a zero is left out.
void AppendNumberField(std::string& bytes, uint32_t field, uint64_t number) {
  if (number == 0) return;
  AppendTag(bytes, field, kVarint);
  AppendVarint(bytes, number);
}

void AppendBytesField(std::string& bytes, uint32_t field, absl::string_view content) {
  if (content.empty()) return;
  AppendTag(bytes, field, kLength);
  AppendVarint(bytes, content.size());
  bytes.append(content.data(), content.size());
}

bool TakeVarint(absl::string_view& bytes, uint64_t& number) {
  number = 0;
  for (uint32_t shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    number |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool TakeBytes(absl::string_view& bytes, uint64_t size, absl::string_view& content) {
  if (size > bytes.size()) return false;
  content = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return true;
}

struct Field {
  uint64_t number = 0;
  uint64_t wire_type = 0;
  uint64_t value = 0;         // of a varint
  absl::string_view content;  // of the others
};

bool TakeField(absl::string_view& bytes, Field& field) {
  uint64_t tag;
  if (!TakeVarint(bytes, tag)) return false;
  field.number = tag >> 3;
  field.wire_type = tag & 7;
  uint64_t size;
  switch (field.wire_type) {
    case kVarint:
      return TakeVarint(bytes, field.value);
    case kFixed64:
      return TakeBytes(bytes, 8, field.content);
    case kFixed32:
      return TakeBytes(bytes, 4, field.content);
    case kLength:
      return TakeVarint(bytes, size) && TakeBytes(bytes, size, field.content);
    default:
      return false;
  }
}

absl::Status Damaged(Ledger ledger, Position position, absl::string_view how) {
  return absl::DataLossError(
      absl::StrCat("the log is damaged at ", Describe(ledger, position), ": ", how));
}

}  // namespace

void AppendAppendField(std::string& event, const std::optional<RequestKey>& request_key,
                       const RequestDigest& digest, uint32_t index, uint32_t count) {
  using records::log::v1::Append;
  std::string content;
  if (request_key) {
    AppendBytesField(content, Append::kRequestKeyFieldNumber, AsBytes(*request_key));
    AppendBytesField(content, Append::kDigestFieldNumber, AsBytes(digest));
  }
  AppendNumberField(content, Append::kIndexFieldNumber, index);
  AppendNumberField(content, Append::kCountFieldNumber, count);
  AppendBytesField(event, Event::kAppendFieldNumber, content);
}

void AppendPlace(std::string& event, Revision revision, Position position, int64_t recorded_at_us) {
  event.reserve(event.size() + kPlaceBytesMax);
  AppendNumberField(event, Event::kRevisionFieldNumber, revision.value);
  std::string place;
  AppendNumberField(place, 1, position.partition);
  AppendNumberField(place, 2, position.sequence);
  AppendBytesField(event, Event::kPositionFieldNumber, place);
  AppendNumberField(event, Event::kRecordedAtUsFieldNumber, static_cast<uint64_t>(recorded_at_us));
}

absl::StatusOr<ScannedEvent> ScanEvent(absl::string_view event) {
  ScannedEvent header;
  uint64_t seen = 0;
  while (!event.empty()) {
    Field field;
    if (!TakeField(event, field)) return absl::DataLossError("not a serialised event");
    if (field.number >= 64) continue;
    const bool repeated = (seen >> field.number & 1) != 0;
    seen |= uint64_t{1} << field.number;
    uint64_t wire_type = kLength;
    switch (field.number) {
      case Event::kIdFieldNumber:
        header.id = field.content;
        break;
      case Event::kStreamFieldNumber:
        header.stream = field.content;
        break;
      case Event::kTypeFieldNumber:
        header.type = field.content;
        break;
      case Event::kTimePrecisionFieldNumber:
        header.time_precision = field.value;
        wire_type = kVarint;
        break;
      case Event::kRevisionFieldNumber:
      case Event::kRecordedAtUsFieldNumber:
        wire_type = kVarint;
        [[fallthrough]];
      case Event::kAppendFieldNumber:
      case Event::kPositionFieldNumber:
        header.has_committer_fields = true;
        break;
      default:
        continue;
    }
    // protobuf would pass over it and read none.
    if (field.wire_type != wire_type) {
      return absl::DataLossError("a field of the event's header is of another kind");
    }
    if (repeated) return absl::DataLossError("a field of the event's header stands there twice");
  }
  return header;
}

std::string EncodeStreamName(const StreamName& stream) {
  std::string bytes;
  AppendBytesField(bytes, 1, stream.organisation);
  AppendBytesField(bytes, 2, stream.collection);
  AppendBytesField(bytes, 3, stream.root.bytes());
  AppendBytesField(bytes, 4, stream.sub_stream);
  return bytes;
}

absl::StatusOr<StreamName> StreamOf(const Event& event) {
  const absl::StatusOr<RootId> root = RootId::FromBytes(event.stream().root());
  if (!root.ok()) return absl::DataLossError("a stored event has no valid root");
  StreamName name{event.stream().organisation(), event.stream().collection(), *root,
                  event.stream().sub_stream()};
  if (!name.Validate().ok()) return absl::DataLossError("a stored event has no valid stream");
  return name;
}

absl::StatusOr<StoredEvent> DecodeStoredEvent(Ledger ledger, Position position,
                                              uint32_t partition_count, std::string bytes) {
  StoredEvent stored;
  stored.position = position;
  if (!stored.event.ParseFromString(bytes)) return Damaged(ledger, position, "it does not parse");
  const records::log::v1::Position& place = stored.event.position();
  if (place.partition() != position.partition || place.sequence() != position.sequence) {
    return Damaged(ledger, position,
                   absl::StrCat("the event there belongs to partition ", place.partition(),
                                ", sequence ", place.sequence()));
  }
  const absl::StatusOr<StreamName> stream = StreamOf(stored.event);
  if (!stream.ok()) return Damaged(ledger, position, stream.status().message());
  if (PartitionOf(stream->root, partition_count) != position.partition) {
    return Damaged(ledger, position, "its root lies in another partition");
  }
  const records::log::v1::Append& append = stored.event.append();
  if (append.count() == 0 || append.index() >= append.count() ||
      append.index() >= position.sequence) {
    return Damaged(ledger, position, "its append is not one that the log writes");
  }
  stored.bytes = std::move(bytes);
  return stored;
}

}  // namespace records::eventstore
