#pragma once

#include "absl/strings/string_view.h"

namespace records::eventstore::internal {

// True for well-formed UTF-8 (RFC 3629: shortest form, no surrogates, nothing above U+10FFFF).
bool IsUtf8(absl::string_view text);

// True for well-formed UTF-8 without control characters below U+0020 and without a character of the
// Unicode property White_Space.
bool IsUtf8WithoutSpaces(absl::string_view text);

}  // namespace records::eventstore::internal
