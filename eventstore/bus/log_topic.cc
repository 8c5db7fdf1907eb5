#include "eventstore/bus/log_topic.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"

namespace records::eventstore {
namespace {

constexpr char kPosition[] = "records_position";
constexpr char kPrevious[] = "records_previous";

std::string PositionText(Position position) {
  return absl::StrCat(position.partition, "/", position.sequence);
}

std::string TimeText(int64_t microseconds) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMicros(microseconds),
                          absl::UTCTimeZone());
}

}  // namespace

std::string LogTopic(absl::string_view prefix) { return absl::StrCat(prefix, ".log.v1"); }

std::string ProgressTopic(absl::string_view prefix) {
  return absl::StrCat(prefix, ".relay-progress.v1");
}

BusRecord LogRecord(absl::string_view prefix, const StoreId& log, const StoredEvent& event) {
  BusRecord record;
  record.topic = LogTopic(prefix);
  record.partition = static_cast<int32_t>(event.position.partition);
  record.value = event.bytes;
  record.timestamp_ms = event.event.recorded_at_us() / 1'000;
  record.headers = {
      {"ce_specversion", "1.0"},
      {"ce_id", absl::BytesToHexString(event.event.id())},
      {"ce_source", absl::StrCat("/records/", log.ToHex())},
      {"ce_type", event.event.type()},
      {"ce_subject", absl::BytesToHexString(event.event.stream().root())},
      {"ce_time", TimeText(event.event.recorded_at_us())},
      {"content-type", "application/protobuf"},
      {kPosition, PositionText(event.position)},
      {kPrevious, PositionText({event.position.partition, event.position.sequence - 1})},
  };
  return record;
}

absl::StatusOr<Position> PositionOf(const BusRecord& record) {
  const std::string text = record.Header(kPosition);
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(text, '/');
  Position position;
  if (!absl::SimpleAtoi(parts.first, &position.partition) ||
      !absl::SimpleAtoi(parts.second, &position.sequence) || position.sequence == 0) {
    return absl::DataLossError(absl::StrCat("a record of ", record.topic, " has no position"));
  }
  return position;
}

}  // namespace records::eventstore
