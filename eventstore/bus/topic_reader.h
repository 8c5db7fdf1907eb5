#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
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

  // As ReadLast(), and whether the partition never had a record since its topic was made.
  struct Tail {
    std::optional<BusRecord> last;
    bool untouched = false;
  };
  [[nodiscard]] absl::StatusOr<Tail> ReadTail(const std::string& topic, int32_t partition,
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

  // As Read() of a partition of the log's topic, without a copy: gives what has come to `take`, and
  // waits for the first alone. Returns the first error of `take`, after which it is given no more.
  struct Passed {
    size_t records = 0;
    bool at_end = false;
  };
  using TakeLogRecord = absl::FunctionRef<absl::Status(const LogTopicRecord&)>;
  [[nodiscard]] absl::StatusOr<Passed> PassOn(size_t records_max, absl::Duration wait,
                                              TakeLogRecord take);

 private:
  class Deadline;

  struct QueueDeleter {
    void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  };

  explicit TopicReader(KafkaClient client)
      : client_(std::move(client)), queue_(rd_kafka_queue_get_consumer(client_.get())) {}

  // The last record from `offset` on; what is committed ends at `end`, or behind it.
  absl::StatusOr<std::optional<BusRecord>> LastFrom(const std::string& topic, int32_t partition,
                                                    int64_t offset, int64_t end,
                                                    const Deadline& deadline);

  const KafkaClient client_;
  const std::unique_ptr<rd_kafka_queue_t, QueueDeleter> queue_;  // of the client: ends before it
  std::vector<rd_kafka_message_t*> messages_;                    // room for PassOn()
};

}  // namespace records::eventstore
