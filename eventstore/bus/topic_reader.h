#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/list_offsets.h"

namespace records::eventstore {

// Reads partitions of topics from where it is told, without a group: only what was committed.
// Errors as KafkaStatus() says; kUnavailable too when the broker does not answer in time.
//
// Not thread-safe.
class TopicReader {
 public:
  // `group`: what brokers know it as, and ask their access rules about; nothing is kept under it.
  // `more`: properties that stand before those of every reader.
  static absl::StatusOr<std::unique_ptr<TopicReader>> Open(
      const KafkaSettings& settings, const std::string& group = "records-reader",
      const KafkaProperties& more = {});

  // How many partitions a topic has. kNotFound: there is no such topic.
  [[nodiscard]] absl::StatusOr<int32_t> CountPartitions(const std::string& topic,
                                                        absl::Duration timeout);

  // The last committed record, or nullopt where there is none.
  [[nodiscard]] absl::StatusOr<std::optional<BusRecord>> ReadLast(const std::string& topic,
                                                                  int32_t partition,
                                                                  absl::Duration timeout);

  // As ReadLast(), of each of a topic's partitions, and whether it never had a record since its
  // topic was made. Brokers are asked once where all of them end; each answer must come within
  // `timeout`.
  struct Tail {
    std::optional<BusRecord> last;
    bool untouched = false;
  };
  [[nodiscard]] absl::StatusOr<std::vector<Tail>> ReadTails(const std::string& topic,
                                                            int32_t partitions,
                                                            absl::Duration timeout);

  // As the function of that name.
  [[nodiscard]] absl::StatusOr<int64_t> FindOffset(const std::string& topic, int32_t partition,
                                                   OffsetOf which, absl::Duration timeout);

  // Gives every committed record of a partition, in their order, until `take` refuses one. Each
  // page must come within `timeout`.
  [[nodiscard]] absl::Status ReadAll(const std::string& topic, int32_t partition,
                                     absl::Duration timeout,
                                     const std::function<absl::Status(const BusRecord&)>& take);

  // Starts to read at an offset (0: at what is kept), instead of where it read before.
  [[nodiscard]] absl::Status Seek(const std::string& topic, int32_t partition, int64_t offset);

  // Ends reading, until the next Seek(): a reader that rests asks brokers for nothing.
  [[nodiscard]] absl::Status Rest();

  // The next records: what is there within `wait`, at most `records_max` and little above 8 MiB;
  // empty when nothing is.
  // `at_end` tells whether all that was committed has been read, and `end` the offset behind it.
  struct Page {
    std::vector<BusRecord> records;
    bool at_end = false;
    int64_t end = 0;
  };
  [[nodiscard]] absl::StatusOr<Page> Read(size_t records_max, absl::Duration wait);

 private:
  class Deadline;

  explicit TopicReader(KafkaClient client) : client_(std::move(client)) {}

  absl::StatusOr<std::vector<Tail>> ReadTailsOf(const std::string& topic, int32_t first,
                                                int32_t count, absl::Duration timeout);
  // The last record of a partition whose records that are kept stand in [first, end).
  absl::StatusOr<std::optional<BusRecord>> LastBetween(const TopicPartition& partition,
                                                       int64_t first, int64_t end,
                                                       absl::Duration timeout);
  // The last record from `offset` on; what is committed ends at `end`, or behind it.
  absl::StatusOr<std::optional<BusRecord>> LastFrom(const std::string& topic, int32_t partition,
                                                    int64_t offset, int64_t end,
                                                    const Deadline& deadline);

  const KafkaClient client_;
};

}  // namespace records::eventstore
