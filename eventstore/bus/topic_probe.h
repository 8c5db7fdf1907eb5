#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/topic_reader.h"

namespace records::eventstore {

// Questions on one topic, each answered within a timeout, over one reader that rests in between.
// Errors as TopicReader has them; after one the next question has a new reader.
//
// Thread-safe: one question at a time.
class TopicProbe {
 public:
  TopicProbe(KafkaSettings settings, std::string group, std::string topic, absl::Duration timeout)
      : settings_(std::move(settings)),
        group_(std::move(group)),
        topic_(std::move(topic)),
        timeout_(timeout) {}

  absl::StatusOr<int32_t> CountPartitions();

  // The last committed record of a partition.
  absl::StatusOr<std::optional<BusRecord>> Last(uint32_t partition);

  // The first committed record at `offset` or behind it; nullopt: the topic ends before it.
  absl::StatusOr<std::optional<BusRecord>> FirstFrom(uint32_t partition, int64_t offset);

  // Gives the committed records from an offset on, until `take` answers false or fails, or the end.
  absl::Status Scan(uint32_t partition, int64_t offset,
                    absl::FunctionRef<absl::StatusOr<bool>(BusRecord)> take);

  const std::string& topic() const { return topic_; }

 private:
  absl::StatusOr<TopicReader*> Reader() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ScanWith(TopicReader& reader, uint32_t partition, int64_t offset, size_t page,
                        absl::FunctionRef<absl::StatusOr<bool>(BusRecord)> take)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Drops the reader where `status` is an error.
  absl::Status Settle(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const KafkaSettings settings_;
  const std::string group_;
  const std::string topic_;
  const absl::Duration timeout_;
  absl::Mutex mutex_;
  std::unique_ptr<TopicReader> reader_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::eventstore
