#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "projections/timeline/timeline_reader.h"
#include "records/api/v1/timeline_service.pb.h"
#include "services/runtime/runtime.h"

namespace records::services {

// The event types of kinds of entries, by full name. INVALID_ARGUMENT: not a kind.
absl::StatusOr<std::vector<std::string>> TypesOfKinds(
    const google::protobuf::RepeatedField<int>& kinds);

// EntryFrom() is called for each of these next, and `tokens` are sealed: what that takes of the
// keys may be asked for together.
void ExpectEntries(const ReadRuntime& runtime, const std::vector<projections::OpenedEntry>& entries,
                   std::vector<eventstore::TokenContent> tokens);

// An entry as callers see it. kDataLoss: of a type that no entry has.
absl::StatusOr<records::api::v1::TimelineEntry> EntryFrom(const ReadRuntime& runtime,
                                                          projections::OpenedEntry entry);

records::api::v1::TimelineHeader HeaderFrom(const projections::OpenedHeader& header);

}  // namespace records::services
