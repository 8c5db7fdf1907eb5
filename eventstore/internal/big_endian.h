#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"

// Unsigned numbers as bytes, most significant first, so that they sort as bytes do.
namespace records::eventstore::internal {

template <typename Number>
void AppendBigEndian(std::string& bytes, Number number) {
  static_assert(std::is_unsigned_v<Number>);
  for (size_t i = sizeof(Number); i > 0; --i) {
    bytes.push_back(static_cast<char>(number >> (8 * (i - 1))));
  }
}

// Takes a number off the front. REQUIRES: bytes.size() >= sizeof(Number).
template <typename Number>
Number TakeBigEndian(absl::string_view& bytes) {
  static_assert(std::is_unsigned_v<Number>);
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    number = static_cast<Number>(number << 8 | static_cast<uint8_t>(bytes[i]));
  }
  bytes.remove_prefix(sizeof(Number));
  return number;
}

}  // namespace records::eventstore::internal
