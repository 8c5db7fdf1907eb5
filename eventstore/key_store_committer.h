#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/anchor.h"
#include "eventstore/key_store_row_count.h"
#include "eventstore/key_store_rows.h"
#include "eventstore/storage.h"

namespace records::eventstore {

// What one change sees and does while it is decided: the store as it will be after all changes
// before it. Not thread-safe.
class PendingChanges {
 public:
  PendingChanges(const Storage& storage, const RowCounts& rows) : storage_(storage), rows_(rows) {}

  [[nodiscard]] absl::StatusOr<std::optional<std::string>> Get(Table table,
                                                               absl::string_view row) const;
  // REQUIRES: Get() found none.
  void Insert(Table table, std::string row, std::string value);
  // REQUIRES: Get() found one.
  void Replace(Table table, std::string row, std::string value);
  void Delete(Table table, std::string row);

  // Keeps or forgets what was done since the last call of either.
  void Accept();
  void Drop();

  const RowCounts& rows() const { return rows_; }
  StorageBatch& batch() { return batch_; }

 private:
  using Place = std::pair<size_t, std::string>;

  const Storage& storage_;
  RowCounts rows_;
  RowCounts staged_rows_{};  // modulo 2^64: what is to be added to rows_
  StorageBatch batch_;
  absl::flat_hash_map<Place, std::optional<std::string>> accepted_;
  // In the order of the calls.
  std::vector<std::pair<Place, std::optional<std::string>>> staged_;
};

// Puts all changes of a key store into one order and makes them durable in groups: the caller that
// finds nobody writing decides and writes what all callers wait for, in one synced batch, then the
// anchor.
//
// Thread-safe. Must not outlive storage. After a failed write or anchor the outcome is unknown:
// every later change is refused with kUnavailable, and `on_fatal` is told once, on the thread of
// the caller whose change it was.
class KeyStoreCommitter {
 public:
  // `rows` must outlive the committer.
  KeyStoreCommitter(Storage& storage, const RowCount& rows, std::unique_ptr<Anchor> anchor,
                    StoreId store, KeyStoreState state, ErasureHead erasures,
                    std::function<void(const absl::Status&)> on_fatal);

  // Decides a change: sees what is there, and puts or deletes. Called once, from any thread, never
  // two at a time.
  using Decision = absl::FunctionRef<absl::Status(PendingChanges&)>;

  // Waits until what was decided is durable and anchored. An error of `decide` is returned and
  // nothing of it is written. kResourceExhausted: no room, nothing was written. kUnavailable: see
  // above. Waits for the count of rows, and returns its error.
  [[nodiscard]] absl::Status Commit(Decision decide);

  // Calls `work` while nothing is written, with the state that the anchor covers. Waits for the
  // count of rows, and returns its error.
  [[nodiscard]] absl::Status Pause(absl::FunctionRef<absl::Status(const KeyStoreState&)> work);

  // How many batches deleted rows of the directory, or may have.
  uint64_t directory_deletions() const { return directory_deletions_.load(); }

  KeyStoreState state() const;
  // How far the erasure ledger has come: in the anchor from the next change on.
  ErasureHead erasures() const;
  void SetErasures(const ErasureHead& head);
  // kUnavailable after a failure.
  [[nodiscard]] absl::Status health() const;

 private:
  struct Waiting {
    Decision decide;
    absl::Status result;
    bool done = false;
  };

  // Decides and writes for all of `group`. REQUIRES: leading.
  void Write(const std::vector<Waiting*>& group);
  absl::Status WriteBatch(PendingChanges& pending);
  void Lead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndLead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Storage& storage_;
  const RowCount& rows_;
  const std::unique_ptr<Anchor> anchor_;  // used by the leader only
  const StoreId store_;
  const std::function<void(const absl::Status&)> on_fatal_;

  std::atomic<uint64_t> directory_deletions_{0};
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  bool leading_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Waiting*> queue_ ABSL_GUARDED_BY(mutex_);
  KeyStoreState state_ ABSL_GUARDED_BY(mutex_);
  ErasureHead erasures_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::eventstore
