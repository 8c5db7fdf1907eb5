#include "eventstore/bus/topic_reader.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/internal/kafka_message.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

// A transaction ends with a marker that has an offset and is no record.
constexpr int64_t kLookBackFirst = 64;
// Sixteen of the largest events.
constexpr size_t kPageBytesMax = 8 * 1024 * 1024;

}  // namespace

// How long a broker may still take: by a clock that nobody sets.
class TopicReader::Deadline {
 public:
  explicit Deadline(absl::Duration timeout)
      : end_(std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout)) {}
  absl::Duration Left() const { return absl::FromChrono(end_ - std::chrono::steady_clock::now()); }

 private:
  const std::chrono::steady_clock::time_point end_;
};

absl::StatusOr<std::unique_ptr<TopicReader>> TopicReader::Open(const KafkaSettings& settings,
                                                               const std::string& group,
                                                               const KafkaProperties& more) {
  // An end is told with the first answer: do not wait for more.
  KafkaProperties properties = {{"fetch.wait.max.ms", "10"},
                                {"queued.max.messages.kbytes", "16384"}};
  properties.insert(properties.end(), more.begin(), more.end());
  ASSIGN_OR_RETURN(KafkaClient client, internal::OpenKafkaReader(settings, group, properties));
  return std::unique_ptr<TopicReader>(new TopicReader(std::move(client)));
}

absl::StatusOr<int32_t> TopicReader::CountPartitions(const std::string& topic,
                                                     absl::Duration timeout) {
  return internal::CountPartitions(client_.get(), topic, timeout);
}

absl::StatusOr<std::optional<BusRecord>> TopicReader::ReadLast(const std::string& topic,
                                                               int32_t partition,
                                                               absl::Duration timeout) {
  ASSIGN_OR_RETURN(std::vector<Tail> tails, ReadTailsOf(topic, partition, 1, timeout));
  return std::move(tails.front().last);
}

absl::StatusOr<std::vector<TopicReader::Tail>> TopicReader::ReadTails(const std::string& topic,
                                                                      int32_t partitions,
                                                                      absl::Duration timeout) {
  return ReadTailsOf(topic, 0, partitions, timeout);
}

absl::StatusOr<std::vector<TopicReader::Tail>> TopicReader::ReadTailsOf(const std::string& topic,
                                                                        int32_t first,
                                                                        int32_t count,
                                                                        absl::Duration timeout) {
  // The first before the last, so that what retention takes in between is not between them.
  PartitionOffsets ends;
  for (int32_t i = 0; i < count; ++i) ends[{topic, first + i}] = 0;
  PartitionOffsets starts = ends;
  RETURN_IF_ERROR(ListOffsets(client_.get(), OffsetOf::kFirst, timeout, starts));
  RETURN_IF_ERROR(ListOffsets(client_.get(), OffsetOf::kCommittedEnd, timeout, ends));
  std::vector<Tail> tails;
  for (const auto& [partition, end] : ends) {
    ASSIGN_OR_RETURN(auto last, LastBetween(partition, starts[partition], end, timeout));
    tails.push_back({std::move(last), end == 0});
  }
  return tails;
}

absl::StatusOr<std::optional<BusRecord>> TopicReader::LastBetween(const TopicPartition& partition,
                                                                  int64_t first, int64_t end,
                                                                  absl::Duration timeout) {
  if (first >= end) return std::nullopt;
  const Deadline deadline(timeout);
  for (int64_t back = kLookBackFirst;; back *= 16) {
    const int64_t start = std::max(first, end - back);
    ASSIGN_OR_RETURN(auto record,
                     LastFrom(partition.first, partition.second, start, end, deadline));
    if (record || start == first) return record;
  }
}

absl::StatusOr<int64_t> TopicReader::FindOffset(const std::string& topic, int32_t partition,
                                                OffsetOf which, absl::Duration timeout) {
  return eventstore::FindOffset(client_.get(), {topic, partition}, which, timeout);
}

absl::Status TopicReader::ReadAll(const std::string& topic, int32_t partition,
                                  absl::Duration timeout,
                                  const std::function<absl::Status(const BusRecord&)>& take) {
  ASSIGN_OR_RETURN(const int64_t end,
                   FindOffset(topic, partition, OffsetOf::kCommittedEnd, timeout));
  RETURN_IF_ERROR(Seek(topic, partition, 0));
  while (true) {
    ASSIGN_OR_RETURN(const Page page, Read(1'000, timeout));
    for (const BusRecord& record : page.records) RETURN_IF_ERROR(take(record));
    if (page.at_end && page.end >= end) return absl::OkStatus();
    if (page.records.empty() && !page.at_end) {
      return absl::UnavailableError(
          absl::StrCat("the end of ", topic, "/", partition, " was not reached in time"));
    }
  }
}

absl::StatusOr<std::optional<BusRecord>> TopicReader::LastFrom(const std::string& topic,
                                                               int32_t partition, int64_t offset,
                                                               int64_t end,
                                                               const Deadline& deadline) {
  RETURN_IF_ERROR(Seek(topic, partition, offset));
  std::optional<BusRecord> last;
  while (deadline.Left() > absl::ZeroDuration()) {
    ASSIGN_OR_RETURN(Page page, Read(1'000, absl::Milliseconds(500)));
    if (!page.records.empty()) last = std::move(page.records.back());
    // A broker that leads since a moment ago may give less than it has.
    if (page.at_end && page.end >= end) return last;
  }
  return absl::UnavailableError(
      absl::StrCat("the end of ", topic, "/", partition, " was not reached in time"));
}

absl::Status TopicReader::Seek(const std::string& topic, int32_t partition, int64_t offset) {
  const internal::KafkaPartitions list = internal::PartitionAt(topic, partition, offset);
  return KafkaStatus(rd_kafka_assign(client_.get(), list.get()),
                     absl::StrCat("reading ", topic, "/", partition));
}

absl::Status TopicReader::Rest() {
  return KafkaStatus(rd_kafka_assign(client_.get(), nullptr), "ending to read");
}

absl::StatusOr<TopicReader::Page> TopicReader::Read(size_t records_max, absl::Duration wait) {
  Page page;
  const Deadline deadline(wait);
  size_t bytes = 0;
  while (page.records.size() < records_max && bytes < kPageBytesMax && !page.at_end) {
    const internal::KafkaMessage message(
        rd_kafka_consumer_poll(client_.get(), KafkaMilliseconds(deadline.Left())));
    if (message == nullptr) {
      if (deadline.Left() <= absl::ZeroDuration()) break;
      continue;
    }
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      page.at_end = true;
      page.end = message->offset;
    } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      page.records.push_back(internal::RecordOf(*message));
      bytes += page.records.back().SizeEstimate();
    } else if (!internal::IsLostConnection(message->err)) {
      return KafkaStatus(message->err, "reading");
    }
  }
  return page;
}

}  // namespace records::eventstore
