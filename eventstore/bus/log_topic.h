#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/bus/work_streams.h"
#include "eventstore/log.h"

namespace records::eventstore {

// Names of the topics of a prefix that are for the system itself.
std::string LogTopic(absl::string_view prefix);       // the whole log, kept for ever
std::string ProgressTopic(absl::string_view prefix);  // how far it was published, compacted

// An event as a record of the log's topic: its stored bytes as the value, and CloudEvents 1.0
// headers in binary mode (Kafka protocol binding, section 3.2). It stands in the topic's partition
// of the event's own number. `records_position` is "<partition>/<sequence>", `records_previous`
// that of the event before it, so that a reader proves that nothing is missing.
BusRecord LogRecord(absl::string_view prefix, const StoreId& log, const StoredEvent& event);

// Name of the topic of a work stream.
std::string WorkTopic(absl::string_view prefix, absl::string_view topic);

// An item as a record of its work stream: a sealed reference as the value, and headers that tell
// nothing that another stream does, too. `previous` is the id of the item before it from the same
// partition of the log; empty: none. Times are days: exact ones would tell which records of two
// streams are of one request, and so who an anonymous reporter is (CR-3.1.3).
BusRecord WorkRecord(absl::string_view prefix, const StoreId& log, const WorkItem& item,
                     std::string previous, int32_t partition, absl::Time now);

// The position that a record of the log's topic says it has. kDataLoss: it says none.
absl::StatusOr<Position> PositionOf(const BusRecord& record);
// The same of the header itself; nullopt: it is none.
std::optional<Position> ParsePosition(absl::string_view text);

// The log that a record says it is of. kDataLoss: it says none.
absl::StatusOr<StoreId> SourceOf(const BusRecord& record);

// The headers of the log's topic that say where an event belongs: its log, its place, and the event
// before it.
inline constexpr char kSourceHeader[] = "ce_source";
inline constexpr char kPositionHeader[] = "records_position";
inline constexpr char kPreviousHeader[] = "records_previous";
// A log and a position as they say it.
std::string SourceText(const StoreId& log);
std::string PositionText(Position position);

}  // namespace records::eventstore
