#include "eventstore/log_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/limits.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

ReadLimits Cut(ReadLimits limits) {
  limits.events = std::clamp<size_t>(limits.events, 1, kReadEventsMax);
  limits.bytes = std::min(limits.bytes, kReadBytesMax);
  return limits;
}

// Collects events until a limit is reached; the first always fits.
class Page {
 public:
  explicit Page(ReadLimits limits) : limits_(Cut(limits)) {}

  bool HasRoomFor(size_t bytes) const {
    return events_.empty() || (events_.size() < limits_.events && bytes_ + bytes <= limits_.bytes);
  }
  void Add(StoredEvent event) {
    bytes_ += event.bytes.size();
    events_.push_back(std::move(event));
  }
  bool full() const {
    return !events_.empty() && (events_.size() >= limits_.events || bytes_ >= limits_.bytes);
  }
  std::vector<StoredEvent> Take() { return std::move(events_); }

 private:
  const ReadLimits limits_;
  size_t bytes_ = 0;
  std::vector<StoredEvent> events_;
};

absl::Status Missing(Ledger ledger, Position position) {
  return absl::DataLossError(
      absl::StrCat("the log is damaged at ", Describe(ledger, position), ": the event is missing"));
}

// Says where, for an error that RocksDB or a decoder gave.
absl::Status At(Ledger ledger, Position position, const absl::Status& status) {
  if (absl::StrContains(status.message(), "sequence")) return status;
  return absl::Status(status.code(),
                      absl::StrCat("the log is damaged at or after ", Describe(ledger, position),
                                   ": ", status.message()));
}

// The rows of one stream in order of revisions.
class StreamRows {
 public:
  StreamRows(const Storage& storage, const StreamKey& stream)
      : stream_(stream), cursor_(storage.NewCursor(kStreamsTable)) {}

  void SeekFrom(Revision from, ReadDirection direction) {
    const std::string key = StreamRowKey(stream_, from);
    if (direction == ReadDirection::kForward) {
      cursor_->Seek(key);
    } else {
      cursor_->SeekForPrev(key);
    }
  }
  void Move(ReadDirection direction) {
    if (direction == ReadDirection::kForward) {
      cursor_->Next();
    } else {
      cursor_->Prev();
    }
  }
  bool Valid() const { return cursor_->Valid() && absl::StartsWith(cursor_->key(), Prefix()); }
  absl::StatusOr<uint64_t> Sequence() const { return DecodeSequence(cursor_->value()); }
  absl::StatusOr<Revision> RowRevision() const {
    ASSIGN_OR_RETURN(const StreamRow row, DecodeStreamRowKey(cursor_->key()));
    return row.revision;
  }
  absl::Status status() const { return cursor_->status(); }

 private:
  absl::string_view Prefix() const { return AsBytes(stream_); }

  const StreamKey stream_;
  const std::unique_ptr<Cursor> cursor_;
};

absl::Status CheckRevision(Ledger ledger, const StoredEvent& event, Revision revision) {
  if (event.event.revision() == revision.value) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the log is damaged at ",
                                          Describe(ledger, event.position),
                                          ": it has another revision than its stream says"));
}

}  // namespace

absl::StatusOr<bool> TypeFilter::Passes(absl::string_view stored_event) const {
  if (types_.empty()) return true;
  ASSIGN_OR_RETURN(const ScannedEvent header, ScanEvent(stored_event));
  return std::find(types_.begin(), types_.end(), header.type) != types_.end();
}

absl::Status LogReader::CheckPartition(uint32_t partition) const {
  if (partition < board_.partition_count()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the log has ", board_.partition_count(),
                                                 " partitions, none numbered ", partition));
}

