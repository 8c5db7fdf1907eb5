#include "eventstore/head_board.h"

#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "eventstore/log_format.h"
#include "eventstore/planted_bug.h"

namespace records::eventstore {
namespace {

// Waits on `moved` until `done` says so or the time is over.
template <typename Done>
void WaitUntil(absl::Mutex& mutex, absl::CondVar& moved, absl::Duration wait, Done done)
    ABSL_SHARED_LOCKS_REQUIRED(mutex) {
  using Steady = std::chrono::steady_clock;
  const Steady::time_point start = Steady::now();
  while (!done()) {
    const absl::Duration left = wait - absl::FromChrono(Steady::now() - start);
    if (left <= absl::ZeroDuration()) return;
    moved.WaitWithTimeout(&mutex, left);
  }
}

}  // namespace

HeadBoard::HeadBoard(uint32_t partition_count, std::vector<TreeHead> heads)
    : partition_count_(partition_count), heads_(std::move(heads)), trees_(2 * partition_count) {
  for (size_t i = 0; i < trees_.size(); ++i) {
    trees_[i].size = heads_[i].size;
    trees_[i].recent.fill(heads_[i]);
  }
}

HeadBoard::Tree& HeadBoard::TreeOf(Ledger ledger, uint32_t partition) {
  return trees_[TreeIndex(ledger, partition, partition_count_)];
}

const HeadBoard::Tree& HeadBoard::TreeOf(Ledger ledger, uint32_t partition) const {
  return trees_[TreeIndex(ledger, partition, partition_count_)];
}

uint64_t HeadBoard::Head(Ledger ledger, uint32_t partition) const {
  return TreeOf(ledger, partition).size.load(std::memory_order_acquire);
}

std::optional<Hash> HeadBoard::RecentRoot(Ledger ledger, uint32_t partition, uint64_t size) const {
  absl::MutexLock lock(&mutex_);
  for (const TreeHead& head : TreeOf(ledger, partition).recent) {
    if (head.size == size || PLANTED_BUG("root-of-another-size")) return head.root;
  }
  return std::nullopt;
}

std::vector<TreeHead> HeadBoard::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  return heads_;
}

void HeadBoard::Publish(const std::vector<TreeHead>& heads) {
  absl::MutexLock lock(&mutex_);
  bool moved[2] = {false, false};
  for (size_t i = 0; i < heads.size(); ++i) {
    if (heads[i].size == heads_[i].size) continue;
    heads_[i] = heads[i];
    trees_[i].size.store(heads[i].size, std::memory_order_release);
    trees_[i].recent[trees_[i].next_recent++ % kRecentHeads] = heads[i];
    trees_[i].moved.SignalAll();
    moved[i / partition_count_] = true;
  }
  for (size_t ledger = 0; ledger < 2; ++ledger) {
    if (!moved[ledger]) continue;
    ++batches_[ledger].count;
    batches_[ledger].moved.SignalAll();
  }
}

void HeadBoard::WaitBeyond(Ledger ledger, uint32_t partition, uint64_t sequence,
                           absl::Duration wait) const {
  const Tree& tree = TreeOf(ledger, partition);
  absl::MutexLock lock(&mutex_);
  WaitUntil(mutex_, tree.moved, wait,
            [this, &tree, sequence] { return tree.size.load() > sequence || closed_; });
}

uint64_t HeadBoard::WaitForBatch(Ledger ledger, uint64_t seen, absl::Duration wait) const {
  absl::MutexLock lock(&mutex_);
  const Batches& batches = batches_[ledger == Ledger::kEvents ? 0 : 1];
  WaitUntil(mutex_, batches.moved, wait,
            [this, &batches, seen] { return batches.count > seen || closed_; });
  return batches.count;
}

void HeadBoard::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  for (Tree& tree : trees_) tree.moved.SignalAll();
  for (Batches& batches : batches_) batches.moved.SignalAll();
}

}  // namespace records::eventstore
