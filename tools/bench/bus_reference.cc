#include "tools/bench/bus_reference.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/topic_reader.h"
#include "eventstore/status_macros.h"
#include "tools/bench/load.h"

namespace records::bench {
namespace {

using eventstore::BusRecord;
using eventstore::KafkaClient;
using eventstore::KafkaSettings;
using eventstore::KafkaStatus;
using eventstore::OpenKafkaClient;
using eventstore::TopicReader;

constexpr absl::Duration kPatience = absl::Minutes(1);
constexpr size_t kConsumeBatch = 10'000;

absl::Status Check(rd_kafka_error_t* error, absl::string_view what) {
  if (error == nullptr) return absl::OkStatus();
  const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
  rd_kafka_error_destroy(error);
  return KafkaStatus(code, what);
}

// The payload stays where it is until the transaction is over: nothing is copied.
absl::Status Produce(rd_kafka_t* client, const BusRecord& record) {
  rd_kafka_headers_t* headers = rd_kafka_headers_new(record.headers.size());
  for (const auto& [name, value] : record.headers) {
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  const auto data = [](const std::optional<std::string>& bytes) -> void* {
    return bytes ? const_cast<char*>(bytes->data()) : nullptr;
  };
  const auto size = [](const std::optional<std::string>& bytes) {
    return bytes ? bytes->size() : 0;
  };
  const rd_kafka_resp_err_t code = rd_kafka_producev(
      client, RD_KAFKA_V_TOPIC(record.topic.c_str()), RD_KAFKA_V_PARTITION(record.partition),
      RD_KAFKA_V_KEY(data(record.key), size(record.key)),
      RD_KAFKA_V_VALUE(data(record.value), size(record.value)),
      RD_KAFKA_V_TIMESTAMP(record.timestamp_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  rd_kafka_headers_destroy(headers);
  return KafkaStatus(code, "producing");
}

double PerSecond(uint64_t count, absl::Time since) {
  return static_cast<double>(count) / absl::ToDoubleSeconds(absl::Now() - since);
}

absl::Status AssignAll(rd_kafka_t* client, const std::string& topic, int32_t partitions) {
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(partitions);
  for (int32_t partition = 0; partition < partitions; ++partition) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
  }
  const rd_kafka_resp_err_t code = rd_kafka_assign(client, list);
  rd_kafka_topic_partition_list_destroy(list);
  return KafkaStatus(code, "assigning");
}

}  // namespace

absl::StatusOr<std::vector<BusRecord>> ReadSample(const KafkaSettings& settings,
                                                  const std::string& topic, size_t most) {
  ASSIGN_OR_RETURN(const auto reader, TopicReader::Open(settings));
  ASSIGN_OR_RETURN(const int32_t partitions, reader->CountPartitions(topic, kPatience));
  const size_t share = most / static_cast<size_t>(partitions) + 1;
  std::vector<std::vector<BusRecord>> read;
  for (int32_t partition = 0; partition < partitions; ++partition) {
    RETURN_IF_ERROR(reader->Seek(topic, partition, 0));
    ASSIGN_OR_RETURN(TopicReader::Page page, reader->Read(share, kPatience));
    read.push_back(std::move(page.records));
  }
  std::vector<BusRecord> sample;
  for (size_t i = 0; i < share; ++i) {
    for (auto& records : read) {
      if (i < records.size()) sample.push_back(std::move(records[i]));
    }
  }
  return sample;
}

absl::StatusOr<double> ProduceInTransactions(const KafkaSettings& settings, const std::string& id,
                                             const std::vector<BusRecord>& records, uint64_t count,
                                             uint64_t per_transaction) {
  if (records.empty()) return absl::InvalidArgumentError("no records to produce");
  ASSIGN_OR_RETURN(const KafkaClient client, OpenKafkaClient(RD_KAFKA_PRODUCER, settings,
                                                             {{"transactional.id", id},
                                                              {"compression.codec", "none"},
                                                              {"linger.ms", "50"}}));
  const int timeout = eventstore::KafkaMilliseconds(kPatience);
  RETURN_IF_ERROR(Check(rd_kafka_init_transactions(client.get(), timeout), "initialising"));
  absl::Time first;
  uint64_t sent = 0;
  while (sent < count) {
    if (interrupted) return absl::CancelledError("interrupted");
    RETURN_IF_ERROR(Check(rd_kafka_begin_transaction(client.get()), "beginning"));
    for (uint64_t i = 0; i < per_transaction; ++i, ++sent) {
      RETURN_IF_ERROR(Produce(client.get(), records[sent % records.size()]));
    }
    RETURN_IF_ERROR(Check(rd_kafka_commit_transaction(client.get(), timeout), "committing"));
    if (sent == per_transaction) first = absl::Now();
  }
  return PerSecond(sent - per_transaction, first);
}

absl::StatusOr<double> ConsumeCommitted(const KafkaSettings& settings, const std::string& topic,
                                        uint64_t count) {
  ASSIGN_OR_RETURN(const auto reader, TopicReader::Open(settings));
  ASSIGN_OR_RETURN(const int32_t partitions, reader->CountPartitions(topic, kPatience));
  ASSIGN_OR_RETURN(const KafkaClient client,
                   OpenKafkaClient(RD_KAFKA_CONSUMER, settings,
                                   {{"group.id", "bench"},
                                    {"isolation.level", "read_committed"},
                                    {"enable.auto.commit", "false"},
                                    {"enable.auto.offset.store", "false"}}));
  rd_kafka_poll_set_consumer(client.get());
  const std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> queue(
      rd_kafka_queue_get_consumer(client.get()), &rd_kafka_queue_destroy);
  RETURN_IF_ERROR(AssignAll(client.get(), topic, partitions));
  std::vector<rd_kafka_message_t*> messages(kConsumeBatch);
  absl::Time first;
  uint64_t read = 0;
  const absl::Time until = absl::Now() + kPatience;
  while (read < count && absl::Now() < until && !interrupted) {
    // No more than are to come: what is short of a batch is waited for.
    const size_t most = std::min<uint64_t>(messages.size(), count - read);
    const ssize_t came = rd_kafka_consume_batch_queue(queue.get(), 100, messages.data(), most);
    if (came > 0 && read == 0) first = absl::Now();
    for (ssize_t i = 0; i < came; ++i) {
      if (messages[static_cast<size_t>(i)]->err == RD_KAFKA_RESP_ERR_NO_ERROR) ++read;
      rd_kafka_message_destroy(messages[static_cast<size_t>(i)]);
    }
  }
  if (read < count) return absl::DeadlineExceededError("the topic was not read to its end");
  return PerSecond(read, first);
}

}  // namespace records::bench
