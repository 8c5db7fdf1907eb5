#include "tools/recordsctl/text.h"

#include <clocale>
#include <cwchar>

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace records::tools {
namespace {

// One decoded character; `bytes` is 0 at what is not UTF-8.
struct Character {
  uint32_t code = 0;
  size_t bytes = 0;
};

bool IsContinuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) == 0x80; }

Character Decode(absl::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return {first, 1};
  const size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) return {};
  uint32_t code = first & (0x7F >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if (!IsContinuation(text[i])) return {};
    code = (code << 6) | (static_cast<uint8_t>(text[i]) & 0x3F);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kSmallest[bytes] || code > 0x10FFFF || is_surrogate) return {};
  return {code, bytes};
}

// Characters that act on the terminal or on the order and look of what stands around them.
bool IsUnsafe(uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0xAD || code == 0x61C ||
         code == 0x180E || (code >= 0x200B && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) ||
         code == 0xFEFF || (code >= 0xFFF9 && code <= 0xFFFB) ||
         (code >= 0xE0000 && code <= 0xE0FFF);
}

size_t WidthOf(uint32_t code) {
  if (code < 0x300) return 1;
  // wcwidth() follows the locale; "C.UTF-8" is part of every glibc.
  static const bool is_utf8 = std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr;
  if (!is_utf8) return 1;
  const int width = wcwidth(static_cast<wchar_t>(code));
  return width < 0 ? 1 : static_cast<size_t>(width);
}

void AppendJsonEscape(uint32_t code, std::string& out) {
  if (code > 0xFFFF) {
    const uint32_t rest = code - 0x10000;
    absl::StrAppendFormat(&out, "\\u%04x\\u%04x", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
  } else {
    absl::StrAppendFormat(&out, "\\u%04x", code);
  }
}

// Wraps one line of text, without line feeds, onto the end of `lines`.
class LineWrapper {
 public:
  LineWrapper(size_t width, std::vector<std::string>& lines) : width_(width), lines_(lines) {}

  void AddWord(absl::string_view word) {
    const size_t width = DisplayWidth(word);
    if (line_width_ > 0 && line_width_ + 1 + width > width_) Break();
    if (line_width_ > 0) Append(" ", 1);
    if (width <= width_) return Append(word, width);
    while (!word.empty()) AddCharacter(word);
  }

  void Break() {
    lines_.push_back(std::move(line_));
    line_.clear();
    line_width_ = 0;
  }

 private:
  void Append(absl::string_view piece, size_t width) {
    absl::StrAppend(&line_, piece);
    line_width_ += width;
  }

  void AddCharacter(absl::string_view& word) {
    const Character character = Decode(word);
    const size_t bytes = std::max<size_t>(character.bytes, 1);
    const size_t width = character.bytes == 0 ? 1 : WidthOf(character.code);
    if (line_width_ + width > width_) Break();
    Append(word.substr(0, bytes), width);
    word.remove_prefix(bytes);
  }

  const size_t width_;
  std::vector<std::string>& lines_;
  std::string line_;
  size_t line_width_ = 0;
};

size_t EditDistance(absl::string_view left, absl::string_view right) {
  std::vector<size_t> row(right.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= left.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= right.size(); ++j) {
      const size_t replaced = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string Printable(absl::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character character = Decode(text);
    if (character.bytes == 0) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<uint8_t>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (character.code == '\n' || character.code == '\t') {
      out.push_back(character.code == '\n' && keep_lines ? '\n' : ' ');
    } else if (!IsUnsafe(character.code)) {
      absl::StrAppend(&out, text.substr(0, character.bytes));
    } else if (character.code < 0x100) {
      absl::StrAppendFormat(&out, "\\x%02x", character.code);
    } else {
      absl::StrAppendFormat(&out, "\\u{%x}", character.code);
    }
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::string PrintableJson(absl::string_view json) {
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    const Character character = Decode(json);
    const size_t bytes = std::max<size_t>(character.bytes, 1);
    if (character.bytes != 0 && character.code != '\n' && IsUnsafe(character.code)) {
      AppendJsonEscape(character.code, out);
    } else {
      absl::StrAppend(&out, json.substr(0, bytes));
    }
    json.remove_prefix(bytes);
  }
  return out;
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const Character character = Decode(text);
    if (character.bytes == 0) return false;
    text.remove_prefix(character.bytes);
  }
  return true;
}

size_t DisplayWidth(absl::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const Character character = Decode(text);
    width += character.bytes == 0 ? 1 : WidthOf(character.code);
    text.remove_prefix(std::max<size_t>(character.bytes, 1));
  }
  return width;
}

size_t CharacterCount(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return !IsContinuation(byte); }));
}

std::string CutCharacters(absl::string_view text, size_t characters_max) {
  if (CharacterCount(text) <= characters_max) return std::string(text);
  size_t bytes = 0;
  for (size_t i = 0; i + 1 < characters_max; ++i) {
    ++bytes;
    while (bytes < text.size() && IsContinuation(text[bytes])) ++bytes;
  }
  return absl::StrCat(text.substr(0, bytes), "…");
}

std::vector<std::string> Wrap(absl::string_view text, size_t width) {
  std::vector<std::string> lines;
  LineWrapper wrapper(width, lines);
  while (true) {
    const size_t end = text.find('\n');
    absl::string_view line = text.substr(0, end);
    while (!line.empty()) {
      const size_t space = line.find(' ');
      const absl::string_view word = line.substr(0, space);
      if (!word.empty()) wrapper.AddWord(word);
      line = space == absl::string_view::npos ? "" : line.substr(space + 1);
    }
    wrapper.Break();
    if (end == absl::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

std::string Closest(absl::string_view word, const std::vector<std::string>& candidates) {
  const std::string lower = absl::AsciiStrToLower(word);
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(lower, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace records::tools
