#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/kafka_settings.h"
#include "tools/bench/histogram.h"

namespace records::bench {

// A subscriber of the log's topic: reads what is committed, on a thread of its own, and times each
// contact from when it says that it happened. The load stamps contacts with times that differ, so
// that they are names, too.
//
// Thread-safe but for the destructor.
class BusConsumer {
 public:
  // Starts at the end of the topic.
  static absl::StatusOr<std::unique_ptr<BusConsumer>> Start(
      const eventstore::KafkaSettings& settings, const std::string& topic);
  ~BusConsumer();

  // Forgets the times so far.
  void StartTiming();
  Histogram Times() const;

  // Contacts that came, each once, and those that came again.
  uint64_t contacts() const;
  uint64_t repeated() const;
  // Age of the newest contact of the partition that is furthest behind; nullopt while one has none.
  std::optional<absl::Duration> OldestAge() const;

  // Waits until so many contacts have come. kDeadlineExceeded; else what ended reading.
  [[nodiscard]] absl::Status WaitFor(uint64_t contacts, absl::Time deadline) const;

 private:
  BusConsumer(eventstore::KafkaClient client, size_t partitions);
  void Run();
  void Take(int32_t partition, int64_t occurred_at_us);

  const eventstore::KafkaClient client_;
  std::atomic<bool> stopping_ = false;
  mutable absl::Mutex mutex_;
  Histogram times_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<int64_t> seen_ ABSL_GUARDED_BY(mutex_);
  std::vector<int64_t> newest_us_ ABSL_GUARDED_BY(mutex_);  // by partition; 0: none
  uint64_t repeated_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace records::bench
