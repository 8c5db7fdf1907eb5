#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/anchor.h"
#include "eventstore/ids.h"
#include "eventstore/log.h"

namespace records::eventstore {

// How far each tree of the log may be read: what is durable and covered by the anchor. The
// committer publishes, readers look and wait. Trees are numbered as by TreeIndex().
//
// Thread-safe.
class HeadBoard {
 public:
  HeadBoard(uint32_t partition_count, std::vector<TreeHead> heads);

  uint32_t partition_count() const { return partition_count_; }

  // Last sequence of a partition that may be read; 0: none.
  uint64_t Head(Ledger ledger, uint32_t partition) const;

  // The root of a tree when its size was published, if that was among the last few times that it
  // moved. Spares readers who keep up from computing it.
  std::optional<Hash> RecentRoot(Ledger ledger, uint32_t partition, uint64_t size) const;

  // Sizes and roots of all trees at one instant.
  std::vector<TreeHead> Snapshot() const;

  // Makes a batch visible and wakes who waits for what it moved. REQUIRES: no size shrinks.
  void Publish(const std::vector<TreeHead>& heads);

  // Waits up to `wait` until the partition's head is beyond `sequence` or the board is closed.
  void WaitBeyond(Ledger ledger, uint32_t partition, uint64_t sequence, absl::Duration wait) const;

  // See EventLog::WaitForBatch().
  uint64_t WaitForBatch(Ledger ledger, uint64_t seen, absl::Duration wait) const;

  // Ends every wait, now and later.
  void Close();
  bool closed() const { return closed_.load(); }

 private:
  // At a thousand batches a second, as long as a view may lag.
  static constexpr size_t kRecentHeads = 64;

  struct Tree {
    std::atomic<uint64_t> size{0};
    mutable absl::CondVar moved;
    std::array<TreeHead, kRecentHeads> recent;  // a ring
    size_t next_recent = 0;
  };
  struct Batches {
    uint64_t count = 0;
    mutable absl::CondVar moved;
  };

  Tree& TreeOf(Ledger ledger, uint32_t partition);
  const Tree& TreeOf(Ledger ledger, uint32_t partition) const;

  const uint32_t partition_count_;
  std::atomic<bool> closed_{false};
  mutable absl::Mutex mutex_;
  std::vector<TreeHead> heads_ ABSL_GUARDED_BY(mutex_);
  std::deque<Tree> trees_;                      // changed under the mutex only
  Batches batches_[2] ABSL_GUARDED_BY(mutex_);  // by ledger
};

}  // namespace records::eventstore
