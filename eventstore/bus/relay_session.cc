#include "eventstore/bus/relay_session.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/topic_reader.h"
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
  std::vector<std::optional<BusRecord>> tails(log.partition_count());
  for (uint32_t partition = 0; partition < log.partition_count(); ++partition) {
    ASSIGN_OR_RETURN(tails[partition], reader->ReadLast(log_topic, static_cast<int32_t>(partition),
                                                        options.broker_timeout));
  }
  return PlanResume(log, progress, tails);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Relay::Session>> Relay::Session::Start(const EventLog& log,
                                                                      const RelayOptions& options) {
  // First the predecessor is fenced: what is read then stays as it is.
  ASSIGN_OR_RETURN(auto producer, TransactionalProducer::Start(
                                      options.settings,
                                      {.transactional_id = absl::StrCat(options.prefix, ".relay"),
                                       .transaction_timeout = options.broker_timeout}));
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
    ASSIGN_OR_RETURN(
        followers_.emplace_back(),
        log_.Follow({.ledger = Ledger::kEvents, .after = checkpoint.position, .types = {}}));
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> Relay::Session::PublishBatch() {
  std::vector<BusRecord> records;
  RelayProgress progress = progress_;
  ASSIGN_OR_RETURN(const size_t events, Gather(records, progress));
  if (events == 0) return 0;
  records.push_back(ProgressRecord(progress));
  RETURN_IF_ERROR(producer_->Write(records));
  progress_ = std::move(progress);
  return events;
}

// Takes what each partition has, in turns, so that one that is far behind holds up no other.
absl::StatusOr<size_t> Relay::Session::Gather(std::vector<BusRecord>& records,
                                              RelayProgress& progress) {
  size_t bytes = 0;
  const size_t share = options_.batch_events / followers_.size() + 1;
  for (size_t i = 0; i < followers_.size(); ++i) {
    const size_t partition = (next_partition_ + i) % followers_.size();
    Position last = progress.partitions[partition].position;
    for (size_t taken = 0; taken < share && bytes < options_.batch_bytes;) {
      ASSIGN_OR_RETURN(const FollowMessage message,
                       followers_[partition]->Next(absl::ZeroDuration()));
      if (message.kind == FollowMessage::Kind::kHeartbeat) break;
      if (message.kind != FollowMessage::Kind::kEvent) continue;
      records.push_back(LogRecord(options_.prefix, log_.store_id(), message.event));
      bytes += message.event.bytes.size();
      last = message.event.position;
      ++taken;
    }
    if (last == progress.partitions[partition].position) continue;
    ASSIGN_OR_RETURN(progress.partitions[partition], log_.CheckpointAt(Ledger::kEvents, last));
  }
  next_partition_ = (next_partition_ + 1) % followers_.size();
  return records.size();
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
