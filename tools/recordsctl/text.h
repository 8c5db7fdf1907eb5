#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace records::tools {

// What may reach a terminal, and how wide it is there. Pure functions.

// Returns `text` so that it cannot drive a terminal: control characters (C0 but for line feed and
// tab, DEL, C1), characters that turn the direction of text or are invisible, and bytes that are
// not UTF-8 become \xNN or \u{N}. Line feeds stay when `keep_lines`, else become a space, as tabs
// always do.
std::string Printable(absl::string_view text, bool keep_lines = false);

// Does the same to JSON, as \uNNNN, which means the same to a parser. REQUIRES: `json` is UTF-8.
std::string PrintableJson(absl::string_view json);

// Says whether `text` is UTF-8 without surrogates and overlong forms (RFC 3629).
bool IsUtf8(absl::string_view text);

// Number of columns that printable `text` takes: 2 for wide characters, 0 for combining ones.
size_t DisplayWidth(absl::string_view text);

// Number of characters (code points) of UTF-8 `text`, as limits of the API count them.
size_t CharacterCount(absl::string_view text);

// Returns the first `characters_max` characters of UTF-8 `text`, the last replaced by an ellipsis
// where something was cut.
std::string CutCharacters(absl::string_view text, size_t characters_max);

// Breaks printable `text` into lines at most `width` columns wide: at line feeds, at spaces, and
// within a word only when it is wider than a line. Returns at least one line. REQUIRES: width >= 2.
std::vector<std::string> Wrap(absl::string_view text, size_t width);

// Returns the candidate closest to `word` by edits, or "" when none is close.
std::string Closest(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace records::tools
