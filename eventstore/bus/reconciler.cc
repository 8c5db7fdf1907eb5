#include "eventstore/bus/reconciler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

constexpr size_t kPageRecords = 1'000;
constexpr absl::Duration kPageWait = absl::Milliseconds(500);

// What the check found, rather than that it could not look.
bool IsDifference(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsAlreadyExists(status) || absl::IsOutOfRange(status) ||
         absl::IsFailedPrecondition(status);
}

}  // namespace

Reconciler::Reconciler(const EventLog& log, const Relay& relay, ReconcilerOptions options)
    : log_(log), relay_(relay), options_(std::move(options)) {
  for (uint32_t i = 0; i < log_.partition_count(); ++i) {
    checks_.emplace_back(log_, i);
    owed_.push_back({.partition = i, .sequence = 0});
  }
}

void Reconciler::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Reconciler::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool Reconciler::Stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void Reconciler::Run() {
  while (!Stopping()) {
    // A reader of its own each time: what a broker's restart did to the one before ends with it.
    auto reader = TopicReader::Open(options_.settings, absl::StrCat(options_.prefix, ".relay"));
    const absl::Status done = reader.ok() ? RunRound(**reader) : reader.status();
    absl::MutexLock lock(&mutex_);
    if (done.ok()) ++status_.rounds;
    status_.error = done;
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.between_rounds);
  }
}

absl::Status Reconciler::CheckTopic(TopicReader& reader) {
  const std::string topic = LogTopic(options_.prefix);
  return CheckThere(reader, topic,
                    std::any_of(checks_.begin(), checks_.end(), [&](const TopicCheck& check) {
                      return relay_.Published(check.last().partition).sequence > 0;
                    }));
}

absl::Status Reconciler::CheckThere(TopicReader& reader, const std::string& topic,
                                    bool has_published) {
  const auto count = reader.CountPartitions(topic, options_.broker_timeout);
  if (absl::IsNotFound(count.status()) && has_published) {
    Note(absl::FailedPreconditionError(
        absl::StrCat("TOPIC_GONE: ", topic, " had what was published, and is not there")));
  }
  return count.status();
}

absl::Status Reconciler::RunRound(TopicReader& reader) {
  RETURN_IF_ERROR(CheckTopic(reader));
  for (TopicCheck& check : checks_) {
    const Position published = relay_.Published(check.last().partition);
    RETURN_IF_ERROR(ReadPartition(
        reader, LogTopic(options_.prefix), static_cast<int32_t>(check.last().partition),
        check.next_offset(), [&check](const BusRecord& record) { return check.Take(record); }));
    Note(check.CheckEnd(std::exchange(owed_[check.last().partition], published)));
  }
  return options_.work == nullptr ? absl::OkStatus() : RunStreams(reader);
}

// One that cannot be read holds up none of the others.
absl::Status Reconciler::RunStreams(TopicReader& reader) {
  if (stream_checks_.empty()) RETURN_IF_ERROR(FindStreamPartitions(reader));
  absl::Status first;
  for (size_t i = 0; i < stream_checks_.size() && !Stopping(); ++i) {
    first.Update(RunStream(reader, stream_checks_[i], owed_by_streams_[i]));
  }
  return first;
}

absl::Status Reconciler::RunStream(TopicReader& reader, StreamCheck& check, Position& owed) {
  const std::string topic = WorkTopic(options_.prefix, check.topic());
  const Position published =
      relay_.PublishedTo(check.topic(), static_cast<size_t>(check.partition()));
  RETURN_IF_ERROR(CheckThere(reader, topic, published.sequence > 0));
  RETURN_IF_ERROR(ReadPartition(reader, topic, check.partition(), check.next_offset(),
                                [&check](const BusRecord& record) { return check.Take(record); }));
  Note(check.CheckEnd(std::exchange(owed, published)));
  return absl::OkStatus();
}

absl::Status Reconciler::FindStreamPartitions(TopicReader& reader) {
  std::vector<StreamCheck> checks;
  for (const std::string& topic : options_.work->topics()) {
    ASSIGN_OR_RETURN(const int32_t count, reader.CountPartitions(WorkTopic(options_.prefix, topic),
                                                                 options_.broker_timeout));
    for (int32_t i = 0; i < count; ++i) checks.emplace_back(log_, *options_.work, topic, i, count);
  }
  stream_checks_ = std::move(checks);
  owed_by_streams_.resize(stream_checks_.size());
  return absl::OkStatus();
}

absl::Status Reconciler::ReadPartition(TopicReader& reader, const std::string& topic,
                                       int32_t partition, int64_t offset,
                                       absl::FunctionRef<absl::Status(const BusRecord&)> take) {
  RETURN_IF_ERROR(reader.Seek(topic, partition, offset));
  // Pages without a record that may still come before the broker is given up.
  const int64_t patience = options_.broker_timeout / kPageWait;
  int64_t empty_pages = 0;
  while (true) {
    if (Stopping()) return absl::CancelledError("the reconciler was stopped");
    ASSIGN_OR_RETURN(const TopicReader::Page page, reader.Read(kPageRecords, kPageWait));
    for (const BusRecord& record : page.records) {
      const absl::Status taken = take(record);
      if (!taken.ok() && !IsDifference(taken)) return taken;
      Note(taken);
      absl::MutexLock lock(&mutex_);
      ++status_.compared;
    }
    if (page.at_end) return absl::OkStatus();
    empty_pages = page.records.empty() ? empty_pages + 1 : 0;
    if (empty_pages > patience) {
      return absl::UnavailableError(
          absl::StrCat("the end of ", topic, "/", partition, " was not reached in time"));
    }
  }
}

void Reconciler::Note(const absl::Status& difference) {
  if (difference.ok()) return;
  absl::MutexLock lock(&mutex_);
  if (status_.differences++ == 0) status_.difference = difference;
}

ReconcilerStatus Reconciler::GetStatus() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

}  // namespace records::eventstore
