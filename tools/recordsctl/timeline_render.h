#pragma once

#include <string>

#include "absl/time/time.h"
#include "records/api/v1/timeline_service.pb.h"

namespace records::tools {

// A timeline for people. Pure functions; what was recorded is made printable.

// What must be known before the first word: who, needs, safety of contact, authorities.
std::string RenderTimelineHeader(const records::api::v1::TimelineHeader& header,
                                 absl::TimeZone zone, size_t width);

// Entries, one below the other, in columns that line up from call to call.
struct TimelineLayout {
  absl::TimeZone zone;
  size_t width = 100;
  bool with_headings = true;
  bool with_ids = false;  // the opaque id of each entry on a line of its own, to be copied
};
std::string RenderTimelineEntries(
    const google::protobuf::RepeatedPtrField<records::api::v1::TimelineEntry>& entries,
    const TimelineLayout& layout);

}  // namespace records::tools
