#include <algorithm>
#include <limits>
#include <queue>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/internal/big_endian.h"
#include "eventstore/limits.h"
#include "eventstore/log_reader.h"
#include "eventstore/status_macros.h"

// Reading a root: its streams merged in the order of positions.
namespace records::eventstore {
namespace {

// The rows of one stream, from the first after a sequence on.
class StreamRun {
 public:
  // kDataLoss: the table is damaged there.
  static absl::StatusOr<StreamRun> Open(const Storage& storage, const StreamKey& stream,
                                        uint64_t last_revision, uint64_t after_sequence) {
    // Sequences grow with revisions, so the first row is found by halving.
    uint64_t low = 0;
    uint64_t high = last_revision + 1;
    while (low < high) {
      const uint64_t middle = low + (high - low) / 2;
      ASSIGN_OR_RETURN(const auto value,
                       storage.Get(kStreamsTable, StreamRowKey(stream, Revision{middle})));
      if (!value) return absl::DataLossError(absl::StrCat("a stream misses revision ", middle));
      ASSIGN_OR_RETURN(const uint64_t sequence, DecodeSequence(*value));
      if (sequence > after_sequence) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    StreamRun run;
    run.stream_ = stream;
    run.cursor_ = storage.NewCursor(kStreamsTable);
    run.cursor_->Seek(StreamRowKey(stream, Revision{low}));
    RETURN_IF_ERROR(run.Take());
    return run;
  }

  bool at_end() const { return at_end_; }
  uint64_t sequence() const { return sequence_; }

  absl::Status Next() {
    cursor_->Next();
    return Take();
  }

 private:
  StreamRun() = default;

  absl::Status Take() {
    RETURN_IF_ERROR(cursor_->status());
    at_end_ = !cursor_->Valid() || !absl::StartsWith(cursor_->key(), AsBytes(stream_));
    if (at_end_) return absl::OkStatus();
    ASSIGN_OR_RETURN(sequence_, DecodeSequence(cursor_->value()));
    return absl::OkStatus();
  }

  StreamKey stream_;
  std::unique_ptr<Cursor> cursor_;
  uint64_t sequence_ = 0;
  bool at_end_ = false;
};

// Opens the streams of a root that have rows after a sequence.
absl::StatusOr<std::vector<StreamRun>> OpenRuns(const Storage& storage, Ledger ledger,
                                                const RootId& root, uint64_t after_sequence) {
  const StreamKey any = StreamKeyOf(ledger, {.root = root});
  const std::unique_ptr<Cursor> cursor = storage.NewCursor(kStreamsTable);
  std::vector<StreamRun> runs;
  cursor->Seek(root.bytes());
  while (cursor->Valid() && absl::StartsWith(cursor->key(), root.bytes())) {
    ASSIGN_OR_RETURN(const StreamRow first, DecodeStreamRowKey(cursor->key()));
    const Revision end{std::numeric_limits<uint64_t>::max()};
    cursor->SeekForPrev(StreamRowKey(first.stream, end));
    RETURN_IF_ERROR(cursor->status());
    if (!cursor->Valid()) break;
    ASSIGN_OR_RETURN(const StreamRow last, DecodeStreamRowKey(cursor->key()));
    if (first.stream.back() == any.back()) {
      ASSIGN_OR_RETURN(StreamRun run,
                       StreamRun::Open(storage, first.stream, last.revision.value, after_sequence));
      if (!run.at_end()) runs.push_back(std::move(run));
    }
    cursor->Next();
  }
  RETURN_IF_ERROR(cursor->status());
  return runs;
}

}  // namespace

absl::StatusOr<std::vector<StoredEvent>> LogReader::ReadRoot(Ledger ledger, const RootId& root,
                                                             uint64_t after_sequence,
                                                             ReadLimits limits) const {
  const uint32_t partition = PartitionOf(root, board_.partition_count());
  const uint64_t head = board_.Head(ledger, partition);
  ASSIGN_OR_RETURN(std::vector<StreamRun> runs, OpenRuns(storage_, ledger, root, after_sequence));
  const auto later = [](const StreamRun* a, const StreamRun* b) {
    return a->sequence() > b->sequence();
  };
  std::priority_queue<StreamRun*, std::vector<StreamRun*>, decltype(later)> next(later);
  for (StreamRun& run : runs) next.push(&run);
  limits.events = std::clamp<size_t>(limits.events, 1, kReadEventsMax);
  limits.bytes = std::min(limits.bytes, kReadBytesMax);
  std::vector<StoredEvent> events;
  size_t bytes = 0;
  while (!next.empty() && events.size() < limits.events && next.top()->sequence() <= head) {
    StreamRun* run = next.top();
    next.pop();
    ASSIGN_OR_RETURN(StoredEvent event, ReadChecked(ledger, {partition, run->sequence()}, nullptr));
    if (event.event.stream().root() != root.bytes()) {
      return absl::DataLossError(absl::StrCat("the log is damaged at ",
                                              Describe(ledger, event.position),
                                              ": the event belongs to another root"));
    }
    bytes += event.bytes.size();
    if (!events.empty() && bytes > limits.bytes) break;
    events.push_back(std::move(event));
    RETURN_IF_ERROR(run->Next());
    if (!run->at_end()) next.push(run);
  }
  return events;
}

}  // namespace records::eventstore
