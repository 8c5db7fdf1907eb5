#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/generated_enum_reflection.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "records/events/v1/customer.pb.h"

namespace records::tools {

// Values of flags, read and shown. Pure functions but for the time zone, which is the machine's.
// Refusals are kInvalidArgument and name the flag and what would be right.

// "CHANNEL_WEB_FORM" of enum Channel is "web-form" on the command line; the value 0 has no name.
std::vector<std::string> EnumNames(const google::protobuf::EnumDescriptor& type);
std::string EnumName(const google::protobuf::EnumDescriptor& type, int value);
absl::StatusOr<int> ParseEnumValue(const google::protobuf::EnumDescriptor& type,
                                   absl::string_view flag, absl::string_view text);

// The names of an enum, for a help text: "rent|shared-ownership|outright-sale".
template <typename Enum>
std::string EnumHelp() {
  std::string help;
  for (const std::string& name : EnumNames(*google::protobuf::GetEnumDescriptor<Enum>())) {
    help += (help.empty() ? "" : "|") + name;
  }
  return help;
}

// The name of a value for people: "web form".
template <typename Enum>
std::string EnumText(Enum value) {
  std::string name = EnumName(*google::protobuf::GetEnumDescriptor<Enum>(), value);
  for (char& c : name) c = c == '-' ? ' ' : c;
  return name;
}

template <typename Enum>
absl::StatusOr<Enum> ParseEnum(absl::string_view flag, absl::string_view text) {
  auto value = ParseEnumValue(*google::protobuf::GetEnumDescriptor<Enum>(), flag, text);
  if (!value.ok()) return value.status();
  return static_cast<Enum>(*value);
}

// The last part of a name with dots, for people: "GetTimeline" of a method, "ContactRecorded" of a
// type.
std::string ShortName(absl::string_view name);

// A date of the calendar, YYYY-MM-DD.
absl::StatusOr<records::events::v1::Date> ParseDate(absl::string_view flag, absl::string_view text);
std::string FormatDate(const records::events::v1::Date& date);

// A moment, as microseconds since 1970 UTC: RFC 3339 with a zone, or without one in the machine's:
// 2026-08-01T14:30:00Z, 2026-08-01T14:30, 2026-08-01.
absl::StatusOr<int64_t> ParseMoment(absl::string_view flag, absl::string_view text);
std::string FormatMoment(int64_t microseconds, absl::TimeZone zone);

// Bytes from hexadecimal digits, exactly `size` of them.
absl::StatusOr<std::string> ParseHex(absl::string_view flag, absl::string_view text, size_t size);

}  // namespace records::tools
