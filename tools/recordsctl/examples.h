#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace records::tools {

// The examples of a command ("contact record"; "" for recordsctl itself), lines to be shown before
// its help; empty when there are none.
std::string ExamplesFor(absl::string_view path);

}  // namespace records::tools
