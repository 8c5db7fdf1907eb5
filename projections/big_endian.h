#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

// Numbers in keys, so that the order of bytes is the order of numbers.
namespace records::projections {

inline void AppendBigEndian32(std::string& out, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
}

inline void AppendBigEndian64(std::string& out, uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
}

// The number in the first `size` bytes. REQUIRES: bytes.size() >= size, size <= 8.
inline uint64_t ReadBigEndian(absl::string_view bytes, size_t size) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; ++i) number = number << 8 | static_cast<uint8_t>(bytes[i]);
  return number;
}

}  // namespace records::projections
