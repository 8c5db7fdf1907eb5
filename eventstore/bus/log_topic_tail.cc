#include "eventstore/bus/log_topic_tail.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/relay_progress.h"
#include "eventstore/bus/topic_reader.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

constexpr size_t kPageRecordsMax = 500;
// Brokers end the transaction of a relay that was killed after its 30 s, and look each 10 s.
constexpr std::chrono::seconds kOpenTransactionMax{60};
constexpr absl::Duration kPoll = absl::Milliseconds(50);
constexpr char kSource[] = "ce_source";
constexpr char kPrevious[] = "records_previous";

absl::Status NoEvent(const BusRecord& record) {
  return absl::DataLossError(absl::StrCat("TOPIC_DIFFERS: ", record.topic, "/", record.partition,
                                          " at offset ", record.offset, " has no event of a log"));
}

absl::StatusOr<TailEvent> EventOf(BusRecord record) {
  const auto position = PositionOf(record);
  const std::string source = record.Header(kSource);
  const auto log = StoreId::FromHex(absl::StripPrefix(source, "/records/"));
  const std::string text = record.Header(kPrevious);
  const std::pair<absl::string_view, absl::string_view> previous = absl::StrSplit(text, '/');
  TailEvent event;
  if (!position.ok() || !log.ok() || !record.value ||
      !absl::SimpleAtoi(previous.first, &event.previous.partition) ||
      !absl::SimpleAtoi(previous.second, &event.previous.sequence)) {
    return NoEvent(record);
  }
  event.log = *log;
  event.position = *position;
  event.bytes = *std::move(record.value);
  return event;
}

class LogTopicTail final : public TailSource {
 public:
  LogTopicTail(std::unique_ptr<TopicReader> reader, const std::string& prefix,
               absl::Duration timeout, absl::Duration settle_max)
      : reader_(std::move(reader)),
        log_topic_(LogTopic(prefix)),
        progress_topic_(ProgressTopic(prefix)),
        timeout_(timeout),
        settle_max_(settle_max) {}

  absl::StatusOr<std::vector<TailPartition>> FindEnds() override;
  absl::Status Seek(Position from) override;
  absl::StatusOr<std::vector<TailEvent>> NextPage() override;

 private:
  absl::StatusOr<std::optional<RelayProgress>> ReadProgress();
  absl::StatusOr<std::vector<uint64_t>> ReadLasts();
  absl::StatusOr<TopicReader::Page> ReadSome(size_t records_max);

  absl::StatusOr<int64_t> EndOf(const std::string& topic, int32_t partition, OffsetOf which);
  absl::Status AwaitCommitted(const std::string& topic, int32_t partition);
  absl::Status CountAndSettle();

  const std::unique_ptr<TopicReader> reader_;
  const std::string log_topic_;
  const std::string progress_topic_;
  const absl::Duration timeout_;
  const absl::Duration settle_max_;
  int32_t partitions_ = 0;
  bool at_end_ = false;
  int64_t end_ = 0;  // of what is committed where it reads, when it began to
};

absl::StatusOr<std::optional<RelayProgress>> LogTopicTail::ReadProgress() {
  ASSIGN_OR_RETURN(const auto last, reader_->ReadLast(progress_topic_, 0, timeout_));
  if (!last) return std::nullopt;
  return DecodeProgress(last->value.value_or(""));
}

absl::StatusOr<std::vector<uint64_t>> LogTopicTail::ReadLasts() {
  ASSIGN_OR_RETURN(const std::vector<TopicReader::Tail> tails,
                   reader_->ReadTails(log_topic_, partitions_, timeout_));
  std::vector<uint64_t> lasts;
  for (const TopicReader::Tail& tail : tails) {
    lasts.push_back(0);
    if (!tail.last) continue;
    const auto found = PositionOf(*tail.last);
    if (!found.ok()) return NoEvent(*tail.last);
    lasts.back() = found->sequence;
  }
  return lasts;
}

// Whether a relay that goes on could have left this: the progress lies between what was there
// before it was read and what was there after.
bool FitTogether(const RelayProgress& progress, const std::vector<uint64_t>& before,
                 const std::vector<uint64_t>& after) {
  if (progress.partitions.size() != before.size()) return true;  // refused as it is
  for (size_t i = 0; i < before.size(); ++i) {
    const uint64_t published = progress.partitions[i].position.sequence;
    if (published < before[i] || published > after[i]) return false;
  }
  return true;
}

std::vector<TailPartition> EndsOf(const RelayProgress& progress,
                                  const std::vector<uint64_t>& before,
                                  const std::vector<uint64_t>& after) {
  std::vector<TailPartition> ends;
  for (size_t i = 0; i < progress.partitions.size(); ++i) {
    TailPartition& end = ends.emplace_back();
    end.published = progress.partitions[i];
    if (i >= after.size()) continue;
    // What came while this was read is not asked for.
    end.last = std::max(before[i], std::min(after[i], end.published.position.sequence));
  }
  return ends;
}

absl::StatusOr<int64_t> LogTopicTail::EndOf(const std::string& topic, int32_t partition,
                                            OffsetOf which) {
  const auto give_up = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout_);
  while (true) {
    const auto end = reader_->FindOffset(topic, partition, which, timeout_);
    // Another broker leads the partition since the last look, say.
    if (!absl::IsUnavailable(end.status()) || std::chrono::steady_clock::now() >= give_up) {
      return end;
    }
    absl::SleepFor(kPoll);  // lint: allow(sleep) brokers tell nobody of this
  }
}

