#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace records::tools {

// A local time of New York and what became of it.
struct NewYorkTime {
  absl::Time time;
  absl::CivilDay day;     // as written
  bool repeated = false;  // the hour came twice that night: taken as the first
  bool skipped = false;   // the hour did not come that night: taken an hour later
};

// Reads local times of New York, which is how the city's extracts write them.
//
// Immutable and thread-safe.
class NewYorkClock {
 public:
  // kFailedPrecondition: the machine has no time zone data.
  static absl::StatusOr<NewYorkClock> Create();

  // Takes 2026-08-01T00:00:14, with or without a fraction and with a space for the T; and
  // 10/21/2018 01:02:03 PM, 10/21/18 0:59 (month first; two digits of a year mean 20xx).
  // kInvalidArgument: anything else, or what is not on the calendar.
  absl::StatusOr<NewYorkTime> Parse(absl::string_view text) const;

 private:
  explicit NewYorkClock(absl::TimeZone zone) : zone_(zone) {}

  absl::TimeZone zone_;
};

}  // namespace records::tools
