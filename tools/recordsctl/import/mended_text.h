#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace records::tools {

// Mends text that a city's export broke. Nothing to mend: nullopt. Pure.
//
// Only text with control characters (C0 but for line feed and tab, DEL, C1) is touched, since the
// server refuses it. Such text is mostly UTF-8 that was taken for Latin-1 and encoded again, which
// makes three characters of an apostrophe: those are put together again. Control characters that
// are left become a space. Text that is not UTF-8 stays as it is, for the server to refuse.
std::optional<std::string> MendText(absl::string_view text);

}  // namespace records::tools
