#include "tools/recordsctl/verify/envelope_rules.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tools/recordsctl/text.h"
#include "tools/recordsctl/verify/format.h"

namespace records::tools::verify {
namespace {

constexpr absl::string_view kRestrictedType = "records.events.v1.Restricted";
constexpr size_t kNameLengthMax = 32;
constexpr size_t kTypeLengthMax = 256;
constexpr size_t kSealedPartsMax = 64;
constexpr size_t kKeyReferenceSize = 76;
constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;
constexpr size_t kRestrictedPartsClass = 4;
constexpr size_t kRestrictedPartBytesMin = 256;

bool IsName(absl::string_view text, size_t length_min) {
  return text.size() >= length_min && text.size() <= kNameLengthMax &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
         });
}

bool IsTypeName(absl::string_view type) {
  return !type.empty() && type.size() <= kTypeLengthMax &&
         std::all_of(type.begin(), type.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_';
         });
}

bool IsIdOrAbsent(absl::string_view id) { return id.empty() || id.size() == kIdSize; }

// Powers of two and one and a half times them, from 64 on.
bool IsSizeClass(size_t size) {
  size_t power = 64;
  while (power <= size / 2) power *= 2;
  return size == power || size == power + power / 2;
}

void AddPartFaults(const DecodedEvent& event, bool restricted, std::vector<std::string>* faults) {
  const size_t minimum = restricted ? kRestrictedPartBytesMin : 0;
  for (size_t i = 0; i < event.sealed.size(); ++i) {
    const PartSizes& part = event.sealed[i];
    const std::string name = absl::StrCat("sealed part ", i + 1, " of ", event.sealed.size());
    if (part.key_reference != kKeyReferenceSize) {
      faults->push_back(absl::StrCat(name, " has a key reference of ", part.key_reference,
                                     " bytes, not ", kKeyReferenceSize));
    }
    if (part.nonce != kNonceSize) {
      faults->push_back(absl::StrCat(name, " has a nonce of ", part.nonce, " bytes"));
    }
    if (part.ciphertext < kTagSize || !IsSizeClass(part.ciphertext - kTagSize) ||
        part.ciphertext - kTagSize < minimum) {
      faults->push_back(absl::StrCat(name, " has ", part.ciphertext,
                                     " bytes, which is no size class: its size tells of what is "
                                     "in it"));
    }
  }
}

void AddRestrictedFaults(const DecodedEvent& event, std::vector<std::string>* faults) {
  const auto demand_empty = [faults](absl::string_view value, absl::string_view field) {
    if (value.empty()) return;
    faults->push_back(absl::StrCat("a restricted event has its ", field, " in the clear"));
  };
  demand_empty(event.facts, "facts");
  demand_empty(event.actor, "actor");
  demand_empty(event.purpose, "purpose");
  demand_empty(event.lawful_basis, "lawful basis");
  demand_empty(event.causation, "causation");
  demand_empty(event.correlation, "correlation");
  if (event.sealed.empty() || event.sealed.size() % kRestrictedPartsClass != 0) {
    faults->push_back(absl::StrCat("a restricted event has ", event.sealed.size(),
                                   " sealed parts, not a multiple of ", kRestrictedPartsClass));
  }
}

void AddTimeFaults(const DecodedEvent& event, std::vector<std::string>* faults) {
  if (event.time_precision > 1) faults->push_back("its time precision is not known");
  if (!IsCutToDay(event)) return;
  if (event.recorded_at_us % kDayUs != 0 || event.occurred_at_us % kDayUs != 0) {
    faults->push_back("its times should be cut to the day and are not");
  }
}

}  // namespace

bool HasStreamName(const DecodedEvent& event) {
  return IsName(event.organisation, 1) && IsName(event.collection, 1) &&
         IsName(event.sub_stream, 0) && IsId(event.root);
}

int64_t StartOfDay(int64_t time_us) {
  const int64_t within = time_us % kDayUs;
  return time_us - (within < 0 ? within + kDayUs : within);
}

std::vector<std::string> EnvelopeFaults(const DecodedEvent& event, uint64_t bytes) {
  std::vector<std::string> faults;
  if (bytes > kEventBytesMax) {
    faults.push_back(absl::StrCat("it has ", bytes, " bytes; at most ", kEventBytesMax));
  }
  if (!IsId(event.id)) faults.push_back("it has no id");
  if (!IsTypeName(event.type)) faults.push_back("its type is no name of a type");
  if (!IsIdOrAbsent(event.actor) || !IsIdOrAbsent(event.causation) ||
      !IsIdOrAbsent(event.correlation)) {
    faults.push_back("an id in its header is not 16 bytes");
  }
  // No reader of protobuf takes a message with another text.
  if (!IsUtf8(event.purpose) || !IsUtf8(event.lawful_basis)) {
    faults.push_back("its purpose or lawful basis is not UTF-8");
  }
  if (event.sealed.size() > kSealedPartsMax) {
    faults.push_back(
        absl::StrCat("it has ", event.sealed.size(), " sealed parts; at most ", kSealedPartsMax));
  }
  const bool restricted = event.type == kRestrictedType;
  if (restricted) AddRestrictedFaults(event, &faults);
  AddPartFaults(event, restricted, &faults);
  AddTimeFaults(event, &faults);
  return faults;
}

}  // namespace records::tools::verify
