#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace records::eventstore {

// Index of a table (a RocksDB column family) in the list that a storage was opened with.
struct Table {
  size_t index = 0;
  friend bool operator==(const Table&, const Table&) = default;
};

// Changes that take effect together or not at all.
class StorageBatch {
 public:
  enum class Kind { kPut, kDelete };
  struct Change {
    Kind kind;
    Table table;
    std::string key;
    std::string value;
  };

  void Put(Table table, std::string key, std::string value) {
    bytes_ += key.size() + value.size();
    changes_.push_back({Kind::kPut, table, std::move(key), std::move(value)});
  }
  void Delete(Table table, std::string key) {
    bytes_ += key.size();
    changes_.push_back({Kind::kDelete, table, std::move(key), {}});
  }
  const std::vector<Change>& changes() const { return changes_; }
  size_t bytes() const { return bytes_; }
  bool empty() const { return changes_.empty(); }
  void Clear() {
    changes_.clear();
    bytes_ = 0;
  }

 private:
  std::vector<Change> changes_;
  size_t bytes_ = 0;
};

// Walks one table in the order of its keys (bytewise, unsigned), over a snapshot taken when the
// cursor was made. Not thread-safe. key() and value() live until the next move.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual void Seek(absl::string_view key) = 0;         // first entry at or after
  virtual void SeekForPrev(absl::string_view key) = 0;  // last entry at or before
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual bool Valid() const = 0;
  virtual absl::string_view key() const = 0;    // REQUIRES: Valid()
  virtual absl::string_view value() const = 0;  // REQUIRES: Valid()
  // OK while the end was reached in order; kDataLoss when the walk met damage. Ask after the walk.
  virtual absl::Status status() const = 0;
};

// A key and its value.
struct StorageEntry {
  std::string key;
  std::string value;
};

// An ordered store of tables with atomic, synced batches: the port under log, key store and views.
// RocksDB in the product, memory in the simulation and in tests of our own threads.
//
// Thread-safe. Must outlive its cursors.
class Storage {
 public:
  enum class Durability {
    kSynced,    // OK means on the disk
    kUnsynced,  // OK means visible; may be lost by a crash, but never in part or out of order
  };

  virtual ~Storage() = default;

  // Applies the batch. kResourceExhausted: no room, nothing was written. Any other error of a
  // synced write means outcome unknown: the caller must stop writing (research: a failed fsync).
  [[nodiscard]] virtual absl::Status Write(const StorageBatch& batch, Durability durability) = 0;

  // Returns the value, or nullopt. kDataLoss: the store is damaged there.
  [[nodiscard]] virtual absl::StatusOr<std::optional<std::string>> Get(
      Table table, absl::string_view key) const = 0;

  // Returns the last entry whose key starts with `prefix`, or nullopt. kDataLoss: the store is
  // damaged there. A table opened with a prefix of that length answers "none" mostly without a
  // read.
  [[nodiscard]] virtual absl::StatusOr<std::optional<StorageEntry>> LastWithPrefix(
      Table table, absl::string_view prefix) const;

  // Returns a cursor that stands nowhere yet.
  virtual std::unique_ptr<Cursor> NewCursor(Table table) const = 0;

  // Rewrites the table so that nothing that was deleted or overwritten stays in a file, and drops
  // write-ahead logs that held it. Slow.
  [[nodiscard]] virtual absl::Status Compact(Table table) = 0;
};

}  // namespace records::eventstore
