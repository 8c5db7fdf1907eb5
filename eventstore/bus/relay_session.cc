#include "eventstore/bus/relay_session.h"

#include <algorithm>
#include <future>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/topic_reader.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

absl::Status CheckPartitions(TopicReader& reader, const std::string& topic, uint32_t expected,
                             absl::Duration timeout) {
  ASSIGN_OR_RETURN(const int32_t count, reader.CountPartitions(topic, timeout));
  if (static_cast<uint32_t>(count) == expected) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("TOPIC_PARTITIONS: ", topic, " has ", count,
                                                    " partitions, and must have ", expected));
}

// What a broker has of a work stream.
absl::StatusOr<StreamRecords> ReadStream(const EventLog& log, const RelayOptions& options,
                                         TopicReader& reader, const std::string& name) {
  const std::string topic = WorkTopic(options.prefix, name);
  ASSIGN_OR_RETURN(const int32_t count, reader.CountPartitions(topic, options.broker_timeout));
  if (count < 1 || log.partition_count() % static_cast<uint32_t>(count) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("TOPIC_PARTITIONS: ", topic, " has ", count,
                                                      " partitions, which do not divide ",
                                                      log.partition_count()));
  }
  StreamRecords records{.topic = name};
  ASSIGN_OR_RETURN(std::vector<TopicReader::Tail> tails,
                   reader.ReadTails(topic, count, options.broker_timeout));
  for (TopicReader::Tail& tail : tails) {
    records.tails.push_back(std::move(tail.last));
    records.untouched.push_back(tail.untouched);
  }
  records.read_all = [&reader, &options, topic](size_t partition, const StreamRecords::Take& take) {
    return reader.ReadAll(topic, static_cast<int32_t>(partition), options.broker_timeout, take);
  };
  return records;
}

// Where each work stream goes on.
absl::Status FindStreams(const EventLog& log, const RelayOptions& options, TopicReader& reader,
                         const std::optional<RelayProgress>& progress, RelayProgress& resumed) {
  resumed.others = std::exchange(resumed.streams, {});
  if (options.work == nullptr) return absl::OkStatus();
  for (const std::string& topic : options.work->topics()) {
    std::erase_if(resumed.others, [&](const StreamProgress& one) { return one.topic == topic; });
    ASSIGN_OR_RETURN(const StreamRecords records, ReadStream(log, options, reader, topic));
    const StreamProgress* known = progress ? progress->Find(topic) : nullptr;
    ASSIGN_OR_RETURN(resumed.streams.emplace_back(),
                     PlanStream(log, *options.work, known, records));
  }
  return absl::OkStatus();
}