absl::StatusOr<PartitionPage> LogReader::ReadPage(Ledger ledger, Position from,
                                                  ReadDirection direction, ReadLimits limits,
                                                  const TypeFilter& filter) const {
  RETURN_IF_ERROR(CheckPartition(from.partition));
  const bool forward = direction == ReadDirection::kForward;
  const uint64_t head = board_.Head(ledger, from.partition);
  uint64_t sequence =
      forward ? std::max<uint64_t>(from.sequence, 1) : std::min(from.sequence, head);
  const auto in_range = [head](uint64_t s) { return s >= 1 && s <= head; };
  Page page(limits);
  PartitionPage result;
  if (in_range(sequence)) {
    const std::unique_ptr<Cursor> cursor = storage_.NewCursor(EventTable(ledger));
    cursor->Seek(EventKey({from.partition, sequence}));
    for (size_t looked = 0; looked < kReadEventsMax && in_range(sequence) && !page.full();
         ++looked) {
      const Position position{from.partition, sequence};
      if (absl::Status status = cursor->status(); !status.ok()) return At(ledger, position, status);
      // Sequences are dense: a gap is damage, never skipped.
      if (!cursor->Valid() || cursor->key() != EventKey(position)) return Missing(ledger, position);
      const absl::StatusOr<bool> passes = filter.Passes(cursor->value());
      if (!passes.ok()) return At(ledger, position, passes.status());
      if (*passes) {
        if (!page.HasRoomFor(cursor->value().size())) break;
        ASSIGN_OR_RETURN(StoredEvent event,
                         DecodeStoredEvent(ledger, position, board_.partition_count(),
                                           std::string(cursor->value())));
        page.Add(std::move(event));
      }
      sequence += forward ? 1 : -1;
      if (!in_range(sequence)) break;
      if (forward) {
        cursor->Next();
      } else {
        cursor->Prev();
      }
    }
  }
  result.next_sequence = sequence;
  result.at_end = !in_range(sequence);
  result.events = page.Take();
  return result;
}

absl::StatusOr<std::vector<StoredEvent>> LogReader::ReadPartition(
    Ledger ledger, Position from, ReadDirection direction, ReadLimits limits,
    const std::vector<std::string>& types) const {
  const TypeFilter filter(types);
  while (true) {
    ASSIGN_OR_RETURN(PartitionPage page, ReadPage(ledger, from, direction, limits, filter));
    if (!page.events.empty() || page.at_end) return std::move(page.events);
    from.sequence = page.next_sequence;
  }
}

absl::StatusOr<StoredEvent> LogReader::ReadChecked(Ledger ledger, Position position,
                                                   const StreamName* stream) const {
  auto bytes = storage_.Get(EventTable(ledger), EventKey(position));
  if (!bytes.ok()) return At(ledger, position, bytes.status());
  if (!bytes->has_value()) return Missing(ledger, position);
  ASSIGN_OR_RETURN(StoredEvent event, DecodeStoredEvent(ledger, position, board_.partition_count(),
                                                        **std::move(bytes)));
  if (stream != nullptr) {
    ASSIGN_OR_RETURN(const StreamName found, StreamOf(event.event));
    if (found != *stream) {
      return absl::DataLossError(absl::StrCat("the log is damaged at ", Describe(ledger, position),
                                              ": the event belongs to another stream"));
    }
  }
  return event;
}

absl::StatusOr<StoredEvent> LogReader::ReadAt(Ledger ledger, Position position) const {
  RETURN_IF_ERROR(CheckPartition(position.partition));
  if (position.sequence == 0 || position.sequence > board_.Head(ledger, position.partition)) {
    return absl::NotFoundError(absl::StrCat("no event at ", Describe(ledger, position)));
  }
  return ReadChecked(ledger, position, nullptr);
}

