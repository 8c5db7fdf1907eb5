#include "tools/recordsctl/verify/event_decoder.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::tools::verify {
namespace {

absl::Status Malformed(absl::string_view what) { return absl::InvalidArgumentError(what); }

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::optional<uint64_t> TakeVarint(absl::string_view* bytes) {
  uint64_t number = 0;
  for (uint32_t shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    number |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

// One field of a message.
struct Field {
  uint32_t number = 0;
  uint32_t wire_type = 0;
  uint64_t value = 0;       // kVarint
  absl::string_view bytes;  // the others
};

// Takes the field at the front.
absl::StatusOr<Field> TakeField(absl::string_view* rest) {
  const std::optional<uint64_t> tag = TakeVarint(rest);
  if (!tag || *tag >> 3 == 0 || *tag >> 3 > 536870911) return Malformed("a broken field number");
  Field field{.number = static_cast<uint32_t>(*tag >> 3),
              .wire_type = static_cast<uint32_t>(*tag & 7)};
  std::optional<uint64_t> size;
  switch (field.wire_type) {
    case kVarint: {
      const std::optional<uint64_t> value = TakeVarint(rest);
      if (!value) return Malformed("a broken number");
      field.value = *value;
      return field;
    }
    case kFixed64:
      size = 8;
      break;
    case kFixed32:
      size = 4;
      break;
    case kBytes:
      size = TakeVarint(rest);
      break;
    default:
      return Malformed("a field of no known kind");
  }
  if (!size || *size > rest->size()) return Malformed("a field that is cut short");
  field.bytes = rest->substr(0, *size);
  rest->remove_prefix(*size);
  return field;
}

// Where a field of a message goes: a number, bytes, or a message of its own.
struct Target {
  uint32_t number = 0;
  uint64_t* value = nullptr;
  absl::string_view* bytes = nullptr;
};

// Reads a message whose known fields stand there at most once. Sets `unknown` when there are
// others.
template <size_t kCount>
absl::Status ReadMessage(absl::string_view message, const Target (&targets)[kCount],
                         std::vector<absl::string_view>* sealed, bool* unknown) {
  bool seen[kCount] = {};
  while (!message.empty()) {
    ASSIGN_OR_RETURN(const Field field, TakeField(&message));
    if (sealed != nullptr && field.number == 16) {
      if (field.wire_type != kBytes) return Malformed("field 16 is of another kind");
      sealed->push_back(field.bytes);
      continue;
    }
    size_t i = 0;
    while (i < kCount && targets[i].number != field.number) ++i;
    if (i == kCount) {
      *unknown = true;
      continue;
    }
    if (seen[i]) return Malformed(absl::StrCat("field ", field.number, " stands there twice"));
    seen[i] = true;
    if (field.wire_type != (targets[i].value != nullptr ? kVarint : kBytes)) {
      return Malformed(absl::StrCat("field ", field.number, " is of another kind"));
    }
    if (targets[i].value != nullptr) *targets[i].value = field.value;
    if (targets[i].bytes != nullptr) *targets[i].bytes = field.bytes;
  }
  return absl::OkStatus();
}

absl::Status ReadPart(absl::string_view message, DecodedEvent* event) {
  absl::string_view key_reference;
  absl::string_view nonce;
  absl::string_view ciphertext;
  const Target targets[] = {
      {1, nullptr, &key_reference}, {2, nullptr, &nonce}, {3, nullptr, &ciphertext}};
  RETURN_IF_ERROR(ReadMessage(message, targets, nullptr, &event->has_unknown_fields));
  event->sealed.push_back({key_reference.size(), nonce.size(), ciphertext.size()});
  return absl::OkStatus();
}

struct Nested {
  absl::string_view stream;
  absl::string_view position;
  absl::string_view append;
};

absl::Status ReadNested(const Nested& nested, DecodedEvent* event) {
  bool* unknown = &event->has_unknown_fields;
  const Target stream[] = {{1, nullptr, &event->organisation},
                           {2, nullptr, &event->collection},
                           {3, nullptr, &event->root},
                           {4, nullptr, &event->sub_stream}};
  RETURN_IF_ERROR(ReadMessage(nested.stream, stream, nullptr, unknown));
  const Target position[] = {{1, &event->partition}, {2, &event->sequence}};
  RETURN_IF_ERROR(ReadMessage(nested.position, position, nullptr, unknown));
  const Target append[] = {{1, nullptr, &event->request_key},
                           {2, nullptr, &event->digest},
                           {3, &event->index},
                           {4, &event->count}};
  return ReadMessage(nested.append, append, nullptr, unknown);
}

void PutVarint(uint64_t number, std::string* bytes) {
  for (; number >= 0x80; number >>= 7) bytes->push_back(static_cast<char>(number | 0x80));
  bytes->push_back(static_cast<char>(number));
}

void PutNumber(uint32_t field, uint64_t number, std::string* bytes) {
  if (number == 0) return;
  PutVarint(field << 3 | kVarint, bytes);
  PutVarint(number, bytes);
}

void PutBytes(uint32_t field, absl::string_view value, std::string* bytes) {
  PutVarint(field << 3 | kBytes, bytes);
  PutVarint(value.size(), bytes);
  absl::StrAppend(bytes, value);
}

}  // namespace

absl::StatusOr<DecodedErasure> DecodeErasure(absl::string_view facts) {
  DecodedErasure erasure;
  absl::string_view subject;
  absl::string_view head;
  bool unknown = false;
  const Target targets[] = {{2, nullptr, &subject},
                            {7, &erasure.ledger_index},
                            {8, nullptr, &head},
                            {9, &erasure.byte_strings_searched}};
  RETURN_IF_ERROR(ReadMessage(facts, targets, nullptr, &unknown));
  erasure.subject = std::string(subject);
  erasure.ledger_head = std::string(head);
  return erasure;
}

std::string CommitterFields(const DecodedEvent& event) {
  std::string append;
  if (!event.request_key.empty()) PutBytes(1, event.request_key, &append);
  if (!event.digest.empty()) PutBytes(2, event.digest, &append);
  PutNumber(3, event.index, &append);
  PutNumber(4, event.count, &append);
  std::string position;
  PutNumber(1, event.partition, &position);
  PutNumber(2, event.sequence, &position);
  std::string fields;
  PutBytes(5, append, &fields);
  PutNumber(3, event.revision, &fields);
  PutBytes(4, position, &fields);
  PutNumber(8, static_cast<uint64_t>(event.recorded_at_us), &fields);
  return fields;
}

absl::StatusOr<DecodedEvent> DecodeEvent(absl::string_view bytes) {
  DecodedEvent event;
  Nested nested;
  uint64_t occurred = 0;
  uint64_t recorded = 0;
  std::vector<absl::string_view> sealed;
  const Target targets[] = {{1, nullptr, &event.id},
                            {2, nullptr, &nested.stream},
                            {3, &event.revision},
                            {4, nullptr, &nested.position},
                            {5, nullptr, &nested.append},
                            {6, nullptr, &event.type},
                            {7, &occurred},
                            {8, &recorded},
                            {9, &event.time_precision},
                            {10, nullptr, &event.actor},
                            {11, nullptr, &event.purpose},
                            {12, nullptr, &event.lawful_basis},
                            {13, nullptr, &event.causation},
                            {14, nullptr, &event.correlation},
                            {15, nullptr, &event.facts}};
  RETURN_IF_ERROR(ReadMessage(bytes, targets, &sealed, &event.has_unknown_fields));
  RETURN_IF_ERROR(ReadNested(nested, &event));
  for (const absl::string_view part : sealed) RETURN_IF_ERROR(ReadPart(part, &event));
  event.occurred_at_us = static_cast<int64_t>(occurred);
  event.recorded_at_us = static_cast<int64_t>(recorded);
  if (event.sequence == 0 || event.count == 0 || event.recorded_at_us == 0) {
    return Malformed("it has no position, append or time of recording");
  }
  if (!absl::EndsWith(bytes, CommitterFields(event))) {
    return Malformed("the committer's fields do not end it as the format says");
  }
  return event;
}

}  // namespace records::tools::verify
