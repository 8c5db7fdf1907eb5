#include "eventstore/bus/log_topic.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "eventstore/planted_bug.h"
#include "eventstore/start_of_day.h"

namespace records::eventstore {
namespace {

constexpr char kSourcePrefix[] = "/records/";

using Headers = std::vector<std::pair<std::string, std::string>>;

std::string TimeText(int64_t microseconds) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMicros(microseconds),
                          absl::UTCTimeZone());
}

Headers CloudEventHeaders(const StoreId& log, std::string id, std::string type, std::string subject,
                          int64_t time_us, std::string content_type) {
  return {{"ce_specversion", "1.0"},
          {"ce_id", std::move(id)},
          {kSourceHeader, SourceText(log)},
          {"ce_type", std::move(type)},
          {"ce_subject", std::move(subject)},
          {"ce_time", TimeText(time_us)},
          {"content-type", std::move(content_type)}};
}

}  // namespace

std::string SourceText(const StoreId& log) { return absl::StrCat(kSourcePrefix, log.ToHex()); }

std::string PositionText(Position position) {
  return absl::StrCat(position.partition, "/", position.sequence);
}

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
  record.headers =
      CloudEventHeaders(log, absl::BytesToHexString(event.event.id()), event.event.type(),
                        absl::BytesToHexString(event.event.stream().root()),
                        event.event.recorded_at_us(), "application/protobuf");
  record.headers.emplace_back(kPositionHeader, PositionText(event.position));
  record.headers.emplace_back(
      kPreviousHeader,
      PositionText({event.position.partition,
                    event.position.sequence - (PLANTED_BUG("relay-chain-wrong") ? 0 : 1)}));
  return record;
}

std::string WorkTopic(absl::string_view prefix, absl::string_view topic) {
  return absl::StrCat(prefix, ".", topic);
}

BusRecord WorkRecord(absl::string_view prefix, const StoreId& log, const WorkItem& item,
                     std::string previous, int32_t partition, absl::Time now) {
  BusRecord record;
  record.topic = WorkTopic(prefix, item.topic);
  record.partition = partition;
  record.key = item.subject;
  record.value = item.reference;
  record.timestamp_ms = absl::ToUnixMillis(StartOfDay(now));
  record.headers =
      CloudEventHeaders(log, item.id, item.type, item.subject, absl::ToUnixMicros(item.day),
                        "application/vnd.records.sealed-reference");
  record.headers.emplace_back(kPreviousHeader, std::move(previous));
  return record;
}

std::optional<Position> ParsePosition(absl::string_view text) {
  const size_t slash = text.find('/');
  Position position;
  if (slash == absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(0, slash), &position.partition) ||
      !absl::SimpleAtoi(text.substr(slash + 1), &position.sequence) || position.sequence == 0) {
    return std::nullopt;
  }
  return position;
}

absl::StatusOr<Position> PositionOf(const BusRecord& record) {
  if (const auto position = ParsePosition(record.Header(kPositionHeader))) return *position;
  return absl::DataLossError(absl::StrCat("a record of ", record.topic, " has no position"));
}

absl::StatusOr<StoreId> SourceOf(const BusRecord& record) {
  const std::string text = record.Header(kSourceHeader);
  absl::string_view id = text;
  if (absl::ConsumePrefix(&id, kSourcePrefix)) {
    if (auto log = StoreId::FromHex(id); log.ok()) return log;
  }
  return absl::DataLossError(absl::StrCat("a record of ", record.topic, " says no log"));
}

}  // namespace records::eventstore
