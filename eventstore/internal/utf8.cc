#include "eventstore/internal/utf8.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace records::eventstore::internal {
namespace {

// The length of a character by its first byte; 0 for a byte that starts none.
size_t LengthOf(uint8_t first) {
  if (first < 0x80) return 1;
  if ((first & 0xe0) == 0xc0) return 2;
  if ((first & 0xf0) == 0xe0) return 3;
  if ((first & 0xf8) == 0xf0) return 4;
  return 0;
}

bool IsShortestScalar(uint32_t character, size_t length) {
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = character >= 0xd800 && character <= 0xdfff;
  return character >= kSmallest[length] && character <= 0x10ffff && !is_surrogate;
}

// Takes the first character off `text`, which is not empty. Nothing when it is not well-formed.
std::optional<uint32_t> TakeCharacter(absl::string_view& text) {
  const auto first = static_cast<uint8_t>(text.front());
  const size_t length = LengthOf(first);
  if (length == 0 || length > text.size()) return std::nullopt;
  uint32_t character = length == 1 ? first : first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if ((byte & 0xc0) != 0x80) return std::nullopt;
    character = character << 6 | (byte & 0x3fu);
  }
  if (!IsShortestScalar(character, length)) return std::nullopt;
  text.remove_prefix(length);
  return character;
}

// Unicode 15, PropList.txt, White_Space; and all ASCII control characters below U+0020.
bool IsSpaceOrControl(uint32_t character) {
  return character <= 0x20 || character == 0x85 || character == 0xa0 || character == 0x1680 ||
         (character >= 0x2000 && character <= 0x200a) || character == 0x2028 ||
         character == 0x2029 || character == 0x202f || character == 0x205f || character == 0x3000;
}

}  // namespace

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    if (!TakeCharacter(text).has_value()) return false;
  }
  return true;
}

bool IsUtf8WithoutSpaces(absl::string_view text) {
  while (!text.empty()) {
    const std::optional<uint32_t> character = TakeCharacter(text);
    if (!character.has_value() || IsSpaceOrControl(*character)) return false;
  }
  return true;
}

}  // namespace records::eventstore::internal