// Waits until what was written so far can be read: brokers acknowledge a transaction before who
// reads what is committed sees it.
absl::Status LogTopicTail::AwaitCommitted(const std::string& topic, int32_t partition) {
  ASSIGN_OR_RETURN(const int64_t written, EndOf(topic, partition, OffsetOf::kWrittenEnd));
  const auto give_up = std::chrono::steady_clock::now() + kOpenTransactionMax;
  while (true) {
    ASSIGN_OR_RETURN(const int64_t committed, EndOf(topic, partition, OffsetOf::kCommittedEnd));
    if (committed >= written) return absl::OkStatus();
    if (std::chrono::steady_clock::now() >= give_up) {
      return absl::UnavailableError(
          absl::StrCat("a transaction of ", topic, "/", partition, " does not end"));
    }
    absl::SleepFor(kPoll);  // lint: allow(sleep) brokers tell nobody of this
  }
}

absl::Status LogTopicTail::CountAndSettle() {
  const auto counted = reader_->CountPartitions(log_topic_, timeout_);
  if (absl::IsUnavailable(counted.status())) {
    return absl::UnavailableError(absl::StrCat("no broker answers: ", counted.status().message()));
  }
  ASSIGN_OR_RETURN(partitions_, counted);
  RETURN_IF_ERROR(reader_->CountPartitions(progress_topic_, timeout_).status());
  for (int32_t partition = 0; partition < partitions_; ++partition) {
    RETURN_IF_ERROR(AwaitCommitted(log_topic_, partition));
  }
  return AwaitCommitted(progress_topic_, 0);
}

absl::StatusOr<std::vector<TailPartition>> LogTopicTail::FindEnds() {
  RETURN_IF_ERROR(CountAndSettle());
  const auto give_up = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(settle_max_);
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<uint64_t> before, ReadLasts());
    ASSIGN_OR_RETURN(const auto progress, ReadProgress());
    ASSIGN_OR_RETURN(const std::vector<uint64_t> after, ReadLasts());
    const bool is_late = std::chrono::steady_clock::now() >= give_up;
    if (!progress) {
      const bool nothing =
          std::all_of(before.begin(), before.end(), [](uint64_t last) { return last == 0; });
      if (nothing) return std::vector<TailPartition>();
      if (!is_late) continue;
      return absl::FailedPreconditionError(absl::StrCat("PROGRESS_LOST: ", log_topic_,
                                                        " has records, and ", progress_topic_,
                                                        " does not say how far they go"));
    }
    if (!FitTogether(*progress, before, after) && !is_late) continue;
    return EndsOf(*progress, before, after);
  }
}

absl::StatusOr<TopicReader::Page> LogTopicTail::ReadSome(size_t records_max) {
  ASSIGN_OR_RETURN(TopicReader::Page page, reader_->Read(records_max, timeout_));
  if (!page.records.empty() || page.at_end) return page;
  return absl::UnavailableError(absl::StrCat("the brokers do not give ", log_topic_, " in time"));
}

// An event's offset is at least its sequence - 1, and the one of a later event at least so much
// higher as it is later: so each look lands before the event or on it, and comes nearer.
absl::Status LogTopicTail::Seek(Position from) {
  const auto partition = static_cast<int32_t>(from.partition);
  auto offset = static_cast<int64_t>(from.sequence - 1);
  while (true) {
    RETURN_IF_ERROR(reader_->Seek(log_topic_, partition, offset));
    ASSIGN_OR_RETURN(const TopicReader::Page page, ReadSome(1));
    if (page.records.empty()) break;
    const BusRecord& found = page.records[0];
    const auto position = PositionOf(found);
    if (!position.ok()) return NoEvent(found);
    if (found.offset < offset || position->sequence >= from.sequence) break;
    offset = found.offset + static_cast<int64_t>(from.sequence - position->sequence);
  }
  at_end_ = false;
  ASSIGN_OR_RETURN(end_, EndOf(log_topic_, partition, OffsetOf::kCommittedEnd));
  return reader_->Seek(log_topic_, partition, offset);
}

absl::StatusOr<std::vector<TailEvent>> LogTopicTail::NextPage() {
  std::vector<TailEvent> events;
  if (at_end_) return events;
  ASSIGN_OR_RETURN(TopicReader::Page page, ReadSome(kPageRecordsMax));
  // A broker that leads since a moment ago may give less than it has.
  while (page.records.empty() && page.end < end_) {
    ASSIGN_OR_RETURN(page, ReadSome(kPageRecordsMax));
  }
  at_end_ = page.at_end && page.end >= end_;
  for (BusRecord& record : page.records) {
    ASSIGN_OR_RETURN(events.emplace_back(), EventOf(std::move(record)));
  }
  return events;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TailSource>> OpenLogTopicTail(const KafkaSettings& settings,
                                                             const std::string& prefix,
                                                             absl::Duration timeout,
                                                             absl::Duration settle_max) {
  // Access rules that allow a relay its topics allow it this group.
  const std::string group = absl::StrCat(prefix, ".relay");
  ASSIGN_OR_RETURN(auto reader, TopicReader::Open(settings, group));
  return std::make_unique<LogTopicTail>(std::move(reader), prefix, timeout, settle_max);
}

}  // namespace records::eventstore
