#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace records::services {

// The first `bytes_max` bytes at most of what a caller asked for, cut between characters: half a
// one is no text and would spoil the trace.
[[nodiscard]] absl::string_view CutAskedFor(absl::string_view text, size_t bytes_max);

// UNAUTHENTICATED (TOKEN_EXPIRED): what goes on ends with the token that it began with.
absl::Status TokenExpired();

}  // namespace records::services
