#include "eventstore/bus/internal/kafka_message.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/status_macros.h"

namespace records::eventstore::internal {
namespace {

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

}  // namespace

absl::StatusOr<KafkaClient> OpenKafkaReader(const KafkaSettings& settings, const std::string& group,
                                            const KafkaProperties& more) {
  KafkaProperties properties = {{"group.id", group},
                                {"isolation.level", "read_committed"},
                                {"enable.auto.commit", "false"},
                                {"enable.auto.offset.store", "false"},
                                {"enable.partition.eof", "true"},
                                {"auto.offset.reset", "earliest"},
                                {"allow.auto.create.topics", "false"},
                                {"check.crcs", "true"},
                                {"socket.timeout.ms", "10000"}};
  properties.insert(properties.end(), more.begin(), more.end());
  ASSIGN_OR_RETURN(KafkaClient client, OpenKafkaClient(RD_KAFKA_CONSUMER, settings, properties));
  rd_kafka_poll_set_consumer(client.get());
  return client;
}

KafkaPartitions PartitionAt(const std::string& topic, int32_t partition, int64_t offset) {
  KafkaPartitions list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = offset;
  return list;
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

bool IsLostConnection(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

absl::StatusOr<int32_t> CountPartitions(rd_kafka_t* client, const std::string& topic,
                                        absl::Duration timeout) {
  const std::string what = absl::StrCat("looking up the topic ", topic);
  rd_kafka_topic_t* handle = rd_kafka_topic_new(client, topic.c_str(), nullptr);
  if (handle == nullptr) return KafkaStatus(rd_kafka_last_error(), what);
  const rd_kafka_metadata_t* answer = nullptr;
  const rd_kafka_resp_err_t code =
      rd_kafka_metadata(client, 0, handle, &answer, KafkaMilliseconds(timeout));
  rd_kafka_topic_destroy(handle);
  RETURN_IF_ERROR(KafkaStatus(code, what));
  const std::unique_ptr<const rd_kafka_metadata_t, KafkaDeleter<&rd_kafka_metadata_destroy>>
      metadata(answer);
  if (metadata->topic_cnt != 1) return absl::NotFoundError(absl::StrCat(what, ": no answer"));
  RETURN_IF_ERROR(KafkaStatus(metadata->topics[0].err, what));
  return metadata->topics[0].partition_cnt;
}

}  // namespace records::eventstore::internal
