#include "eventstore/bus/transactional_producer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

KafkaProperties PropertiesOf(const ProducerOptions& options) {
  return {
      {"transactional.id", options.transactional_id},
      {"transaction.timeout.ms", absl::StrCat(KafkaMilliseconds(options.transaction_timeout))},
      // What was not sent by then fails the transaction, whatever the broker does.
      {"message.timeout.ms", absl::StrCat(KafkaMilliseconds(options.transaction_timeout))},
      {"socket.timeout.ms",
       absl::StrCat(KafkaMilliseconds(std::min(absl::Seconds(10), options.transaction_timeout)))},
      // The log is the queue: no more is held here than a transaction has.
      {"queue.buffering.max.messages", "100000"},
      {"queue.buffering.max.kbytes", "65536"},
      // All records of a transaction wait for its commit, which sends them at once: one request for
      // each partition (21 ms a transaction of 24 partitions instead of 30 with 2 ms).
      {"linger.ms", "50"},
      {"compression.codec", "none"},
      {"allow.auto.create.topics", "false"},
      {"message.max.bytes", "1048588"},
  };
}

rd_kafka_headers_t* HeadersOf(const BusRecord& record) {
  rd_kafka_headers_t* headers = rd_kafka_headers_new(record.headers.size());
  for (const auto& [name, value] : record.headers) {
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  return headers;
}

void* DataOf(const std::optional<std::string>& bytes) {
  return bytes ? const_cast<char*>(bytes->data()) : nullptr;
}
size_t SizeOf(const std::optional<std::string>& bytes) { return bytes ? bytes->size() : 0; }

}  // namespace

absl::StatusOr<std::unique_ptr<TransactionalProducer>> TransactionalProducer::Start(
    const KafkaSettings& settings, const ProducerOptions& options) {
  ASSIGN_OR_RETURN(KafkaClient client,
                   OpenKafkaClient(RD_KAFKA_PRODUCER, settings, PropertiesOf(options)));
  std::unique_ptr<TransactionalProducer> producer(
      new TransactionalProducer(std::move(client), options.transaction_timeout));
  RETURN_IF_ERROR(
      producer->ToStatus(rd_kafka_init_transactions(producer->client_.get(),
                                                    KafkaMilliseconds(options.transaction_timeout)),
                         "taking over the relay"));
  return producer;
}

absl::Status TransactionalProducer::Send(const std::vector<BusRecord>& records) {
  rd_kafka_t* client = client_.get();
  RETURN_IF_ERROR(ToStatus(rd_kafka_begin_transaction(client), "beginning a transaction"));
  for (const BusRecord& record : records) RETURN_IF_ERROR(Produce(record));
  rd_kafka_poll(client, 0);
  return absl::OkStatus();
}

absl::Status TransactionalProducer::Commit() {
  return ToStatus(rd_kafka_commit_transaction(client_.get(), KafkaMilliseconds(timeout_)),
                  "committing a transaction");
}

absl::Status TransactionalProducer::Write(const std::vector<BusRecord>& records) {
  RETURN_IF_ERROR(Send(records));
  return Commit();
}

absl::Status TransactionalProducer::Produce(const BusRecord& record) {
  rd_kafka_t* client = client_.get();
  rd_kafka_headers_t* headers = HeadersOf(record);
  const rd_kafka_resp_err_t code = rd_kafka_producev(
      client, RD_KAFKA_V_TOPIC(record.topic.c_str()), RD_KAFKA_V_PARTITION(record.partition),
      RD_KAFKA_V_KEY(DataOf(record.key), SizeOf(record.key)),
      RD_KAFKA_V_VALUE(DataOf(record.value), SizeOf(record.value)),
      RD_KAFKA_V_TIMESTAMP(record.timestamp_ms), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
      RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_headers_destroy(headers);
    return KafkaStatus(code, absl::StrCat("writing to ", record.topic));
  }
  return absl::OkStatus();
}

absl::Status TransactionalProducer::ToStatus(rd_kafka_error_t* error,
                                             absl::string_view what) const {
  if (error == nullptr) return absl::OkStatus();
  rd_kafka_resp_err_t code = rd_kafka_error_code(error);
  rd_kafka_error_destroy(error);
  // The call may say only that it failed; the first fatal error says why.
  const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(client_.get(), nullptr, 0);
  if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) code = fatal;
  return KafkaStatus(code, what);
}

}  // namespace records::eventstore
