#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/recordsctl/verify/event_decoder.h"

namespace records::tools::verify {

// What of an event breaks the rules that hold for each alone (design sections 4 and 5: limits,
// restricted events tell nothing, sealed parts have sizes that tell little). Pure. Each entry is a
// sentence without any of the content.
std::vector<std::string> EnvelopeFaults(const DecodedEvent& event, uint64_t bytes);

// Whether the stream has a name that the log allows.
bool HasStreamName(const DecodedEvent& event);

inline constexpr int64_t kDayUs = int64_t{24} * 3600 * 1'000'000;

// The start of the day, UTC.
int64_t StartOfDay(int64_t time_us);

// TIME_PRECISION_DAY.
inline bool IsCutToDay(const DecodedEvent& event) { return event.time_precision == 1; }

}  // namespace records::tools::verify
