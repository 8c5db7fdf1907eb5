#include "projections/timeline/timeline_rows.h"

#include "absl/strings/str_cat.h"
#include "eventstore/crypto.h"
#include "eventstore/limits.h"
#include "projections/big_endian.h"

namespace records::projections {

using eventstore::RootId;

namespace {

constexpr size_t kChecksumSize = 8;
constexpr size_t kLengthSize = 4;
constexpr size_t kHeaderPadding = 256;
constexpr size_t kHeaderFixedSize = 8 + 3 * kPlaceSize + 4;
// A full state, padded, is sealed as one token.
static_assert(kHeaderFixedSize + kAuthoritiesMax * kPlaceSize <= eventstore::kTokenBytesMax &&
              eventstore::kTokenBytesMax % kHeaderPadding == 0);
constexpr uint64_t kSignBit = uint64_t{1} << 63;

// Signed times in the order of unsigned numbers.
uint64_t OrderedTime(int64_t time_us) { return static_cast<uint64_t>(time_us) ^ kSignBit; }

std::string Checksum(absl::string_view key, absl::string_view payload) {
  // The key's length is fixed for a table, so key and payload cannot be shifted into each other.
  const eventstore::Digest digest = eventstore::Sha256({key, payload});
  return std::string(eventstore::AsBytes(digest).substr(0, kChecksumSize));
}

absl::Status Damaged() { return absl::DataLossError("a row of the timeline is damaged"); }

void AppendPlaceOrNone(std::string& out, absl::string_view place) {
  out.append(place.empty() ? std::string(kPlaceSize, '\0') : std::string(place));
}

std::string TakePlace(absl::string_view& bytes) {
  const absl::string_view place = bytes.substr(0, kPlaceSize);
  bytes.remove_prefix(kPlaceSize);
  // All zero is the end of time with the last sequence, which no event has.
  return place == std::string(kPlaceSize, '\0') ? std::string() : std::string(place);
}

}  // namespace

std::string PlaceOf(const records::log::v1::Event& event) {
  std::string place;
  AppendBigEndian64(place, ~OrderedTime(event.occurred_at_us()));
  AppendBigEndian64(place, ~event.position().sequence());
  return place;
}

std::string PlaceAtOrBefore(int64_t occurred_at_us) {
  std::string place;
  AppendBigEndian64(place, ~OrderedTime(occurred_at_us));
  AppendBigEndian64(place, 0);
  return place;
}

int64_t OccurredAtOfPlace(absl::string_view place) {
  return static_cast<int64_t>(~ReadBigEndian(place, 8) ^ kSignBit);
}

std::string RowKey(const RootId& root, absl::string_view rest) {
  return absl::StrCat(root.bytes(), rest);
}

std::string ArrivalKey(const RootId& root, uint64_t sequence) {
  std::string key(root.bytes());
  AppendBigEndian64(key, sequence);
  return key;
}

absl::StatusOr<uint64_t> SequenceOfArrivalKey(absl::string_view key) {
  if (key.size() != eventstore::kIdSize + 8) return Damaged();
  return ReadBigEndian(key.substr(eventstore::kIdSize), 8);
}

std::string DetailsKey(const RootId& root, uint64_t sequence) {
  return ArrivalKey(root, ~sequence);
}

std::string EncodeEntry(absl::string_view key, const EntryRow& row) {
  std::string payload;
  payload.reserve(kLengthSize + row.event.size() + row.correction.size());
  AppendBigEndian32(payload, static_cast<uint32_t>(row.event.size()));
  absl::StrAppend(&payload, row.event, row.correction);
  return absl::StrCat(Checksum(key, payload), payload);
}

absl::StatusOr<EntryRow> DecodeEntry(absl::string_view key, absl::string_view value) {
  if (value.size() < kChecksumSize + kLengthSize) return Damaged();
  const absl::string_view payload = value.substr(kChecksumSize);
  if (Checksum(key, payload) != value.substr(0, kChecksumSize)) return Damaged();
  const uint64_t size = ReadBigEndian(payload, kLengthSize);
  const absl::string_view rest = payload.substr(kLengthSize);
  if (size > rest.size()) return Damaged();
  return EntryRow{.event = std::string(rest.substr(0, size)),
                  .correction = std::string(rest.substr(size))};
}

std::string EncodeHeaderState(const HeaderState& state) {
  std::string bytes;
  AppendBigEndian64(bytes, state.last_sequence);
  AppendPlaceOrNone(bytes, state.needs);
  AppendPlaceOrNone(bytes, state.safety);
  AppendPlaceOrNone(bytes, state.confidential_address);
  AppendBigEndian32(bytes, static_cast<uint32_t>(state.authorities.size()));
  for (const std::string& place : state.authorities) bytes.append(place);
  bytes.resize((bytes.size() + kHeaderPadding - 1) / kHeaderPadding * kHeaderPadding, '\0');
  return bytes;
}

absl::StatusOr<HeaderState> DecodeHeaderState(absl::string_view bytes) {
  if (bytes.size() < kHeaderFixedSize) return Damaged();
  HeaderState state;
  state.last_sequence = ReadBigEndian(bytes, 8);
  bytes.remove_prefix(8);
  state.needs = TakePlace(bytes);
  state.safety = TakePlace(bytes);
  state.confidential_address = TakePlace(bytes);
  const uint64_t count = ReadBigEndian(bytes, 4);
  bytes.remove_prefix(4);
  if (count > kAuthoritiesMax || bytes.size() < count * kPlaceSize) return Damaged();
  for (uint64_t i = 0; i < count; ++i) state.authorities.push_back(TakePlace(bytes));
  return state;
}

}  // namespace records::projections
