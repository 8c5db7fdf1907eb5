#include "services/validation/fields.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "services/errors/errors.h"

namespace records::services {
namespace {

// Returns the number of code points, or nothing for text that may not be stored.
std::optional<size_t> CountCharacters(absl::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++count) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const bool control = lead < 0x20 && lead != '\n' && lead != '\t';
    if (control || lead == 0x7f) return std::nullopt;
    const size_t length = lead < 0x80       ? 1
                          : lead >> 5 == 6  ? 2
                          : lead >> 4 == 14 ? 3
                          : lead >> 3 == 30 ? 4
                                            : 0;
    if (length == 0 || i + length > text.size()) return std::nullopt;
    for (size_t j = 1; j < length; ++j) {
      if ((static_cast<uint8_t>(text[i + j]) & 0xc0) != 0x80) return std::nullopt;
    }
    i += length;
  }
  return count;
}

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

bool HasCardNumber(absl::string_view text) {
  std::string digits;
  size_t gap = 0;
  auto is_card = [&digits] {
    return digits.size() >= kCardDigitsMin && digits.size() <= kCardDigitsMax && PassesLuhn(digits);
  };
  for (char c : text) {
    if (absl::ascii_isdigit(c)) {
      digits.push_back(c);
      gap = 0;
    } else if ((c == ' ' || c == '-') && !digits.empty() && gap == 0) {
      ++gap;
    } else {
      if (is_card()) return true;
      digits.clear();
      gap = 0;
    }
  }
  return is_card();
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