// What Kafka says of how far this log was published.
absl::StatusOr<Resume> FindResume(const EventLog& log, const RelayOptions& options) {
  // Access rules that allow it this transactional id allow it the group of that name.
  ASSIGN_OR_RETURN(const auto reader,
                   TopicReader::Open(options.settings, absl::StrCat(options.prefix, ".relay")));
  const std::string log_topic = LogTopic(options.prefix);
  const std::string progress_topic = ProgressTopic(options.prefix);
  RETURN_IF_ERROR(
      CheckPartitions(*reader, log_topic, log.partition_count(), options.broker_timeout));
  RETURN_IF_ERROR(CheckPartitions(*reader, progress_topic, 1, options.broker_timeout));
  ASSIGN_OR_RETURN(const auto last, reader->ReadLast(progress_topic, 0, options.broker_timeout));
  std::optional<RelayProgress> progress;
  if (last) {
    ASSIGN_OR_RETURN(progress, DecodeProgress(last->value.value_or("")));
  }
  if (progress && PLANTED_BUG("relay-progress-late")) return Resume{.progress = *progress};
  ASSIGN_OR_RETURN(std::vector<TopicReader::Tail> tails,
                   reader->ReadTails(log_topic, static_cast<int32_t>(log.partition_count()),
                                     options.broker_timeout));
  std::vector<std::optional<BusRecord>> lasts;
  for (TopicReader::Tail& tail : tails) lasts.push_back(std::move(tail.last));
  ASSIGN_OR_RETURN(Resume resume, PlanResume(log, progress, lasts));
  RETURN_IF_ERROR(FindStreams(log, options, *reader, progress, resume.progress));
  return resume;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Relay::Session>> Relay::Session::Start(const EventLog& log,
                                                                      const RelayOptions& options) {
  std::string id = absl::StrCat(options.prefix, ".relay");
  if (PLANTED_BUG("relay-not-fenced"))
    absl::StrAppend(&id, "-", absl::ToUnixNanos(options.clock->Now()));
  // First the predecessor is fenced: what is read then stays as it is.
  ASSIGN_OR_RETURN(auto producer,
                   TransactionalProducer::Start(
                       options.settings, {.transactional_id = std::move(id),
                                          .transaction_timeout = options.transaction_timeout}));
  ASSIGN_OR_RETURN(Resume resume, FindResume(log, options));
  std::unique_ptr<Session> session(
      new Session(log, options, std::move(producer), std::move(resume)));
  RETURN_IF_ERROR(session->OpenFollowers());
  return session;
}

Relay::Session::Session(const EventLog& log, const RelayOptions& options,
                        std::unique_ptr<TransactionalProducer> producer, Resume resume)
    : log_(log),
      options_(options),
      producer_(std::move(producer)),
      progress_(std::move(resume.progress)),
      republished_(resume.republished) {}

absl::Status Relay::Session::OpenFollowers() {
  for (const PartitionCheckpoint& checkpoint : progress_.partitions) {
    Position after = checkpoint.position;
    for (const StreamProgress& stream : progress_.streams) {
      after.sequence = std::min(after.sequence, stream.partitions[after.partition].covered);
    }
    ASSIGN_OR_RETURN(followers_.emplace_back(),
                     log_.Follow({.ledger = Ledger::kEvents, .after = after, .types = {}}));
  }
  return absl::OkStatus();
}

bool Relay::Session::IsFull(const Batch& batch) const {
  return batch.events >= options_.batch_events || batch.bytes >= options_.batch_bytes;
}

absl::StatusOr<size_t> Relay::Session::PublishBatch() {
  RETURN_IF_ERROR(gather_error_);
  Batch batch = std::exchange(next_, Batch{});
  if (batch.events == 0) batch.progress = progress_;
  if (!IsFull(batch)) RETURN_IF_ERROR(Gather(batch));
  if (batch.events == 0) return 0;
  batch.records.push_back(
      ProgressRecord(PLANTED_BUG("relay-progress-late") ? progress_ : batch.progress));
  RETURN_IF_ERROR(producer_->Send(batch.records));
  RETURN_IF_ERROR(CommitAndGather(batch));
  progress_ = std::move(batch.progress);
  return batch.events;
}

absl::Status Relay::Session::CommitAndGather(const Batch& batch) {
  // A small one is all that there was: a thread would cost more than it brings.
  if (batch.events < options_.batch_events / 2) return producer_->Commit();
  auto committed = std::async(std::launch::async, [this] { return producer_->Commit(); });
  next_.progress = batch.progress;
  gather_error_ = Gather(next_);
  return committed.get();
}

absl::Status Relay::Session::Gather(Batch& batch) {
  std::vector<Position> lasts;
  for (const auto& published : batch.progress.partitions) lasts.push_back(published.position);
  // In turns, so that one that is far behind holds up no other.
  for (bool more = true; more && !IsFull(batch);) {
    more = false;
    for (size_t i = 0; i < followers_.size() && !IsFull(batch); ++i) {
      const size_t partition = (next_partition_ + i) % followers_.size();
      ASSIGN_OR_RETURN(const bool any, GatherTurn(partition, lasts[partition], batch));
      more = more || any;
    }
  }
  next_partition_ = (next_partition_ + 1) % followers_.size();
  for (const Position last : lasts) {
    PartitionCheckpoint& published = batch.progress.partitions[last.partition];
    if (last == published.position) continue;
    ASSIGN_OR_RETURN(published, log_.CheckpointAt(Ledger::kEvents, last));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Relay::Session::GatherTurn(size_t partition, Position& last, Batch& batch) {
  const size_t share = options_.batch_events / followers_.size() + 1;
  size_t taken = 0;
  // An append goes into one transaction, as into one batch of the log: a log that is restored from
  // its topic has it whole or not at all.
  bool in_append = false;
  while (in_append || (taken < share && batch.bytes < options_.batch_bytes)) {
    ASSIGN_OR_RETURN(const FollowMessage message,
                     followers_[partition]->Next(absl::ZeroDuration()));
    if (message.kind == FollowMessage::Kind::kHeartbeat) break;
    if (message.kind != FollowMessage::Kind::kEvent) continue;
    RETURN_IF_ERROR(Add(message.event, batch));
    last.sequence = std::max(last.sequence, message.event.position.sequence);
    const records::log::v1::Append& append = message.event.event.append();
    in_append = append.index() + 1 < append.count() && !PLANTED_BUG("relay-splits-appends");
    ++taken;
  }
  return taken > 0;
}

// To each topic what that has not: they may have come to different points when a broker lost the
// end of some.
absl::Status Relay::Session::Add(const StoredEvent& event, Batch& batch) const {
  const Position position = event.position;
  ++batch.events;
  batch.bytes += event.bytes.size();
  if (position.sequence > batch.progress.partitions[position.partition].position.sequence) {
    batch.records.push_back(LogRecord(options_.prefix, log_.store_id(), event));
  }
  return options_.work == nullptr ? absl::OkStatus() : AddWork(event, batch);
}

absl::Status Relay::Session::AddWork(const StoredEvent& event, Batch& batch) const {
  const Position position = event.position;
  const auto covers = [&](const StreamProgress& stream) {
    return stream.partitions[position.partition].covered >= position.sequence;
  };
  if (absl::c_all_of(batch.progress.streams, covers)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<WorkItem> items, options_.work->ItemsOf(event));
  for (StreamProgress& stream : batch.progress.streams) {
    if (covers(stream)) continue;
    StreamProgress::Partition& progress = stream.partitions[position.partition];
    progress.covered = position.sequence;
    const auto item =
        absl::c_find_if(items, [&](const WorkItem& one) { return one.topic == stream.topic; });
    if (item == items.end()) continue;
    const size_t partition = stream.PartitionOf(position.partition);
    std::string previous = options_.work->IdOf(stream.topic, {position.partition, progress.last});
    batch.records.push_back(WorkRecord(options_.prefix, log_.store_id(), *item, std::move(previous),
                                       static_cast<int32_t>(partition), options_.clock->Now()));
    batch.bytes += batch.records.back().SizeEstimate();
    if (!PLANTED_BUG("work-progress-not-kept")) progress.last = position.sequence;
    stream.tails[partition] = position;
  }
  return absl::OkStatus();
}

BusRecord Relay::Session::ProgressRecord(const RelayProgress& progress) const {
  BusRecord record;
  record.topic = ProgressTopic(options_.prefix);
  record.partition = 0;
  record.key = progress.log.ToHex();
  record.value = EncodeProgress(progress);
  record.timestamp_ms = absl::ToUnixMillis(options_.clock->Now());
  return record;
}

}  // namespace records::eventstore
