#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/storage.h"

namespace records::eventstore {

// A Storage in memory with the same meaning as the one on RocksDB, for tests of our own threads and
// for the simulation. Deterministic. It can crash: what was not synced is then lost from the end,
// as on a disk.
//
// Thread-safe; moves of a cursor take the lock of the storage. Must outlive its cursors.
class MemoryStorage final : public Storage {
 public:
  explicit MemoryStorage(size_t table_count) : tables_(table_count) {}

  absl::Status Write(const StorageBatch& batch, Durability durability) override;
  absl::StatusOr<std::optional<std::string>> Get(Table table, absl::string_view key) const override;
  std::unique_ptr<Cursor> NewCursor(Table table) const override;
  absl::Status Compact(Table table) override;

  // All that was written is on the disk from now on, as after a synced write or a clean close.
  absl::Status Sync();

  // Loses the unsynced batches but the first `unsynced_kept` of them.
  // REQUIRES: no cursor is open.
  void Crash(size_t unsynced_kept);

  // How many batches a crash may lose.
  size_t unsynced_batches() const;

  // Called before and after a batch takes effect, without the lock; an error fails the write there.
  // An error of `after` is a failed sync: the batch is visible, unsynced, and its writer was told
  // that it failed. Set them before the storage is shared.
  using WriteHook = std::function<absl::Status()>;
  void set_before_write(WriteHook hook) { before_write_ = std::move(hook); }
  void set_after_write(WriteHook hook) { after_write_ = std::move(hook); }

 private:
  friend class MemoryCursor;

  // What a key held from a batch on; no value: deleted.
  struct Version {
    uint64_t batch;
    std::optional<std::string> value;
  };
  using Versions = std::vector<Version>;
  // Keys are removed only while no cursor is open, so that cursors may stand on them.
  using Rows = std::map<std::string, Versions, std::less<>>;

  static const std::string* ValueAt(const Versions& versions, uint64_t batch);
  uint64_t Apply(const StorageBatch& batch);

  mutable absl::Mutex mutex_;
  std::vector<Rows> tables_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_batch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t synced_batch_ ABSL_GUARDED_BY(mutex_) = 0;
  mutable size_t open_cursors_ ABSL_GUARDED_BY(mutex_) = 0;
  WriteHook before_write_;
  WriteHook after_write_;
};

}  // namespace records::eventstore
