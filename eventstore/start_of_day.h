#pragma once

#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace records::eventstore {

// `time` cut to its day, by UTC.
inline absl::Time StartOfDay(absl::Time time) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  return absl::FromCivil(absl::ToCivilDay(time, utc), utc);
}

}  // namespace records::eventstore
