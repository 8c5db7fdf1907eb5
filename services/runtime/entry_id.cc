#include "services/runtime/entry_id.h"

#include "services/errors/errors.h"

namespace records::services {
namespace {

constexpr absl::string_view kLabel = "entry";
constexpr size_t kPositionBytes = 12;

}  // namespace

std::string EncodePosition(eventstore::Position position) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(position.partition >> shift));
  }
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(position.sequence >> shift));
  }
  return bytes;
}

absl::StatusOr<eventstore::Position> DecodePosition(absl::string_view bytes) {
  if (bytes.size() != kPositionBytes) return absl::InvalidArgumentError("not a position");
  eventstore::Position position;
  for (char byte : bytes.substr(0, 4)) {
    position.partition = position.partition << 8 | static_cast<uint8_t>(byte);
  }
  for (char byte : bytes.substr(4)) {
    position.sequence = position.sequence << 8 | static_cast<uint8_t>(byte);
  }
  return position;
}

eventstore::TokenContent EntryIdContent(const ReadRuntime& runtime, eventstore::Position position) {
  return {std::string(kLabel), runtime.organisation, EncodePosition(position)};
}

absl::StatusOr<std::string> EntryIdOf(const ReadRuntime& runtime, eventstore::Position position) {
  return runtime.keys.SealToken(kLabel, runtime.organisation, EncodePosition(position));
}

absl::StatusOr<eventstore::Position> PositionOfEntry(const ReadRuntime& runtime,
                                                     absl::string_view field,
                                                     absl::string_view entry_id) {
  auto bytes = runtime.keys.OpenToken(kLabel, runtime.organisation, entry_id);
  if (bytes.ok()) {
    auto position = DecodePosition(*bytes);
    if (position.ok()) return position;
  }
  return InvalidField(field, "must be an id that this server gave");
}

}  // namespace records::services
