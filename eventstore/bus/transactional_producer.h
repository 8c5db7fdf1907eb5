#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/kafka_settings.h"

namespace records::eventstore {

struct ProducerOptions {
  // Of all producers that start under one id only the last may go on.
  std::string transactional_id;
  // How long a transaction may be open before the broker ends it; each call here ends sooner.
  absl::Duration transaction_timeout = absl::Seconds(30);
};

// Writes records to Kafka in transactions. After any error it is of no use but to be destroyed:
// what became of the last transaction is for the reader of the topics to say. (Aborting and going
// on in one producer loses or repeats records after some errors; a new one fences the old.)
//
// Not thread-safe.
class TransactionalProducer {
 public:
  // Fences whoever used the id before, and ends their open transaction. Fails as KafkaStatus()
  // says.
  static absl::StatusOr<std::unique_ptr<TransactionalProducer>> Start(
      const KafkaSettings& settings, const ProducerOptions& options);

  // Begins a transaction and hands all records over; they need not live on. Does not wait for
  // brokers. Fails as KafkaStatus() says.
  [[nodiscard]] absl::Status Send(const std::vector<BusRecord>& records);

  // Ends the transaction that Send() began. OK: its records are there for readers of what is
  // committed, all of them. Any error: all or none of them are. Fails as KafkaStatus() says. May be
  // called on another thread than Send(), but not beside it.
  [[nodiscard]] absl::Status Commit();

  // Send(), then Commit().
  [[nodiscard]] absl::Status Write(const std::vector<BusRecord>& records);

 private:
  TransactionalProducer(KafkaClient client, absl::Duration timeout)
      : client_(std::move(client)), timeout_(timeout) {}

  absl::Status Produce(const BusRecord& record);
  absl::Status ToStatus(rd_kafka_error_t* error, absl::string_view what) const;

  const KafkaClient client_;
  const absl::Duration timeout_;
};

}  // namespace records::eventstore
