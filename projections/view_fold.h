#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eventstore/log.h"
#include "eventstore/storage.h"
#include "projections/projection.h"

namespace records::projections {

// More parked roots than this mean that the fold is broken, not the events: the view then stops.
inline constexpr size_t kParkedRootsMax = 10'000;

// Events of one partition that are folded before the next partition has its turn.
inline constexpr size_t kEventsPerTurn = 128;

struct FoldOptions {
  std::vector<uint32_t> partitions;  // empty: all of the log
  size_t batch_events = 2048;
  size_t batch_bytes = 4 * 1024 * 1024;
};

// A view whose checkpoint lies further back than this for events of no concern to it writes one.
inline constexpr uint64_t kUnstoredEventsMax = 16'384;

// What one call of ViewFold::FoldBatch() did.
struct FoldProgress {
  size_t events = 0;   // folded or held back
  bool moved = false;  // passed events, perhaps only of types that are not folded
  // The last position of each root that was folded.
  absl::flat_hash_map<eventstore::RootId, eventstore::Position> roots;
  // Roots that were parked, and why.
  std::vector<std::pair<eventstore::Position, absl::Status>> parked;
  bool unparked = false;  // a parked root was ended
  // Why a partition did not go on: kUnavailable is tried again, anything else stays.
  absl::Status stalled;
};

// Folds a log into the storage of a view, a batch at a time. Each batch of effects and the
// checkpoints behind it are one storage batch, so that the view is always the fold of a prefix of
// each partition. Batches are not synced: what a crash takes is folded again from the log, which is
// what is durable.
//
// Not thread-safe; it alone writes to the storage. Must not outlive log, projection or storage.
class ViewFold {
 public:
  // Reads where the view stands and checks that against the log.
  //   kFailedPrecondition  the view was folded from another log
  //   kOutOfRange          the view is ahead of the log: the log lost its end
  //   kDataLoss            the two disagree on what was folded, or a row is damaged
  static absl::StatusOr<std::unique_ptr<ViewFold>> Create(const eventstore::EventLog& log,
                                                          const Projection& projection,
                                                          eventstore::Storage& storage,
                                                          FoldOptions options);

  // Folds what stands in the log, up to one batch, and writes it. An event that cannot be folded
  // parks its root and is passed. kResourceExhausted: no room; the same batch is written at the
  // next call. Any other error is final: it is returned for ever, and a new ViewFold starts at the
  // last batch. Folds nothing that lies behind the positions `up_to`, one for each partition that
  // is to stop.
  [[nodiscard]] absl::StatusOr<FoldProgress> FoldBatch(
      absl::Span<const eventstore::Position> up_to = {});

  // Folds what a parked root has missed, in order, and unparks it. kNotFound: not parked. An event
  // that still cannot be folded: its error; the root stays parked from there.
  [[nodiscard]] absl::Status Replay(const eventstore::RootId& root);

  // The last position that the storage shows the effects of.
  eventstore::Position Applied(uint32_t partition) const;
  const std::vector<uint32_t>& partitions() const { return partitions_; }

  // Parked roots and the first event of each that is not folded.
  const absl::flat_hash_map<eventstore::RootId, eventstore::Position>& parked() const {
    return parked_;
  }

  // Roots that were ended, of all that the storage shows.
  uint64_t ended() const { return ended_; }

 private:
  struct Partition {
    eventstore::Position passed;   // in this batch
    eventstore::Position written;  // what the storage shows
    eventstore::Position stored;   // of the checkpoint in the storage: behind lies nothing folded
    uint64_t batch_end = 0;        // where this batch stops: EventLog::BatchEnd()
    uint64_t limit = 0;            // no event behind this one is folded
    std::unique_ptr<eventstore::Follower> follower;
    std::optional<eventstore::StoredEvent> waiting;  // read, and not yet folded
    absl::Status error;                              // the log is damaged or closed there
  };

  ViewFold(const eventstore::EventLog& log, const Projection& projection,
           eventstore::Storage& storage, FoldOptions options);

  absl::Status LoadCheckpoint(uint32_t partition);
  absl::Status LoadParked();

  void SetEnds(absl::Span<const eventstore::Position> up_to);
  bool BatchIsFull() const;
  bool CheckpointIsFarBehind() const;
  // Folds some events of one partition; false when it has no more for now.
  bool FoldTurn(Partition& partition);
  absl::Status OpenFollower(Partition& partition);
  absl::Status ReadWaiting(Partition& partition);
  absl::Status FoldOrPark(const eventstore::StoredEvent& event);
  absl::Status Apply(const eventstore::StoredEvent& event);
  // Behind an event that ended a root.
  void NoteEnded(const eventstore::RootId& root);
  absl::Status Park(const eventstore::RootId& root, eventstore::Position first);
  void PutParked(const eventstore::RootId& root, eventstore::Position first);
  // Folds one page of what a parked root has missed; false when that was the last.
  absl::StatusOr<bool> ReplayPage(const eventstore::RootId& root);
  absl::Status SealBatch();
  absl::Status WriteBatch();
  absl::Status Fail(absl::Status status);

  const eventstore::EventLog& log_;
  const Projection& projection_;
  eventstore::Storage& storage_;
  const FoldOptions options_;
  std::vector<uint32_t> partitions_;
  absl::flat_hash_map<uint32_t, Partition> state_;
  absl::flat_hash_map<eventstore::RootId, eventstore::Position> parked_;
  uint64_t ended_ = 0;
  size_t first_turn_ = 0;

  ViewBatch batch_;
  FoldProgress progress_;
  eventstore::StorageBatch unwritten_;
  bool has_unwritten_ = false;
  absl::Status failed_;
};

}  // namespace records::projections
