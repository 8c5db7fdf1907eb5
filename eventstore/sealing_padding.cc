#include "eventstore/sealing_padding.h"

#include <algorithm>

#include "absl/status/status.h"
#include "eventstore/sealing.h"

namespace records::eventstore {

size_t PaddedSize(size_t size) {
  size_t power = 64;
  while (true) {
    if (size < power) return power;
    if (size < power + power / 2) return power + power / 2;
    power *= 2;
  }
}

void PadToSizeClass(std::string& plaintext, size_t minimum) {
  const size_t padded = std::max(PaddedSize(plaintext.size()), minimum);
  plaintext.push_back('\x80');
  plaintext.resize(padded, '\0');
}

absl::StatusOr<absl::string_view> Unpad(absl::string_view padded) {
  const size_t marker = padded.find_last_not_of('\0');
  if (marker == absl::string_view::npos || padded[marker] != '\x80' ||
      PaddedSize(padded.size() - 1) != padded.size()) {
    return absl::DataLossError("a sealed part is not padded as ours are");
  }
  return padded.substr(0, marker);
}

}  // namespace records::eventstore
