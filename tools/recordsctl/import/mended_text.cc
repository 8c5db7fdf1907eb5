#include "tools/recordsctl/import/mended_text.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

// One character, as it stands in the text. `low` is its code point where that is below U+0100.
struct Character {
  absl::string_view bytes;
  int low = -1;
};

bool IsControl(const Character& character) {
  const int code = character.low;
  return (code >= 0 && code < 0x20 && code != '\n' && code != '\t') ||
         (code >= 0x7f && code < 0xa0);
}

// REQUIRES: `text` is UTF-8.
std::vector<Character> CharactersOf(absl::string_view text) {
  std::vector<Character> characters;
  while (!text.empty()) {
    const auto lead = static_cast<uint8_t>(text[0]);
    const size_t bytes = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    Character character{.bytes = text.substr(0, bytes)};
    if (bytes == 1) character.low = lead;
    if (lead == 0xc2 || lead == 0xc3) {
      character.low = (lead & 0x03) << 6 | (static_cast<uint8_t>(text[1]) & 0x3f);
    }
    characters.push_back(character);
    text.remove_prefix(bytes);
  }
  return characters;
}

// The bytes that the characters from `first` on stand for, where these are one character of UTF-8
// that was encoded again; else "".
std::string EncodedTwice(const std::vector<Character>& characters, size_t first) {
  const int lead = characters[first].low;
  const size_t count = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (count == 0 || first + count > characters.size()) return "";
  std::string bytes;
  for (size_t i = first; i < first + count; ++i) {
    if (characters[i].low < 0) return "";
    bytes.push_back(static_cast<char>(characters[i].low));
  }
  if (!IsUtf8(bytes) || IsControl(CharactersOf(bytes)[0])) return "";
  return bytes;
}

}  // namespace

std::optional<std::string> MendText(absl::string_view text) {
  if (!IsUtf8(text)) return std::nullopt;
  const std::vector<Character> characters = CharactersOf(text);
  if (std::none_of(characters.begin(), characters.end(), IsControl)) return std::nullopt;
  std::string mended;
  for (size_t i = 0; i < characters.size();) {
    const std::string once = EncodedTwice(characters, i);
    if (!once.empty()) {
      absl::StrAppend(&mended, once);
      i += once.size();  // one character stood for each byte
    } else {
      absl::StrAppend(&mended, IsControl(characters[i]) ? " " : characters[i].bytes);
      ++i;
    }
  }
  return mended;
}

}  // namespace records::tools
