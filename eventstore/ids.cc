#include "eventstore/ids.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eventstore/status_macros.h"

namespace records::eventstore::internal {
namespace {

// Messages never repeat the input: an id may lead to a person.
absl::Status Malformed(absl::string_view form) {
  return absl::InvalidArgumentError(absl::StrCat("not an id: ", form, " expected"));
}

absl::Status RefuseNil(const IdBytes& bytes) {
  if (bytes == IdBytes{}) return absl::InvalidArgumentError("the nil id is no id");
  return absl::OkStatus();
}

bool IsHyphenPlace(size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

constexpr size_t kUuidTextSize = 36;

}  // namespace

absl::StatusOr<IdBytes> IdFromBytes(absl::string_view bytes) {
  if (bytes.size() != kIdSize) return Malformed("16 bytes");
  IdBytes id;
  std::copy(bytes.begin(), bytes.end(), id.begin());
  RETURN_IF_ERROR(RefuseNil(id));
  return id;
}

absl::StatusOr<IdBytes> IdFromHex(absl::string_view hex) {
  if (hex.size() != 2 * kIdSize || !std::all_of(hex.begin(), hex.end(), absl::ascii_isxdigit)) {
    return Malformed("32 hexadecimal digits");
  }
  return IdFromBytes(absl::HexStringToBytes(hex));
}

absl::StatusOr<IdBytes> IdFromUuid(absl::string_view text) {
  if (text.size() != kUuidTextSize) return Malformed("the text form of RFC 9562");
  std::string hex;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsHyphenPlace(i)) {
      hex.push_back(text[i]);
    } else if (text[i] != '-') {
      return Malformed("the text form of RFC 9562");
    }
  }
  ASSIGN_OR_RETURN(IdBytes id, IdFromHex(hex));
  // The variant bits 10 (RFC 9562 section 4.1) also rule out the max UUID.
  if ((id[8] & 0xc0) != 0x80) return Malformed("a UUID of the variant of RFC 9562");
  return id;
}

std::string IdToHex(const IdBytes& bytes) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string IdToUuid(const IdBytes& bytes) {
  const std::string hex = IdToHex(bytes);
  const absl::string_view digits = hex;
  return absl::StrCat(digits.substr(0, 8), "-", digits.substr(8, 4), "-", digits.substr(12, 4), "-",
                      digits.substr(16, 4), "-", digits.substr(20));
}

absl::StatusOr<IdBytes> RandomId(Random& random) {
  IdBytes id;
  RETURN_IF_ERROR(random.Fill(absl::MakeSpan(id)));
  id[6] = static_cast<uint8_t>((id[6] & 0x0f) | 0x40);
  id[8] = static_cast<uint8_t>((id[8] & 0x3f) | 0x80);
  return id;
}

}  // namespace records::eventstore::internal
