#pragma once

#include <cstdint>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/log_format.h"
#include "eventstore/merkle_tiles.h"
#include "eventstore/storage.h"

namespace records::eventstore {

// Returns the tree of a partition with `size` events as the store holds it: tiles, and the events
// that are in none. Damage is named: kDataLoss. `storage` must outlive the result.
TileSource OpenTree(const Storage& storage, Ledger ledger, uint32_t partition, uint64_t size);

// Answers questions about roots. Nodes of a log never change, so those that were used are
// remembered, up to a bound.
//
// Thread-safe.
class TreeReader {
 public:
  explicit TreeReader(const Storage& storage) : storage_(storage) {}

  // Root of the first `size` events of a partition that holds `head` or more. REQUIRES: size <=
  // head.
  absl::StatusOr<Hash> RootAt(Ledger ledger, uint32_t partition, uint64_t size,
                              uint64_t head) const;

 private:
  friend class RememberedTree;
  using NodeName = std::tuple<Ledger, uint32_t, uint32_t, uint64_t>;

  const Storage& storage_;
  mutable absl::Mutex mutex_;
  mutable absl::flat_hash_map<NodeName, Hash> nodes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::eventstore
