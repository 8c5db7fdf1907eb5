#include "eventstore/internal/rocks_options.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/planted_bug.h"
#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"

namespace records::eventstore::internal {
namespace {

// Of a table that is hashed in memory: one for each row of 128 bytes in 8 MiB.
constexpr size_t kHashBuckets = 65'536;

// Writes no log file: opening read-only must change nothing.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

// Tells the owner when RocksDB can no longer write, and when it can again.
class BackgroundListener final : public rocksdb::EventListener {
 public:
  explicit BackgroundListener(std::function<void(const absl::Status&)> on_state)
      : on_state_(std::move(on_state)) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    if (!status->ok()) on_state_(FromRocks(*status));
  }

  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override {
    if (info.new_bg_error.ok()) on_state_(absl::OkStatus());
  }

 private:
  const std::function<void(const absl::Status&)> on_state_;
};

// Makes the names of files durable before the name that leads to them. RocksDB renames CURRENT onto
// the name of a new MANIFEST and syncs the folder once, after that: a power cut between may keep
// the second name without the first, and nothing opens then (tests/faults, a crash at each
// operation).
class NamesInOrder final : public rocksdb::FileSystemWrapper {
 public:
  using rocksdb::FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "records.NamesInOrder"; }

  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (absl::EndsWith(to, "/CURRENT") && !PLANTED_BUG("current-before-manifest-name")) {
      std::unique_ptr<rocksdb::FSDirectory> folder;
      rocksdb::IOStatus status = NewDirectory(to.substr(0, to.rfind('/')), options, &folder, debug);
      if (status.ok()) status = folder->Fsync(options, debug);
      if (!status.ok()) return status;
    }
    return FileSystemWrapper::RenameFile(from, to, options, debug);
  }
};

// Lives as long as the process, as RocksDB's own does.
rocksdb::Env* OrderedEnv() {
  static rocksdb::Env* const env =
      rocksdb::NewCompositeEnv(std::make_shared<NamesInOrder>(rocksdb::FileSystem::Default()))
          .release();
  return env;
}

}  // namespace

absl::Status FromRocks(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = absl::StrCat("RocksDB: ", status.ToString());
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(text);
  if (status.IsCorruption()) return absl::DataLossError(text);
  if (status.IsIOError() && absl::StrContains(text, "LOCK")) {
    return absl::FailedPreconditionError(
        absl::StrCat("the store is open elsewhere: stop the other process, or use another data "
                     "folder. ",
                     text));
  }
  // Whoever opens a store has seen that it is there: a file of it is missing.
  if (status.IsPathNotFound()) return absl::DataLossError(text);
  if (status.IsIOError()) return absl::UnavailableError(text);
  if (status.IsInvalidArgument()) return absl::FailedPreconditionError(text);
  return absl::InternalError(text);
}

rocksdb::DBOptions MakeDbOptions(const RocksStorageOptions& options) {
  rocksdb::DBOptions db;
  const bool given = options.env != nullptr && options.env != rocksdb::Env::Default();
  db.env = given ? options.env : OrderedEnv();
  db.create_if_missing = options.mode == RocksMode::kCreate;
  db.create_missing_column_families = options.mode == RocksMode::kCreate;
  // Takes whatever whole prefix of batches the disk gives back: after a power cut the end of the
  // last log may hold anything. Whether the prefix is long enough the anchor decides, before the
  // store is opened for writing. The stricter modes refuse after a power cut what no reply
  // promised.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  db.track_and_verify_wals_in_manifest = true;
  db.verify_sst_unique_id_in_manifest = true;
  db.paranoid_checks = true;
  db.flush_verify_memtable_count = true;
  db.recycle_log_file_num = 0;
  db.max_background_jobs = 2;
  db.max_total_wal_size = options.write_ahead_log_bytes_max;
  // One thread writes, and a hashed table in memory takes only one.
  db.allow_concurrent_memtable_write = false;
  // A missing table file is found at opening, not by a reader later.
  db.max_open_files = -1;
  // Opening starts as many threads for each table, also where there is no file; the rule is 16.
  db.max_file_opening_threads = 2;
  db.keep_log_file_num = 4;
  db.max_log_file_size = size_t{4} << 20;
  db.stats_dump_period_sec = 0;
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  if (options.mode == RocksMode::kReadOnly) db.info_log = std::make_shared<SilentLogger>();
  if (options.on_background_state) {
    db.listeners.push_back(std::make_shared<BackgroundListener>(options.on_background_state));
  }
  return db;
}

rocksdb::ColumnFamilyOptions MakeTableOptions(const RocksTable& table,
                                              const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions family;
  family.force_consistency_checks = true;
  family.write_buffer_size = table.write_buffer_bytes;
  // Sealed parts do not shrink; what does is a tenth of a value.
  family.compression = table.compress ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions blocks;
  blocks.block_cache = cache;
  blocks.block_size = size_t{16} << 10;
  blocks.cache_index_and_filter_blocks = true;
  blocks.pin_l0_filter_and_index_blocks_in_cache = true;
  blocks.format_version = 5;
  blocks.whole_key_filtering = table.point_lookups;
  if (table.point_lookups || table.prefix_bytes > 0) {
    // 10 bits a key: one wrong "maybe" in a hundred.
    blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    family.memtable_prefix_bloom_size_ratio = 0.05;
    family.memtable_whole_key_filtering = table.point_lookups;
  }
  if (table.point_lookups) {
    // In pieces of 4 KiB. A filter in one piece grows with the table (1.2 MiB for a million rows):
    // larger than a shard of the cache it was read anew for each lookup. Never for tables that are
    // sought by prefix alone: RocksDB before 9.5 then misses rows in SeekForPrev (its pull request
    // 12872).
    blocks.partition_filters = true;
    blocks.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  }
  if (table.prefix_bytes > 0) {
    family.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(table.prefix_bytes));
  }
  if (table.hashed_in_memory) {
    family.memtable_factory.reset(rocksdb::NewHashSkipListRepFactory(kHashBuckets));
  }
  if (table.ascending_prefix_bytes > 0) {
    // The next key of a prefix is put behind the last one without a search.
    family.memtable_insert_with_hint_prefix_extractor.reset(
        rocksdb::NewFixedPrefixTransform(table.ascending_prefix_bytes));
  }
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));
  return family;
}

}  // namespace records::eventstore::internal
