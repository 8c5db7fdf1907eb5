#include "services/validation/fields.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "services/errors/errors.h"

namespace records::services {
namespace {

// Takes one code point off the front of `text`; nothing when it is no UTF-8 (RFC 3629: shortest
// form, no surrogates, at most U+10FFFF).
std::optional<uint32_t> TakeCodePoint(absl::string_view& text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  const size_t length = lead < 0x80       ? 1
                        : lead >> 5 == 6  ? 2
                        : lead >> 4 == 14 ? 3
                        : lead >> 3 == 30 ? 4
                                          : 0;
  if (length == 0 || length > text.size()) return std::nullopt;
  uint32_t code_point = length == 1 ? lead : lead & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<uint8_t>(text[i]);
    if ((next & 0xc0) != 0x80) return std::nullopt;
    code_point = code_point << 6 | (next & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (code_point < kSmallest[length] || surrogate || code_point > 0x10ffff) return std::nullopt;
  text.remove_prefix(length);
  return code_point;
}

// C0, DEL and C1 (ISO 6429), but for line feed and tab.
bool IsControl(uint32_t code_point) {
  return (code_point < 0x20 && code_point != '\n' && code_point != '\t') ||
         (code_point >= 0x7f && code_point < 0xa0);
}

// Returns the number of code points, or nothing for text that may not be stored.
std::optional<size_t> CountCharacters(absl::string_view text) {
  size_t count = 0;
  for (; !text.empty(); ++count) {
    const std::optional<uint32_t> code_point = TakeCodePoint(text);
    if (!code_point.has_value() || IsControl(*code_point)) return std::nullopt;
  }
  return count;
}

bool IsBlank(absl::string_view text) { return absl::StripAsciiWhitespace(text).empty(); }

bool PassesLuhn(absl::string_view digits) {
  int sum = 0;
  bool twice = false;
  for (size_t i = digits.size(); i-- > 0; twice = !twice) {
    int digit = digits[i] - '0';
    if (twice) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

constexpr size_t kCardDigitsMin = 13;  // ISO/IEC 7812-1 allows 10 to 19; cards in use have 13 to 19
constexpr size_t kCardDigitsMax = 19;

// Digits that stand together, with at most one space or hyphen between two groups of them.
struct DigitRun {
  std::string digits;
  std::vector<size_t> starts;  // of its groups
};

// A card number may be the whole run or, as it is told on the telephone, stand between other
// groups: "4111 1111 1111 1111 12/27". Of a part it is asked that it begins as payment cards do
// (2 to 6), since two telephone numbers side by side hold many parts.
bool HoldsCardNumber(const DigitRun& run) {
  for (size_t first = 0; first < run.starts.size(); ++first) {
    for (size_t last = first; last < run.starts.size(); ++last) {
      const size_t begin = run.starts[first];
      const size_t end = last + 1 < run.starts.size() ? run.starts[last + 1] : run.digits.size();
      if (end - begin < kCardDigitsMin) continue;
      if (end - begin > kCardDigitsMax) break;
      const bool whole = end - begin == run.digits.size();
      const bool begins_as_card = run.digits[begin] >= '2' && run.digits[begin] <= '6';
      if ((whole || begins_as_card) &&
          PassesLuhn(absl::string_view(run.digits).substr(begin, end - begin))) {
        return true;
      }
    }
  }
  return false;
}

bool HasCardNumber(absl::string_view text) {
  // Most texts, and ten times as fast.
  if (std::count_if(text.begin(), text.end(), absl::ascii_isdigit) <
      static_cast<std::ptrdiff_t>(kCardDigitsMin)) {
    return false;
  }
  DigitRun run;
  bool gap = true;  // before the next digit
  for (char c : text) {
    if (absl::ascii_isdigit(c)) {
      if (gap) run.starts.push_back(run.digits.size());
      run.digits.push_back(c);
      gap = false;
    } else if ((c == ' ' || c == '-') && !gap) {
      gap = true;
    } else {
      if (HoldsCardNumber(run)) return true;
      run = {};
      gap = true;
    }
  }
  return HoldsCardNumber(run);
}

const absl::flat_hash_set<absl::string_view>& FieldsOfOtherSystems() {
  static const auto& names = *new absl::flat_hash_set<absl::string_view>{
      "source_key", "reference", "contract_reference", "property_reference",
      "request_id", "customer",  "applicant",          "contact_id"};
  return names;
}

bool AnyCardNumber(const google::protobuf::Message& message) {
  const auto* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
        const auto& child = field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i)
                                                 : reflection->GetMessage(message, field);
        if (AnyCardNumber(child)) return true;
      } else if (field->type() == google::protobuf::FieldDescriptor::TYPE_STRING &&
                 !FieldsOfOtherSystems().contains(field->name())) {
        std::string scratch;
        const std::string& text =
            field->is_repeated()
                ? reflection->GetRepeatedStringReference(message, field, i, &scratch)
                : reflection->GetStringReference(message, field, &scratch);
        if (HasCardNumber(text)) return true;
      }
    }
  }
  return false;
}

}  // namespace

void FieldChecker::Text(absl::string_view field, absl::string_view value, size_t min, size_t max) {
  const std::optional<size_t> count = CountCharacters(value);
  if (!count.has_value()) {
    violations_.push_back({std::string(field), "must be UTF-8 without control characters"});
  } else if (*count < min || *count > max) {
    violations_.push_back({std::string(field), absl::StrCat("must have ", min, " to ", max,
                                                            " characters, has ", *count)});
  } else if (min > 0 && IsBlank(value)) {
    violations_.push_back({std::string(field), "must not be blank"});
  }
}

void FieldChecker::CalendarDate(absl::string_view field, const records::events::v1::Date& date,
                                bool set, bool required) {
  if (!set) return Require(!required, field, "is required");
  const absl::CivilDay day(date.year(), date.month(), date.day());
  Require(date.year() >= 1 && date.year() <= 9999 && day.month() == date.month() &&
              day.day() == date.day(),
          field, "must be a date that exists");
}

void FieldChecker::PastTime(absl::string_view field, int64_t microseconds, absl::Time now) {
  Require(microseconds >= 0 && absl::FromUnixMicros(microseconds) <= now + kClockSkew, field,
          "must be microseconds since 1970 UTC and not in the future");
}

void FieldChecker::Require(bool holds, absl::string_view field, absl::string_view description) {
  if (!holds) violations_.push_back({std::string(field), std::string(description)});
}

absl::Status FieldChecker::Finish() const {
  if (violations_.empty()) return absl::OkStatus();
  Refusal refusal = InvalidField(violations_[0].field, violations_[0].description);
  for (size_t i = 1; i < violations_.size(); ++i) {
    refusal.Field(violations_[i].field, violations_[i].description);
  }
  return refusal;
}

absl::Status RefuseCardNumbers(const google::protobuf::Message& message) {
  if (!AnyCardNumber(message)) return absl::OkStatus();
  return Refusal(absl::StatusCode::kFailedPrecondition, "CARD_NUMBER",
                 "A text holds what looks like a payment card number. Nothing was stored. Leave it "
                 "out; payments are taken by the payment provider.");
}

}  // namespace records::services
