#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/bus/kafka_settings.h"

// What librdkafka does by itself: the references of the bars of the bus.
namespace records::bench {

// Records of a topic as they came, with all headers: up to `most`, from all its partitions alike.
absl::StatusOr<std::vector<eventstore::BusRecord>> ReadSample(
    const eventstore::KafkaSettings& settings, const std::string& topic, size_t most);

// A plain transactional producer: sends `records` in turn, with their keys, values, headers and
// partitions, `per_transaction` in each, until `count` were sent. Returns records a second from the
// end of the first transaction on.
absl::StatusOr<double> ProduceInTransactions(const eventstore::KafkaSettings& settings,
                                             const std::string& id,
                                             const std::vector<eventstore::BusRecord>& records,
                                             uint64_t count, uint64_t per_transaction);

// A plain consumer of all partitions of a topic that reads what is committed, in batches, and looks
// at nothing. Returns records a second from the first record on, once `count` have come.
absl::StatusOr<double> ConsumeCommitted(const eventstore::KafkaSettings& settings,
                                        const std::string& topic, uint64_t count);

}  // namespace records::bench
