#include "tools/recordsctl/import/new_york_time.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace records::tools {
namespace {

// Takes a number of 1 or more digits from the front of `text`; -1 when there is none.
int TakeNumber(absl::string_view& text, size_t digits_max) {
  int number = 0;
  size_t digits = 0;
  while (digits < digits_max && digits < text.size() &&
         absl::ascii_isdigit(static_cast<unsigned char>(text[digits]))) {
    number = number * 10 + (text[digits++] - '0');
  }
  text.remove_prefix(digits);
  return digits == 0 ? -1 : number;
}

bool TakeOneOf(absl::string_view& text, absl::string_view characters) {
  if (text.empty() || !absl::StrContains(characters, text[0])) return false;
  text.remove_prefix(1);
  return true;
}

struct Fields {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

// 2026-08-01T00:00:14, the fraction cut off.
std::optional<Fields> ParseIso(absl::string_view text) {
  Fields fields;
  const bool has_date = (fields.year = TakeNumber(text, 4)) >= 0 && TakeOneOf(text, "-") &&
                        (fields.month = TakeNumber(text, 2)) >= 0 && TakeOneOf(text, "-") &&
                        (fields.day = TakeNumber(text, 2)) >= 0;
  if (!has_date) return std::nullopt;
  const bool has_time = TakeOneOf(text, "T ") && (fields.hour = TakeNumber(text, 2)) >= 0 &&
                        TakeOneOf(text, ":") && (fields.minute = TakeNumber(text, 2)) >= 0;
  if (!has_time) return std::nullopt;
  if (TakeOneOf(text, ":") && (fields.second = TakeNumber(text, 2)) < 0) return std::nullopt;
  if (TakeOneOf(text, ".") && TakeNumber(text, 9) < 0) return std::nullopt;
  return text.empty() ? std::optional(fields) : std::nullopt;
}

// The "PM" that a time of twelve hours ends with; nothing when the hour does not fit it.
std::optional<int> HourOf(int hour, absl::string_view rest) {
  rest = absl::StripLeadingAsciiWhitespace(rest);
  if (rest.empty()) return hour;
  const bool is_afternoon = absl::EqualsIgnoreCase(rest, "PM");
  if ((!is_afternoon && !absl::EqualsIgnoreCase(rest, "AM")) || hour < 1 || hour > 12) {
    return std::nullopt;
  }
  return hour % 12 + (is_afternoon ? 12 : 0);
}

// 10/21/2018 01:02:03 PM, 10/21/18 0:59.
std::optional<Fields> ParseUs(absl::string_view text) {
  Fields fields;
  const bool has_month_and_day = (fields.month = TakeNumber(text, 2)) >= 0 &&
                                 TakeOneOf(text, "/") && (fields.day = TakeNumber(text, 2)) >= 0 &&
                                 TakeOneOf(text, "/");
  if (!has_month_and_day) return std::nullopt;
  const size_t before = text.size();
  fields.year = TakeNumber(text, 4);
  const size_t digits = before - text.size();
  if (digits == 2) fields.year += 2000;  // the service began in 2003
  if (digits != 2 && digits != 4) return std::nullopt;
  const bool has_time = TakeOneOf(text, " ") && (fields.hour = TakeNumber(text, 2)) >= 0 &&
                        TakeOneOf(text, ":") && (fields.minute = TakeNumber(text, 2)) >= 0;
  if (!has_time) return std::nullopt;
  if (TakeOneOf(text, ":") && (fields.second = TakeNumber(text, 2)) < 0) return std::nullopt;
  const std::optional<int> hour = HourOf(fields.hour, text);
  if (!hour.has_value()) return std::nullopt;
  fields.hour = *hour;
  return fields;
}

}  // namespace

absl::StatusOr<NewYorkClock> NewYorkClock::Create() {
  absl::TimeZone zone;
  if (!absl::LoadTimeZone("America/New_York", &zone)) {
    return absl::FailedPreconditionError(
        "this machine has no data of the time zone America/New_York: install tzdata");
  }
  return NewYorkClock(zone);
}

absl::StatusOr<NewYorkTime> NewYorkClock::Parse(absl::string_view text) const {
  text = absl::StripAsciiWhitespace(text);
  std::optional<Fields> fields = ParseIso(text);
  if (!fields.has_value()) fields = ParseUs(text);
  if (!fields.has_value()) return absl::InvalidArgumentError("not a time");
  const absl::CivilSecond civil(fields->year, fields->month, fields->day, fields->hour,
                                fields->minute, fields->second);
  // CivilSecond carries over what is too large; a time that is not on the calendar is refused.
  const bool is_on_calendar = civil.year() == fields->year && civil.month() == fields->month &&
                              civil.day() == fields->day && civil.hour() == fields->hour &&
                              civil.minute() == fields->minute && civil.second() == fields->second;
  if (!is_on_calendar) return absl::InvalidArgumentError("not a time of the calendar");
  // `pre` counts with the offset from before the change: the first of two, an hour later than none.
  const absl::TimeZone::TimeInfo info = zone_.At(civil);
  return NewYorkTime{.time = info.pre,
                     .day = absl::CivilDay(civil),
                     .repeated = info.kind == absl::TimeZone::TimeInfo::REPEATED,
                     .skipped = info.kind == absl::TimeZone::TimeInfo::SKIPPED};
}

}  // namespace records::tools
