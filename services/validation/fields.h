#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "records/events/v1/customer.pb.h"

namespace records::services {

// Collects what is wrong with a request, field by field, so that a caller mends all at once.
// Not thread-safe.
class FieldChecker {
 public:
  // Text of `min` to `max` characters (code points), valid UTF-8, without control characters other
  // than line feed and tab. Where text is required it is not all white space.
  void Text(absl::string_view field, absl::string_view value, size_t min, size_t max);
  // A calendar date that exists. Unset dates are refused when `required`.
  void CalendarDate(absl::string_view field, const records::events::v1::Date& date, bool set,
                    bool required);
  // A time, microseconds since 1970 UTC, not in the future; 0 stands for now. Senders' clocks may
  // be kClockSkew ahead.
  void PastTime(absl::string_view field, int64_t microseconds, absl::Time now);
  // Anything else.
  void Require(bool holds, absl::string_view field, absl::string_view description);

  // INVALID_ARGUMENT with all violations, or OK.
  absl::Status Finish() const;

  static constexpr absl::Duration kClockSkew = absl::Minutes(5);

 private:
  struct Violation {
    std::string field;
    std::string description;
  };
  std::vector<Violation> violations_;
};

// FAILED_PRECONDITION (CARD_NUMBER) when a text of the message holds what looks like a payment card
// number: 13 to 19 digits, perhaps in groups with a space or hyphen between, that pass the Luhn
// check (RC-6), also where further groups stand beside them. References and keys of other systems
// are passed over.
absl::Status RefuseCardNumbers(const google::protobuf::Message& message);

}  // namespace records::services
