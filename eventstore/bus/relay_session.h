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
  // an error the session is over. While a transaction that is far from small commits, the next is
  // read from the log: brokers and log do not wait for each other.
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
  bool IsFull(const Batch& batch) const;
  absl::Status Gather(Batch& batch);
  // Adds what a partition has, up to a share of a transaction, to the batch; `last` becomes the
  // position of the last one. Returns whether there was anything.
  absl::StatusOr<bool> GatherTurn(size_t partition, Position& last, Batch& batch);
  // Ends the open transaction, and gathers the next meanwhile where that is worth a thread.
  absl::Status CommitAndGather(const Batch& batch);
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
  Batch next_;                 // gathered behind what is committed
  absl::Status gather_error_;  // of what was gathered ahead
};

}  // namespace records::eventstore
