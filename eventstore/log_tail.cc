#include "eventstore/log_tail.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/limits.h"
#include "eventstore/log_format.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

std::string Name(Position position) {
  return absl::StrCat("partition ", position.partition, ", sequence ", position.sequence);
}

absl::Status Differs(Position position, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("TOPIC_DIFFERS: ", Name(position), " ", what));
}

absl::Status CheckOrder(const TailEvent& event, Position expected) {
  if (event.position.partition != expected.partition) {
    return Differs(event.position, absl::StrCat("lies in partition ", expected.partition));
  }
  if (event.position.sequence < expected.sequence) {
    return absl::AlreadyExistsError(
        absl::StrCat("EVENT_REPEATED: the topic has ", Name(event.position), " again"));
  }
  if (event.position.sequence > expected.sequence) {
    return absl::FailedPreconditionError(absl::StrCat("EVENT_MISSING: the topic does not have ",
                                                      Name(expected), "; ", Name(event.position),
                                                      " is there"));
  }
  if (event.previous == Position{expected.partition, expected.sequence - 1}) {
    return absl::OkStatus();
  }
  return Differs(event.position,
                 absl::StrCat("names ", Name(event.previous), " as the event before it"));
}

// Takes one partition's events in their order.
class PartitionTail {
 public:
  PartitionTail(const EventLog& log, StoredEventWriter& writer, const TailOptions& options,
                const TailPartition& end)
      : log_(log),
        writer_(writer),
        options_(options),
        head_(log.Head(Ledger::kEvents, end.published.position.partition)),
        published_(end.published),
        next_{head_.partition, std::max<uint64_t>(head_.sequence, 1)} {}

  // The event that must come next; first the log's last one, so that the two are compared.
  Position next() const { return next_; }
  bool is_complete() const { return next_.sequence > published_.position.sequence; }

  absl::Status Take(TailEvent event);
  // Writes what waits, and holds the tree against what was published.
  absl::Status Finish();

 private:
  absl::Status CheckAppend(const StoredEvent& event) const;
  absl::Status TakeAppend();
  absl::Status Write();

  const EventLog& log_;
  StoredEventWriter& writer_;
  const TailOptions& options_;
  const Position head_;
  const PartitionCheckpoint published_;
  Position next_;
  std::vector<StoredEvent> append_;  // the events of an append that are there so far
  std::vector<StoredEvent> batch_;   // whole appends
  size_t append_bytes_ = 0;
  size_t batch_bytes_ = 0;
};

absl::Status PartitionTail::Take(TailEvent event) {
  if (event.log != log_.store_id()) {
    return Differs(event.position, "says that it is of another log");
  }
  RETURN_IF_ERROR(CheckOrder(event, next_));
  ++next_.sequence;
  if (event.position == head_) {
    ASSIGN_OR_RETURN(const StoredEvent own, log_.ReadAt(Ledger::kEvents, head_));
    if (own.bytes == event.bytes || PLANTED_BUG("tail-head-not-compared")) return absl::OkStatus();
    return Differs(head_, "is another event in the log that was restored");
  }
  if (event.bytes.size() > kEventBytesMax) return Differs(event.position, "is too large");
  append_bytes_ += event.bytes.size();
  auto stored = DecodeStoredEvent(Ledger::kEvents, event.position, log_.partition_count(),
                                  std::move(event.bytes));
  if (!stored.ok()) return Differs(event.position, "is no event that belongs there");
  RETURN_IF_ERROR(CheckAppend(*stored));
  append_.push_back(*std::move(stored));
  return append_.size() < append_[0].event.append().count() ? absl::OkStatus() : TakeAppend();
}

// The events of one append follow each other.
absl::Status PartitionTail::CheckAppend(const StoredEvent& event) const {
  const records::log::v1::Append& append = event.event.append();
  if (append.count() > kEventsPerAppendMax || append.index() != append_.size()) {
    return Differs(event.position, "does not belong to the append before it");
  }
  if (append_.empty()) return absl::OkStatus();
  const records::log::v1::Append& first = append_[0].event.append();
  if (append.count() == first.count() && append.request_key() == first.request_key()) {
    return absl::OkStatus();
  }
  return Differs(event.position, "does not belong to the append before it");
}

absl::Status PartitionTail::TakeAppend() {
  if (batch_.size() + append_.size() > kBatchEventsMax ||
      batch_bytes_ + append_bytes_ > kBatchBytesMax) {
    RETURN_IF_ERROR(Write());
  }
  for (StoredEvent& event : append_) batch_.push_back(std::move(event));
  batch_bytes_ += std::exchange(append_bytes_, 0);
  append_.clear();
  return absl::OkStatus();
}

