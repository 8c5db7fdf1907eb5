#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/bus/relay.h"
#include "eventstore/bus/relay_progress.h"
#include "eventstore/bus/transactional_producer.h"

namespace records::eventstore {

// One producer's life: it takes over, learns from Kafka where to go on, and publishes until the
// first error. Nothing that it knows outlives it.
//
// Not thread-safe. The log must outlive it.
class Relay::Session {
 public:
  // Fails as PlanResume() and KafkaStatus() do.
  static absl::StatusOr<std::unique_ptr<Session>> Start(const EventLog& log,
                                                        const RelayOptions& options);

  // Publishes what the log has, up to a full transaction; returns how many events that were. After
  // an error the session is over.
  [[nodiscard]] absl::StatusOr<size_t> PublishBatch();

  const RelayProgress& progress() const { return progress_; }
  uint64_t republished() const { return republished_; }

 private:
  Session(const EventLog& log, const RelayOptions& options,
          std::unique_ptr<TransactionalProducer> producer, Resume resume);

  // What gathers for one transaction.
  struct Batch {
    RelayProgress progress;
    std::vector<BusRecord> records;
    size_t events = 0;
    size_t bytes = 0;
  };

  absl::Status OpenFollowers();
  absl::Status Gather(Batch& batch);
  absl::Status Add(const StoredEvent& event, Batch& batch) const;
  absl::Status AddWork(const StoredEvent& event, Batch& batch) const;
  BusRecord ProgressRecord(const RelayProgress& progress) const;

  const EventLog& log_;
  const RelayOptions& options_;
  const std::unique_ptr<TransactionalProducer> producer_;
  RelayProgress progress_;
  const uint64_t republished_;
  std::vector<std::unique_ptr<Follower>> followers_;  // by partition
  size_t next_partition_ = 0;  // where the next transaction begins to gather: none is starved
};

}  // namespace records::eventstore
