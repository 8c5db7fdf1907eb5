#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/bus/internal/admin_call.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/kafka_settings.h"

// What all that reads with librdkafka shares.
namespace records::eventstore::internal {

using KafkaMessage = std::unique_ptr<rd_kafka_message_t, KafkaDeleter<&rd_kafka_message_destroy>>;
using KafkaPartitions = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                        KafkaDeleter<&rd_kafka_topic_partition_list_destroy>>;

using KafkaError = std::unique_ptr<rd_kafka_error_t, KafkaDeleter<&rd_kafka_error_destroy>>;

// A client that reads, only what was committed, from where it is told: nothing is kept under
// `group`, which brokers know it as and ask their access rules about. `more` goes before what all
// such clients have. Errors as OpenKafkaClient().
absl::StatusOr<KafkaClient> OpenKafkaReader(const KafkaSettings& settings, const std::string& group,
                                            const KafkaProperties& more);

// A list of one partition and where in it.
KafkaPartitions PartitionAt(const std::string& topic, int32_t partition, int64_t offset);

// A copy of a message; and what it says of its place in the log, without one: good while it lives.
BusRecord RecordOf(const rd_kafka_message_t& message);
LogTopicRecord LogTopicRecordOf(const rd_kafka_message_t& message);

// A lost connection is made anew; how long that may take is the caller's.
bool IsLostConnection(rd_kafka_resp_err_t code);

// How many partitions a topic has. Errors as KafkaStatus() says; kNotFound: there is no such topic.
absl::StatusOr<int32_t> CountPartitions(rd_kafka_t* client, const std::string& topic,
                                        absl::Duration timeout);

}  // namespace records::eventstore::internal
