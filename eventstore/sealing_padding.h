#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace records::eventstore {

// Adds the padding of ISO/IEC 7816-4 (0x80, then zeros) up to the size class, or to `minimum`,
// itself a size class, when that is larger.
void PadToSizeClass(std::string& plaintext, size_t minimum);

// Returns what was padded. kDataLoss: there is no padding, or the size is not a class.
[[nodiscard]] absl::StatusOr<absl::string_view> Unpad(absl::string_view padded);

}  // namespace records::eventstore
