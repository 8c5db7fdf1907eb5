#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/storage.h"

namespace rocksdb {
class Env;
}

namespace records::eventstore {

// How one table is laid out. The place in the list is its Table::index.
struct RocksTable {
  std::string name;
  // Length of the prefixes that LastWithPrefix() is asked for; 0: none.
  size_t prefix_bytes = 0;
  // Keys that share their first bytes, this many, are put in ascending order; 0: none.
  size_t ascending_prefix_bytes = 0;
  // New rows lie in a hash table of the first `prefix_bytes` of the key. A cursor that is sought to
  // a key of that length or longer stays within its prefix, and does not go backwards; sought to a
  // shorter one it walks the whole table, which is slow. REQUIRES: no key is shorter.
  bool hashed_in_memory = false;
  // Asked by whole key, mostly for keys that are not there.
  bool point_lookups = false;
  bool compress = false;
  size_t write_buffer_bytes = size_t{16} << 20;
};

enum class RocksMode {
  kReadOnly,  // takes no lock and changes nothing
  kWrite,     // the store must exist, with these tables
  kCreate,    // makes what is missing
};

struct RocksStorageOptions {
  std::string path;
  std::vector<RocksTable> tables;
  RocksMode mode = RocksMode::kWrite;
  size_t block_cache_bytes = size_t{64} << 20;
  size_t write_ahead_log_bytes_max = size_t{256} << 20;
  // Not owned; nullptr: the machine's. Tests give one that fails.
  rocksdb::Env* env = nullptr;
  // Called, from any thread, when flush or compaction failed or a write could not be made durable,
  // and with OK when RocksDB has recovered by itself (room came back). Must not block.
  std::function<void(const absl::Status&)> on_background_state;
};

// A Storage on RocksDB.
//
// Durability: a synced write has passed fdatasync of the write-ahead log. Reads verify checksums.
// The file system decides what a crash leaves; a torn end of the log is cut at opening, and whether
// anything that was acknowledged went with it only an anchor outside can tell (reliability
// research, section 3), so whoever opens a store compares it with its anchor first, read-only.
// Closing flushes, so that the next start replays nothing. After a failed write each later one is
// kUnavailable, but for those that RocksDB itself refuses while flush or compaction fail: those may
// be tried again.
class RocksStorage final : public Storage {
 public:
  // kDataLoss: damaged. kFailedPrecondition: open in another process, or not a store of ours.
  // kNotFound: no store there (kReadOnly, kWrite).
  static absl::StatusOr<std::unique_ptr<RocksStorage>> Open(RocksStorageOptions options);
  ~RocksStorage() override;

  absl::Status Write(const StorageBatch& batch, Durability durability) override;
  absl::StatusOr<std::optional<std::string>> Get(Table table, absl::string_view key) const override;
  absl::StatusOr<std::optional<StorageEntry>> LastWithPrefix(
      Table table, absl::string_view prefix) const override;
  std::unique_ptr<Cursor> NewCursor(Table table) const override;
  absl::Status Compact(Table table) override;

  // Whether each table file in the folder is one that the store knows: opening it for writing
  // deletes the others.
  absl::StatusOr<bool> KnowsAllTableFiles() const;

  // Writes what is in memory into table files.
  absl::Status Flush();

  // Writes the store as it is now into a new folder, durably; on the same file system the table
  // files are linked, not copied. Reads and writes go on meanwhile.
  absl::Status CopyTo(const std::string& folder);

 private:
  struct Internals;
  explicit RocksStorage(std::unique_ptr<Internals> internals);

  std::unique_ptr<Internals> internals_;
};

// Whether a RocksDB store was begun at `path`. Errors: the folder cannot be read.
absl::StatusOr<bool> RocksStoreExists(rocksdb::Env* env, const std::string& path);

// Whether the store at `path` has all these tables: a crash while it was made may have left it
// without.
absl::StatusOr<bool> RocksStoreHasTables(rocksdb::Env* env, const std::string& path,
                                         const std::vector<RocksTable>& tables);

}  // namespace records::eventstore
