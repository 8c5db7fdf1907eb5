#include "eventstore/prepared_append.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/limits.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

absl::Status CheckCounts(const Append& append) {
  if (append.events.empty()) return absl::InvalidArgumentError("an append needs an event");
  if (append.events.size() > kEventsPerAppendMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("an append holds at most ", kEventsPerAppendMax, " events"));
  }
  if (append.expectations.size() > kExpectationsPerAppendMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("an append holds at most ", kExpectationsPerAppendMax, " expectations"));
  }
  return absl::OkStatus();
}

absl::Status CheckStream(const StreamName& stream, uint32_t partition, uint32_t partition_count) {
  RETURN_IF_ERROR(stream.Validate());
  if (PartitionOf(stream.root, partition_count) != partition) {
    return absl::InvalidArgumentError("all streams of an append must lie in one partition");
  }
  return absl::OkStatus();
}

absl::Status CheckBody(const NewEvent& event) {
  const absl::StatusOr<ScannedEvent> header = ScanEvent(event.body);
  if (!header.ok()) return absl::InvalidArgumentError(header.status().message());
  if (header->has_committer_fields) {
    return absl::InvalidArgumentError(
        "an event's append, revision, position and recorded_at are the committer's to set");
  }
  if (header->id.size() != kIdSize) return absl::InvalidArgumentError("an event needs an id");
  if (header->type.empty()) return absl::InvalidArgumentError("an event needs a type");
  if (header->stream != EncodeStreamName(event.stream)) {
    return absl::InvalidArgumentError("an event's body names another stream");
  }
  if (header->time_precision != static_cast<uint64_t>(event.time_precision)) {
    return absl::InvalidArgumentError("an event's body has another time precision");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PreparedAppend> Prepare(Append append, uint32_t partition_count) {
  RETURN_IF_ERROR(CheckCounts(append));
  PreparedAppend prepared;
  prepared.partition = PartitionOf(append.events.front().stream.root, partition_count);
  const auto count = static_cast<uint32_t>(append.events.size());
  for (uint32_t i = 0; i < count; ++i) {
    NewEvent& event = append.events[i];
    RETURN_IF_ERROR(CheckStream(event.stream, prepared.partition, partition_count));
    RETURN_IF_ERROR(CheckBody(event));
    AppendAppendField(event.body, append.request_key, append.request_digest, i, count);
    const size_t bytes = event.body.size() + kPlaceBytesMax;
    if (bytes > kEventBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("an event has at most ", kEventBytesMax, " bytes with its header"));
    }
    prepared.bytes += bytes;
    prepared.event_streams.push_back(StreamKeyOf(append.ledger, event.stream));
  }
  if (prepared.bytes > kAppendBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("an append has at most ", kAppendBytesMax, " bytes"));
  }
  for (const Expectation& expectation : append.expectations) {
    RETURN_IF_ERROR(CheckStream(expectation.stream, prepared.partition, partition_count));
    prepared.expected_streams.push_back(StreamKeyOf(append.ledger, expectation.stream));
  }
  prepared.append = std::move(append);
  return prepared;
}

}  // namespace records::eventstore
