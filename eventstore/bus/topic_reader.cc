#include "eventstore/bus/topic_reader.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

// A transaction ends with a marker that has an offset and is no record.
constexpr int64_t kLookBackFirst = 64;
// Sixteen of the largest events.
constexpr size_t kPageBytesMax = 8 * 1024 * 1024;

struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using Message = std::unique_ptr<rd_kafka_message_t, MessageDeleter>;

struct PartitionsDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};

struct MetadataDeleter {
  void operator()(const rd_kafka_metadata_t* metadata) const {
    rd_kafka_metadata_destroy(metadata);
  }
};

std::optional<std::string> BytesOf(const void* data, size_t size) {
  if (data == nullptr) return std::nullopt;
  return std::string(static_cast<const char*>(data), size);
}

void TakeHeaders(const rd_kafka_headers_t* headers, BusRecord& record) {
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  record.headers.reserve(rd_kafka_header_cnt(headers));
  for (size_t i = 0;
       rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    record.headers.emplace_back(name, BytesOf(value, size).value_or(""));
  }
}

absl::string_view ViewOf(const void* data, size_t size) {
  return {static_cast<const char*>(data), size};
}

// The first header of that name; empty: there is none.
absl::string_view HeaderOf(const rd_kafka_headers_t* headers, const char* name) {
  const void* value = nullptr;
  size_t size = 0;
  if (rd_kafka_header_get(headers, 0, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) return "";
  return ViewOf(value, size);
}

LogTopicRecord LogTopicRecordOf(const rd_kafka_message_t& message) {
  LogTopicRecord record{.topic = rd_kafka_topic_name(message.rkt),
                        .partition = message.partition,
                        .offset = message.offset};
  if (message.payload != nullptr) record.value = ViewOf(message.payload, message.len);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return record;
  record.source = HeaderOf(headers, kSourceHeader);
  record.position = HeaderOf(headers, kPositionHeader);
  record.previous = HeaderOf(headers, kPreviousHeader);
  return record;
}

// A lost connection is made anew; how long that may take is the caller's.
bool IsLostConnection(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

BusRecord RecordOf(const rd_kafka_message_t& message) {
  BusRecord record;
  record.topic = rd_kafka_topic_name(message.rkt);
  record.partition = message.partition;
  record.offset = message.offset;
  record.key = BytesOf(message.key, message.key_len);
  record.value = BytesOf(message.payload, message.len);
  record.timestamp_ms = rd_kafka_message_timestamp(&message, nullptr);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    TakeHeaders(headers, record);
  }
  return record;
}

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
  KafkaProperties properties = {{"group.id", group},
                                {"isolation.level", "read_committed"},
                                {"enable.auto.commit", "false"},
                                {"enable.auto.offset.store", "false"},
                                {"enable.partition.eof", "true"},
                                {"auto.offset.reset", "earliest"},
                                {"allow.auto.create.topics", "false"},
                                {"check.crcs", "true"},
                                // An end is told with the first answer: do not wait for more.
                                {"fetch.wait.max.ms", "10"},
                                {"socket.timeout.ms", "10000"},
                                {"queued.max.messages.kbytes", "16384"}};
  properties.insert(properties.end(), more.begin(), more.end());
  ASSIGN_OR_RETURN(KafkaClient client, OpenKafkaClient(RD_KAFKA_CONSUMER, settings, properties));
  rd_kafka_poll_set_consumer(client.get());
  return std::unique_ptr<TopicReader>(new TopicReader(std::move(client)));
}

absl::StatusOr<int32_t> TopicReader::CountPartitions(const std::string& topic,
                                                     absl::Duration timeout) {
  const std::string what = absl::StrCat("looking up the topic ", topic);
  rd_kafka_topic_t* handle = rd_kafka_topic_new(client_.get(), topic.c_str(), nullptr);
  if (handle == nullptr) return KafkaStatus(rd_kafka_last_error(), what);
  const rd_kafka_metadata_t* answer = nullptr;
  const rd_kafka_resp_err_t code =
      rd_kafka_metadata(client_.get(), 0, handle, &answer, KafkaMilliseconds(timeout));
  rd_kafka_topic_destroy(handle);
  RETURN_IF_ERROR(KafkaStatus(code, what));
  const std::unique_ptr<const rd_kafka_metadata_t, MetadataDeleter> metadata(answer);
  if (metadata->topic_cnt != 1) return absl::NotFoundError(absl::StrCat(what, ": no answer"));
  RETURN_IF_ERROR(KafkaStatus(metadata->topics[0].err, what));
  return metadata->topics[0].partition_cnt;
}

absl::StatusOr<std::optional<BusRecord>> TopicReader::ReadLast(const std::string& topic,
                                                               int32_t partition,
                                                               absl::Duration timeout) {
  ASSIGN_OR_RETURN(Tail tail, ReadTail(topic, partition, timeout));
  return std::move(tail.last);
}

absl::StatusOr<TopicReader::Tail> TopicReader::ReadTail(const std::string& topic, int32_t partition,
                                                        absl::Duration timeout) {
  const Deadline deadline(timeout);
  ASSIGN_OR_RETURN(const int64_t end,
                   FindOffset(topic, partition, OffsetOf::kCommittedEnd, timeout));
  ASSIGN_OR_RETURN(const int64_t first, FindOffset(topic, partition, OffsetOf::kFirst, timeout));
  for (int64_t back = kLookBackFirst;; back *= 16) {
    const int64_t start = std::max(first, end - back);
    ASSIGN_OR_RETURN(auto record, LastFrom(topic, partition, start, end, deadline));
    if (record || start == first) return Tail{std::move(record), end == 0};
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
  const std::unique_ptr<rd_kafka_topic_partition_list_t, PartitionsDeleter> list(
      rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = offset;
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
    const Message message(
        rd_kafka_consumer_poll(client_.get(), KafkaMilliseconds(deadline.Left())));
    if (message == nullptr) {
      if (deadline.Left() <= absl::ZeroDuration()) break;
      continue;
    }
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      page.at_end = true;
      page.end = message->offset;
    } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      page.records.push_back(RecordOf(*message));
      bytes += page.records.back().SizeEstimate();
    } else if (!IsLostConnection(message->err)) {
      return KafkaStatus(message->err, "reading");
    }
  }
  return page;
}

absl::StatusOr<TopicReader::Passed> TopicReader::PassOn(size_t records_max, absl::Duration wait,
                                                        TakeLogRecord take) {
  messages_.resize(std::max<size_t>(records_max, 1));
  messages_[0] = rd_kafka_consumer_poll(client_.get(), KafkaMilliseconds(wait));
  Passed passed;
  if (messages_[0] == nullptr) return passed;
  const ssize_t more =
      rd_kafka_consume_batch_queue(queue_.get(), 0, messages_.data() + 1, messages_.size() - 1);
  absl::Status status;
  for (size_t i = 0; i < 1 + static_cast<size_t>(std::max<ssize_t>(more, 0)); ++i) {
    const Message message(messages_[i]);
    if (!status.ok()) continue;  // the rest is let go of
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      status = take(LogTopicRecordOf(*message));
      ++passed.records;
      passed.at_end = false;
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      passed.at_end = true;
    } else if (!IsLostConnection(message->err)) {
      status = KafkaStatus(message->err, "reading");
    }
  }
  RETURN_IF_ERROR(status);
  return passed;
}

}  // namespace records::eventstore
