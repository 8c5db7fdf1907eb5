#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/random.h"

namespace records::eventstore {

inline constexpr size_t kIdSize = 16;
using IdBytes = std::array<uint8_t, kIdSize>;

namespace internal {

// Each refuses, with kInvalidArgument, what has another form or is all zero (no id has that value).
absl::StatusOr<IdBytes> IdFromBytes(absl::string_view bytes);
absl::StatusOr<IdBytes> IdFromHex(absl::string_view hex);
absl::StatusOr<IdBytes> IdFromUuid(absl::string_view text);

std::string IdToHex(const IdBytes& bytes);
std::string IdToUuid(const IdBytes& bytes);

// A UUID of version 4 (RFC 9562 section 5.4).
absl::StatusOr<IdBytes> RandomId(Random& random);

}  // namespace internal

// A 16-byte identifier; the tag keeps ids of different things apart at compile time.
//
// A value type. Default-constructed it is nil, which means "none": it is never generated, and
// parsing refuses it. Ordered by its bytes, hashable by absl::Hash.
template <typename Tag>
class Id {
 public:
  Id() = default;

  // Takes any 16 bytes, for ids that are derived by a hash. REQUIRES: not all zero, unless none is
  // meant.
  explicit Id(const IdBytes& bytes) : bytes_(bytes) {}

  // Returns a fresh UUID of version 4. Fails when `random` does.
  static absl::StatusOr<Id> Generate(Random& random) { return Wrap(internal::RandomId(random)); }

  // From exactly 16 bytes. kInvalidArgument: another length, or nil.
  static absl::StatusOr<Id> FromBytes(absl::string_view bytes) {
    return Wrap(internal::IdFromBytes(bytes));
  }

  // From exactly 32 hexadecimal digits of either case. kInvalidArgument: anything else, or nil.
  static absl::StatusOr<Id> FromHex(absl::string_view hex) {
    return Wrap(internal::IdFromHex(hex));
  }

  // From the text form of RFC 9562 section 4: 8-4-4-4-12 digits of either case, of any version, of
  // the variant of that document. kInvalidArgument: another form or variant, the nil or the max
  // UUID.
  static absl::StatusOr<Id> FromUuid(absl::string_view text) {
    return Wrap(internal::IdFromUuid(text));
  }

  // Returns 32 lower-case hexadecimal digits.
  std::string ToHex() const { return internal::IdToHex(bytes_); }

  // Returns the text form of RFC 9562 in lower case.
  std::string ToUuid() const { return internal::IdToUuid(bytes_); }

  // Returns the 16 bytes, which live as long as this object.
  absl::string_view bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  const IdBytes& array() const { return bytes_; }

  bool is_nil() const { return bytes_ == IdBytes{}; }

  friend auto operator<=>(const Id&, const Id&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const Id& id) {
    return H::combine(std::move(state), id.bytes_);
  }

 private:
  static absl::StatusOr<Id> Wrap(const absl::StatusOr<IdBytes>& bytes) {
    if (!bytes.ok()) return bytes.status();
    return Id(*bytes);
  }

  IdBytes bytes_{};
};

using EventId = Id<struct EventIdTag>;
using RequestId = Id<struct RequestIdTag>;
using RootId = Id<struct RootIdTag>;
using SubjectId = Id<struct SubjectIdTag>;
using KeyId = Id<struct KeyIdTag>;
using StoreId = Id<struct StoreIdTag>;

// Where an event stands in the log. Sequences are dense in a partition and start at 1; 0 stands
// before the first event. Ordered within a partition; across partitions the order means nothing.
struct Position {
  uint32_t partition = 0;
  uint64_t sequence = 0;

  friend auto operator<=>(const Position&, const Position&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const Position& position) {
    return H::combine(std::move(state), position.partition, position.sequence);
  }
};

// Where an event stands in its stream: dense, from 0.
struct Revision {
  uint64_t value = 0;

  friend auto operator<=>(const Revision&, const Revision&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const Revision& revision) {
    return H::combine(std::move(state), revision.value);
  }
};

}  // namespace records::eventstore