absl::Status PartitionTail::Write() {
  if (batch_.empty()) return absl::OkStatus();
  const Position first = batch_.front().position;
  const absl::Status written = writer_.WriteStored(batch_);
  if (absl::IsInvalidArgument(written)) {
    return Differs(first, absl::StrCat("and what follows do not fit the log: ", written.message()));
  }
  RETURN_IF_ERROR(written);
  for (const StoredEvent& event : batch_) RETURN_IF_ERROR(options_.inspect(event));
  batch_.clear();
  batch_bytes_ = 0;
  return absl::OkStatus();
}

absl::Status PartitionTail::Finish() {
  if (!append_.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("APPEND_CUT: the topic ends with ", Name(append_.back().position),
                     ", in the midst of an append of ", append_[0].event.append().count(),
                     " events, and an append is in the log whole or not at all"));
  }
  RETURN_IF_ERROR(Write());
  if (PLANTED_BUG("tail-root-not-compared")) return absl::OkStatus();
  const absl::Status confirmed = log_.VerifyCheckpoint(Ledger::kEvents, published_);
  if (!absl::IsDataLoss(confirmed)) return confirmed;
  return Differs(published_.position,
                 "ends other events than were published: the trees have different roots");
}

// One run over all partitions.
class TailRun {
 public:
  TailRun(TailSource& source, const EventLog& log, StoredEventWriter& writer,
          const TailOptions& options)
      : source_(source), log_(log), writer_(writer), options_(options) {}

  absl::StatusOr<AppendedTail> Run();

 private:
  absl::Status CheckEnds(const std::vector<TailPartition>& ends);
  absl::Status Append(const TailPartition& end);

  TailSource& source_;
  const EventLog& log_;
  StoredEventWriter& writer_;
  const TailOptions& options_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

// A place that only one of two, log and source, has come to must be told by the other.
absl::Status CheckEnd(const TailPartition& end, uint64_t head) {
  const Position published = end.published.position;
  if (end.last < published.sequence && published.sequence > head) {
    return absl::FailedPreconditionError(
        absl::StrCat("TOPIC_SHORT: partition ", published.partition, " of the topic ends with ",
                     end.last, ", and was published up to ", published.sequence));
  }
  if (end.last > published.sequence && end.last > head) {
    return absl::FailedPreconditionError(
        absl::StrCat("PROGRESS_BEHIND: partition ", published.partition, " of the topic ends with ",
                     end.last, ", and its root is known up to ", published.sequence, " only"));
  }
  return absl::OkStatus();
}

absl::Status TailRun::CheckEnds(const std::vector<TailPartition>& ends) {
  if (std::any_of(ends.begin(), ends.end(), [this](const TailPartition& end) {
        return end.published.store != log_.store_id();
      })) {
    return absl::FailedPreconditionError("OTHER_LOG: the topics are of another log");
  }
  if (ends.size() != log_.partition_count()) {
    return absl::FailedPreconditionError(absl::StrCat("TOPIC_PARTITIONS: ", ends.size(),
                                                      " partitions were published, and the log ",
                                                      "has ", log_.partition_count()));
  }
  for (uint32_t partition = 0; partition < ends.size(); ++partition) {
    const Position published = ends[partition].published.position;
    if (published.partition != partition) {
      return absl::DataLossError("TOPIC_DIFFERS: what was published is told in another order");
    }
    const uint64_t head = log_.Head(Ledger::kEvents, partition).sequence;
    RETURN_IF_ERROR(CheckEnd(ends[partition], head));
    if (published.sequence > head) total_ += published.sequence - head;
  }
  return absl::OkStatus();
}

absl::Status TailRun::Append(const TailPartition& end) {
  PartitionTail tail(log_, writer_, options_, end);
  const Position head = log_.Head(Ledger::kEvents, end.published.position.partition);
  if (end.published.position.sequence <= head.sequence) return tail.Finish();
  RETURN_IF_ERROR(source_.Seek(tail.next()));
  while (!tail.is_complete()) {
    ASSIGN_OR_RETURN(std::vector<TailEvent> page, source_.NextPage());
    if (page.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("TOPIC_SHORT: the topic ends before ", Name(tail.next())));
    }
    for (TailEvent& event : page) {
      if (tail.is_complete()) break;
      done_ += event.position == head ? 0 : 1;
      RETURN_IF_ERROR(tail.Take(std::move(event)));
    }
    if (!options_.go_on(done_, total_)) return absl::CancelledError("it was stopped");
  }
  return tail.Finish();
}

absl::StatusOr<AppendedTail> TailRun::Run() {
  ASSIGN_OR_RETURN(const std::vector<TailPartition> ends, source_.FindEnds());
  if (ends.empty()) return AppendedTail{};
  RETURN_IF_ERROR(CheckEnds(ends));
  for (const TailPartition& end : ends) RETURN_IF_ERROR(Append(end));
  return AppendedTail{.was_published = true, .events = done_};
}

}  // namespace

absl::StatusOr<AppendedTail> AppendTail(TailSource& source, const EventLog& log,
                                        StoredEventWriter& writer, const TailOptions& options) {
  return TailRun(source, log, writer, options).Run();
}

}  // namespace records::eventstore
