#include "tools/recordsctl/flag_values.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/civil_time.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

// "CHANNEL_" of CHANNEL_UNSPECIFIED: proto lint sees to it that every value starts so.
absl::string_view PrefixOf(const google::protobuf::EnumDescriptor& type) {
  const absl::string_view zero = type.value(0)->name();
  return zero.substr(0, zero.size() - absl::string_view("UNSPECIFIED").size());
}

std::string FlagName(const google::protobuf::EnumDescriptor& type,
                     const google::protobuf::EnumValueDescriptor& value) {
  absl::string_view name = value.name();
  name.remove_prefix(std::min(name.size(), PrefixOf(type).size()));
  return absl::StrReplaceAll(absl::AsciiStrToLower(name), {{"_", "-"}});
}

bool ParseDigits(absl::string_view text, size_t digits, int& value) {
  return text.size() == digits &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); }) &&
         absl::SimpleAtoi(text, &value);
}

}  // namespace

std::vector<std::string> EnumNames(const google::protobuf::EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) names.push_back(FlagName(type, *type.value(i)));
  }
  return names;
}

std::string EnumName(const google::protobuf::EnumDescriptor& type, int value) {
  const auto* descriptor = type.FindValueByNumber(value);
  // A newer server may know more than this client.
  if (descriptor == nullptr) return absl::StrCat("value ", value);
  return value == 0 ? "" : FlagName(type, *descriptor);
}

absl::StatusOr<int> ParseEnumValue(const google::protobuf::EnumDescriptor& type,
                                   absl::string_view flag, absl::string_view text) {
  for (int i = 0; i < type.value_count(); ++i) {
    const auto& value = *type.value(i);
    if (value.number() != 0 && FlagName(type, value) == text) return value.number();
  }
  const std::vector<std::string> names = EnumNames(type);
  const std::string closest = Closest(text, names);
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " cannot be '", Printable(CutCharacters(text, 40)), "'",
                   closest.empty() ? "" : absl::StrCat("; did you mean '", closest, "'?"),
                   " It is one of ", absl::StrJoin(names, ", ")));
}

std::string ShortName(absl::string_view name) {
  return std::string(name.substr(name.rfind('.') + 1));  // npos + 1 is 0
}

absl::StatusOr<records::events::v1::Date> ParseDate(absl::string_view flag,
                                                    absl::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  const bool is_form = text.size() == 10 && text[4] == '-' && text[7] == '-' &&
                       ParseDigits(text.substr(0, 4), 4, year) &&
                       ParseDigits(text.substr(5, 2), 2, month) &&
                       ParseDigits(text.substr(8, 2), 2, day);
  const absl::CivilDay civil(year, month, day);
  // CivilDay turns 31 April into 1 May; a date that is not on the calendar is refused instead.
  if (!is_form || year < 1 || civil.month() != month || civil.day() != day) {
    return absl::InvalidArgumentError(absl::StrCat(flag, " must be a date as YYYY-MM-DD"));
  }
  records::events::v1::Date date;
  date.set_year(year);
  date.set_month(month);
  date.set_day(day);
  return date;
}

std::string FormatDate(const records::events::v1::Date& date) {
  return absl::StrFormat("%04d-%02d-%02d", date.year(), date.month(), date.day());
}

absl::StatusOr<int64_t> ParseMoment(absl::string_view flag, absl::string_view text) {
  absl::Time time;
  std::string error;
  constexpr const char* kForms[] = {"%Y-%m-%d%ET%H:%M:%E*S%Ez", "%Y-%m-%d%ET%H:%M%Ez",
                                    "%Y-%m-%d%ET%H:%M:%E*S", "%Y-%m-%d%ET%H:%M", "%Y-%m-%d"};
  for (const char* form : kForms) {
    if (absl::ParseTime(form, text, absl::LocalTimeZone(), &time, &error)) {
      return absl::ToUnixMicros(time);
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      flag, " must be a time such as 2026-08-01T14:30, 2026-08-01T14:30:00Z or 2026-08-01"));
}

std::string FormatMoment(int64_t microseconds, absl::TimeZone zone) {
  return absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixMicros(microseconds), zone);
}

absl::StatusOr<std::string> ParseHex(absl::string_view flag, absl::string_view text, size_t size) {
  const bool is_hex =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (!is_hex || text.size() != 2 * size) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " must be ", 2 * size, " hexadecimal digits"));
  }
  return absl::HexStringToBytes(text);
}

}  // namespace records::tools
