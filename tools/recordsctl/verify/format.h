#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

// Numbers and small readers of eventstore/FORMAT.md, version 1, written from that text alone: the
// verifier must not inherit a mistake of the writer.
namespace records::tools::verify {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint32_t kPartitionsMax = 64;
inline constexpr size_t kIdSize = 16;

// Whether these are the bytes of an id: no id is all zeros.
inline bool IsId(absl::string_view bytes) {
  return bytes.size() == kIdSize && bytes.find_first_not_of('\0') != absl::string_view::npos;
}
inline constexpr size_t kHashSize = 32;
inline constexpr size_t kEventKeySize = 2 + 8;
inline constexpr size_t kStreamPrefixSize = kIdSize + 8 + 1;
inline constexpr size_t kStreamKeySize = kStreamPrefixSize + 8;
inline constexpr size_t kRequestKeySize = 32;
inline constexpr size_t kRequestValueSize = 1 + 2 + 8;
inline constexpr size_t kTileKeySize = 1 + 2 + 1 + 8;
inline constexpr size_t kTileWidth = 256;
inline constexpr size_t kTileSize = kTileWidth * kHashSize;
inline constexpr uint64_t kTreeSizeMax = uint64_t{1} << 62;
inline constexpr uint64_t kEventBytesMax = 512 * 1024;
inline constexpr uint64_t kAppendEventsMax = 64;
inline constexpr uint64_t kAppendBytesMax = 2 * 1024 * 1024;
inline constexpr uint64_t kBatchEventsMax = 4096;

using Hash = std::array<uint8_t, kHashSize>;

inline absl::string_view AsView(const Hash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

enum class Ledger : uint8_t { kEvents = 0, kAccess = 1 };
inline constexpr Ledger kLedgers[] = {Ledger::kEvents, Ledger::kAccess};

inline const char* NameOf(Ledger ledger) { return ledger == Ledger::kEvents ? "events" : "access"; }

// Reads `bytes` as one big-endian number. REQUIRES: at most 8 bytes.
inline uint64_t ReadBigEndian(absl::string_view bytes) {
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

// Appends `number` as `size` bytes, big-endian.
inline void WriteBigEndian(uint64_t number, size_t size, std::string* bytes) {
  for (size_t i = size; i-- > 0;) bytes->push_back(static_cast<char>(number >> (8 * i)));
}

// The partition of a root. REQUIRES: 16 bytes, partition_count > 0.
inline uint32_t PartitionOf(absl::string_view root, uint32_t partition_count) {
  return static_cast<uint32_t>(ReadBigEndian(root.substr(0, 8)) % partition_count);
}

// Where a tree stands among all trees of a log: those of events first.
inline size_t TreeIndex(Ledger ledger, uint32_t partition, uint32_t partition_count) {
  return (ledger == Ledger::kEvents ? 0 : partition_count) + partition;
}

}  // namespace records::tools::verify
