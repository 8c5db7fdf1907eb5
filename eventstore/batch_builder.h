#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/anchor.h"
#include "eventstore/merkle_tiles.h"
#include "eventstore/prepared_append.h"
#include "eventstore/storage.h"
#include "eventstore/stream_heads.h"

namespace records::eventstore {

// What a log's store says at its start, and what the committer carries on from.
struct LogState {
  StoreId store;
  uint32_t partition_count = 0;
  std::vector<TileWriter> trees;                    // as numbered by TreeIndex()
  absl::Time last_recorded = absl::InfinitePast();  // latest recorded_at that is known
};

// How much may still be written.
enum class Room { kEnough, kReserveOnly, kNone };

// What became of an append.
struct Decision {
  absl::StatusOr<Appended> outcome;
  // The outcome rests on what this batch writes: it is told when the batch is durable.
  bool after_batch = false;
  // The store could not be read: no more may be written.
  bool store_failed = false;
};

// Decides append after append what a batch writes: the one place where order, revisions and
// positions come from. Knows no threads and no disk but what it reads; does not write.
//
// Its memory runs ahead of the store by the batch being made, so a batch that was not written must
// be its last. Not thread-safe.
class BatchBuilder {
 public:
  // `guard` may be nullptr. Both must outlive it.
  BatchBuilder(const Storage& storage, const AppendGuard* guard, LogState state,
               size_t cached_streams_max);

  // Starts a batch at `now`.
  void Begin(absl::Time now, Room room);

  // Takes an append in, or says why not: deadline, request, guard, expectations, clock, room, in
  // this order. The request comes before what may have changed since it was first made.
  Decision Add(PreparedAppend prepared);

  // Takes in an event that this log had before, with the bytes it was stored with. REQUIRES: it was
  // decoded for its position; the events of one append follow each other in one batch.
  //   kInvalidArgument    it does not follow what the log has: position, revision or request
  //   kResourceExhausted  the disk has no room
  absl::Status AddStored(Ledger ledger, StoredEvent stored);

  // What is to be written; empty: nothing.
  const StorageBatch& batch() const { return batch_; }
  size_t events() const { return events_; }

  // Sizes and roots of all trees with this batch. Call once when the batch is full.
  const std::vector<TreeHead>& FinishHeads();

 private:
  // Outcome of a request of this batch.
  struct MadeRequest {
    RequestDigest digest;
    Appended outcome;
  };

  absl::StatusOr<std::optional<Decision>> FindRequest(const Append& append) const;
  absl::StatusOr<std::optional<Decision>> CheckExpectations(const PreparedAppend& prepared);
  absl::Status CheckClockAndRoom(const Append& append) const;
  absl::Status LoadHeads(const PreparedAppend& prepared);
  absl::Time RecordedAt(const NewEvent& event) const;
  Appended Write(PreparedAppend prepared);
  absl::Status PutStoredRequest(Ledger ledger, Position first,
                                const records::log::v1::Append& append);
  // Puts an event, whose bytes are whole, and what a reader finds it by.
  void PutEvent(Ledger ledger, const StreamKey& stream, Revision revision, Position position,
                std::string bytes);
  void PutRequest(const RequestKey& key, const RequestDigest& digest, Ledger ledger,
                  const Appended& outcome);

  const Storage& storage_;
  const AppendGuard* const guard_;
  const uint32_t partition_count_;
  std::vector<TileWriter> trees_;
  std::vector<TreeHead> tree_heads_;
  StreamHeads stream_heads_;

  absl::Time last_recorded_;
  absl::Time now_;
  Room room_ = Room::kEnough;
  uint64_t batch_number_ = 0;
  size_t events_ = 0;
  StorageBatch batch_;
  absl::flat_hash_map<RequestKey, MadeRequest> requests_;
};

}  // namespace records::eventstore