absl::StatusOr<std::vector<StoredEvent>> LogReader::ReadStream(Ledger ledger,
                                                               const StreamName& stream,
                                                               Revision from,
                                                               ReadDirection direction,
                                                               ReadLimits limits) const {
  RETURN_IF_ERROR(stream.Validate());
  const uint32_t partition = PartitionOf(stream.root, board_.partition_count());
  const uint64_t head = board_.Head(ledger, partition);
  const bool forward = direction == ReadDirection::kForward;
  StreamRows rows(storage_, StreamKeyOf(ledger, stream));
  Page page(limits);
  std::optional<Revision> expected;
  for (rows.SeekFrom(from, direction); rows.Valid() && !page.full(); rows.Move(direction)) {
    ASSIGN_OR_RETURN(const uint64_t sequence, rows.Sequence());
    ASSIGN_OR_RETURN(const Revision revision, rows.RowRevision());
    if (sequence > head) {
      // Written, but not to be seen before it is anchored.
      if (forward) break;
      continue;
    }
    if (!expected) expected = forward ? from : revision;
    if (revision != *expected) {
      return absl::DataLossError(absl::StrCat("a stream in partition ", partition, " of ",
                                              LedgerName(ledger), " misses revision ",
                                              expected->value));
    }
    ASSIGN_OR_RETURN(StoredEvent event, ReadChecked(ledger, {partition, sequence}, &stream));
    RETURN_IF_ERROR(CheckRevision(ledger, event, revision));
    if (!page.HasRoomFor(event.bytes.size())) break;
    page.Add(std::move(event));
    expected->value += forward ? 1 : -1;
  }
  RETURN_IF_ERROR(rows.status());
  return page.Take();
}

absl::StatusOr<std::optional<Revision>> LogReader::StreamHead(Ledger ledger,
                                                              const StreamName& stream) const {
  RETURN_IF_ERROR(stream.Validate());
  const uint64_t head = board_.Head(ledger, PartitionOf(stream.root, board_.partition_count()));
  const StreamKey key = StreamKeyOf(ledger, stream);
  ASSIGN_OR_RETURN(const auto last, storage_.LastWithPrefix(kStreamsTable, AsBytes(key)));
  if (!last) return std::nullopt;
  ASSIGN_OR_RETURN(const uint64_t last_sequence, DecodeSequence(last->value));
  if (last_sequence <= head) {
    ASSIGN_OR_RETURN(const StreamRow row, DecodeStreamRowKey(last->key));
    return row.revision;
  }
  // The end of the stream is being written: look for the last row that may be seen.
  StreamRows rows(storage_, key);
  for (rows.SeekFrom(Revision{UINT64_MAX}, ReadDirection::kBackward); rows.Valid();
       rows.Move(ReadDirection::kBackward)) {
    ASSIGN_OR_RETURN(const uint64_t sequence, rows.Sequence());
    if (sequence > head) continue;
    ASSIGN_OR_RETURN(const Revision revision, rows.RowRevision());
    return revision;
  }
  RETURN_IF_ERROR(rows.status());
  return std::nullopt;
}

absl::StatusOr<bool> LogReader::StreamExists(Ledger ledger, const StreamName& stream) const {
  const StreamKey key = StreamKeyOf(ledger, stream);
  {
    absl::ReaderMutexLock lock(&existing_mutex_);
    if (existing_.Find(key) != nullptr) return true;
  }
  ASSIGN_OR_RETURN(const std::optional<Revision> head, StreamHead(ledger, stream));
  if (!head.has_value()) return false;
  absl::MutexLock lock(&existing_mutex_);
  existing_.Insert(key, true);
  return true;
}

absl::StatusOr<std::optional<std::vector<StoredEvent>>> LogReader::FindRequest(
    const RequestKey& key) const {
  ASSIGN_OR_RETURN(const auto value, storage_.Get(kRequestsTable, AsBytes(key)));
  if (!value) return std::nullopt;
  ASSIGN_OR_RETURN(const RequestRow row, DecodeRequestRow(*value));
  RETURN_IF_ERROR(CheckPartition(row.first.partition));
  if (row.first.sequence > board_.Head(row.ledger, row.first.partition)) return std::nullopt;
  std::vector<StoredEvent> events;
  uint32_t count = 1;
  for (uint32_t i = 0; i < count; ++i) {
    const Position position{row.first.partition, row.first.sequence + i};
    ASSIGN_OR_RETURN(StoredEvent event, ReadChecked(row.ledger, position, nullptr));
    const records::log::v1::Append& append = event.event.append();
    if (append.request_key() != AsBytes(key) || append.index() != i) {
      return absl::DataLossError(absl::StrCat("the log is damaged at ",
                                              Describe(row.ledger, position),
                                              ": the event belongs to another request"));
    }
    count = append.count();
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace records::eventstore
