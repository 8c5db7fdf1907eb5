#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/bus/topic_chain.h"
#include "eventstore/ids.h"

namespace records::eventstore {

// Who reads a partition of the log's topic, and can tell the tree where they stand.
class PlaceSource {
 public:
  virtual ~PlaceSource() = default;
  // The place at a position, while the reader stands there or has just gone on. Thread-safe.
  virtual std::optional<TopicPlace> PlaceAt(Position position) const = 0;
  // Whether the reader has had all that was committed when it last looked. Thread-safe.
  virtual bool AtEnd() const = 0;
};

// What the followers of one TopicLog and that log tell each other: how far the topic goes, what
// came, who stands where, and what keeps them waiting.
//
// Thread-safe.
class TopicBoard {
 public:
  explicit TopicBoard(uint32_t partitions) : heads_(partitions), partitions_(partitions) {}

  // The last event of a partition that was heard of.
  Position Head(uint32_t partition) const;
  void RaiseHead(Position head);

  // Says that something came for a follower; WaitForBatch() as in EventLog.
  void Arrived();
  uint64_t WaitForBatch(uint64_t seen, absl::Duration wait) const;

  // Ends every wait.
  void Close();
  bool closed() const { return closed_.load(); }
  // Waits for that; whether it came.
  bool WaitUntilClosed(absl::Duration wait) const;

  // Places that were held against the topic, the last few of each partition.
  void Remember(const TopicPlace& place);
  // A place at that position: remembered, or of a follower that stands there.
  std::optional<TopicPlace> PlaceAt(Position position) const;

  void Add(uint32_t partition, const PlaceSource* source);
  void Remove(uint32_t partition, const PlaceSource* source);
  // Whether somebody reads a partition who has not had all of it.
  bool IsBehind(uint32_t partition) const;

  // What keeps one of those that were added from reading; OK: nothing.
  void SetError(uint32_t partition, const PlaceSource* source, const absl::Status& error);
  // Of the first of a partition that something keeps.
  absl::Status Error(uint32_t partition) const;

 private:
  // More than the views of one process have copies.
  static constexpr size_t kRememberedPlaces = 32;

  // Raised for each event: on a line of its own, without the lock.
  struct alignas(64) KnownHead {
    std::atomic<uint64_t> sequence{0};
  };

  struct Source {
    const PlaceSource* source = nullptr;
    absl::Status error;
  };

  struct Partition {
    std::deque<TopicPlace> remembered;
    std::vector<Source> sources;
  };

  std::atomic<bool> closed_{false};
  std::vector<KnownHead> heads_;
  mutable absl::Mutex mutex_;
  std::vector<Partition> partitions_ ABSL_GUARDED_BY(mutex_);
  uint64_t batches_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace records::eventstore
