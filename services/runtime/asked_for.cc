#include "services/runtime/asked_for.h"

#include <cstdint>

#include "services/errors/errors.h"

namespace records::services {

absl::string_view CutAskedFor(absl::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

absl::Status TokenExpired() {
  return Refusal(absl::StatusCode::kUnauthenticated, "TOKEN_EXPIRED",
                 "The token has expired. Get a new one and call again.");
}

}  // namespace records::services
