#pragma once

#include <string>

#include "absl/time/time.h"
#include "records/api/v1/timeline_service.pb.h"
#include "tools/recordsctl/table.h"

namespace records::tools {

// A timeline for people. Pure functions; text is made printable by Table.

// What must be known before the first word: who, needs, safety of contact, authorities.
std::string RenderTimelineHeader(const records::api::v1::TimelineHeader& header,
                                 absl::TimeZone zone, size_t width);

// The columns of a timeline, and one entry as a row of them.
Table TimelineTable();
void AddTimelineRow(const records::api::v1::TimelineEntry& entry, absl::TimeZone zone,
                    Table& table);

}  // namespace records::tools
