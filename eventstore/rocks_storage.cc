#include "eventstore/rocks_storage.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "eventstore/internal/rocks_options.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/snapshot.h"
#include "rocksdb/utilities/checkpoint.h"

namespace records::eventstore {
namespace {

// Four shards of the block cache: the filter of a table that is sought by prefix is one block, and
// one that is larger than a shard is read anew each time. 16 MiB hold that of 13 million prefixes.
constexpr int kCacheShardBits = 2;

rocksdb::Slice ToSlice(absl::string_view bytes) { return {bytes.data(), bytes.size()}; }
absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

class RocksCursor final : public Cursor {
 public:
  explicit RocksCursor(std::unique_ptr<rocksdb::Iterator> iterator)
      : iterator_(std::move(iterator)) {}

  void Seek(absl::string_view key) override { iterator_->Seek(ToSlice(key)); }
  void SeekForPrev(absl::string_view key) override { iterator_->SeekForPrev(ToSlice(key)); }
  void Next() override { iterator_->Next(); }
  void Prev() override { iterator_->Prev(); }
  bool Valid() const override { return iterator_->Valid(); }
  absl::string_view key() const override { return ToView(iterator_->key()); }
  absl::string_view value() const override { return ToView(iterator_->value()); }
  absl::Status status() const override { return internal::FromRocks(iterator_->status()); }

 private:
  const std::unique_ptr<rocksdb::Iterator> iterator_;
};

// Of a table that is hashed in memory: which walk it is, the first key that it is sought to says.
class HashedCursor final : public Cursor {
 public:
  HashedCursor(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* table, size_t prefix_bytes)
      : db_(db), table_(table), prefix_bytes_(prefix_bytes), snapshot_(&db) {}

  void Seek(absl::string_view key) override {
    Open(/*whole=*/key.size() < prefix_bytes_);
    iterator_->Seek(ToSlice(key));
  }
  void SeekForPrev(absl::string_view key) override {
    Open(/*whole=*/true);
    iterator_->SeekForPrev(ToSlice(key));
  }
  void Next() override { iterator_->Next(); }
  void Prev() override { iterator_->Prev(); }
  bool Valid() const override { return iterator_ != nullptr && iterator_->Valid(); }
  absl::string_view key() const override { return ToView(iterator_->key()); }
  absl::string_view value() const override { return ToView(iterator_->value()); }
  absl::Status status() const override {
    return iterator_ == nullptr ? absl::OkStatus() : internal::FromRocks(iterator_->status());
  }

 private:
  void Open(bool whole) {
    if (iterator_ != nullptr && whole == whole_) return;
    whole_ = whole;
    rocksdb::ReadOptions how;
    how.total_order_seek = whole;
    how.prefix_same_as_start = !whole;
    how.snapshot = snapshot_.snapshot();
    iterator_.reset(db_.NewIterator(how, table_));
  }

  rocksdb::DB& db_;
  rocksdb::ColumnFamilyHandle* const table_;
  const size_t prefix_bytes_;
  rocksdb::ManagedSnapshot snapshot_;  // a cursor shows the table as it was made
  bool whole_ = false;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

struct RocksStorage::Internals {
  RocksStorageOptions options;
  // Flush or compaction has failed: RocksDB refuses writes before it touches a file, and goes on by
  // itself when there is room again.
  std::atomic<bool> background_failed = false;
  // A write has failed in mid-file: what RocksDB appends after that may be lost with it, and where
  // its assertions are on it ends the process.
  std::atomic<bool> write_failed = false;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> tables;
  rocksdb::ColumnFamilyHandle* unused = nullptr;  // "default", which RocksDB demands

  rocksdb::Status Open() {
    const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes, kCacheShardBits);
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const RocksTable& table : options.tables) {
      families.emplace_back(table.name, internal::MakeTableOptions(table, cache));
    }
    families.emplace_back(rocksdb::kDefaultColumnFamilyName,
                          internal::MakeTableOptions({.write_buffer_bytes = 1 << 20}, cache));
    const rocksdb::DBOptions db_options = internal::MakeDbOptions(options);
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status =
        options.mode == RocksMode::kReadOnly
            ? rocksdb::DB::OpenForReadOnly(db_options, options.path, families, &tables, &opened)
            : rocksdb::DB::Open(db_options, options.path, families, &tables, &opened);
    if (!status.ok()) return status;
    db.reset(opened);
    unused = tables.back();
    tables.pop_back();
    return status;
  }
};

absl::StatusOr<bool> RocksStoreExists(rocksdb::Env* env, const std::string& path) {
  if (env == nullptr) env = rocksdb::Env::Default();
  const rocksdb::Status status = env->FileExists(path + "/CURRENT");
  if (status.IsNotFound()) return false;
  RETURN_IF_ERROR(internal::FromRocks(status));
  return true;
}

absl::StatusOr<bool> RocksStoreHasTables(rocksdb::Env* env, const std::string& path,
                                         const std::vector<RocksTable>& tables) {
  rocksdb::DBOptions how;
  if (env != nullptr) how.env = env;
  std::vector<std::string> names;
  RETURN_IF_ERROR(internal::FromRocks(rocksdb::DB::ListColumnFamilies(how, path, &names)));
  return std::all_of(tables.begin(), tables.end(), [&names](const RocksTable& table) {
    return std::find(names.begin(), names.end(), table.name) != names.end();
  });
}

RocksStorage::RocksStorage(std::unique_ptr<Internals> internals)
    : internals_(std::move(internals)) {}

absl::StatusOr<std::unique_ptr<RocksStorage>> RocksStorage::Open(RocksStorageOptions options) {
  if (options.mode != RocksMode::kCreate) {
    ASSIGN_OR_RETURN(const bool exists, RocksStoreExists(options.env, options.path));
    if (!exists) return absl::NotFoundError(absl::StrCat("there is no store at ", options.path));
  }
  auto internals = std::make_unique<Internals>();
  internals->options = std::move(options);
  internals->options.on_background_state =
      [state = internals.get(),
       told = internals->options.on_background_state](const absl::Status& status) {
        state->background_failed = !status.ok();
        if (told) told(status);
      };
  RETURN_IF_ERROR(internal::FromRocks(internals->Open()));
  return std::unique_ptr<RocksStorage>(new RocksStorage(std::move(internals)));
}

RocksStorage::~RocksStorage() {
  if (internals_->options.mode != RocksMode::kReadOnly) {
    // Only to make the next start short: what was acknowledged is in the write-ahead log.
    Flush().IgnoreError();
  }
  for (rocksdb::ColumnFamilyHandle* table : internals_->tables) {
    internals_->db->DestroyColumnFamilyHandle(table);
  }
  internals_->db->DestroyColumnFamilyHandle(internals_->unused);
  internals_->db->Close();
}

absl::Status RocksStorage::Write(const StorageBatch& batch, Durability durability) {
  rocksdb::WriteBatch changes(batch.bytes() + 16 * batch.changes().size() + 64);
  for (const StorageBatch::Change& change : batch.changes()) {
    rocksdb::ColumnFamilyHandle* table = internals_->tables[change.table.index];
    const rocksdb::Status added = change.kind == StorageBatch::Kind::kPut
                                      ? changes.Put(table, change.key, change.value)
                                      : changes.Delete(table, change.key);
    RETURN_IF_ERROR(internal::FromRocks(added));
  }
  if (internals_->write_failed) {
    return absl::UnavailableError("a write has failed: the store takes none until it is reopened");
  }
  const bool refused = internals_->background_failed;
  rocksdb::WriteOptions how;
  how.sync = durability == Durability::kSynced && !PLANTED_BUG("storage-ignores-sync");
  const rocksdb::Status status = internals_->db->Write(how, &changes);
  if (!status.ok() && !refused) internals_->write_failed = true;
  return internal::FromRocks(status);
}

absl::StatusOr<std::optional<std::string>> RocksStorage::Get(Table table,
                                                             absl::string_view key) const {
  std::string value;
  const rocksdb::Status status = internals_->db->Get(
      rocksdb::ReadOptions(), internals_->tables[table.index], ToSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  RETURN_IF_ERROR(internal::FromRocks(status));
  return value;
}

absl::StatusOr<std::optional<StorageEntry>> RocksStorage::LastWithPrefix(
    Table table, absl::string_view prefix) const {
  const RocksTable& layout = internals_->options.tables[table.index];
  if (layout.hashed_in_memory || layout.prefix_bytes != prefix.size()) {
    return Storage::LastWithPrefix(table, prefix);
  }
  rocksdb::ReadOptions how;
  how.prefix_same_as_start = true;
  const std::unique_ptr<rocksdb::Iterator> iterator(
      internals_->db->NewIterator(how, internals_->tables[table.index]));
  // Behind every key of the prefix: keys are at most some tens of bytes longer.
  std::string last(prefix);
  last.append(64, '\xFF');
  iterator->SeekForPrev(last);
  if (!iterator->Valid()) {
    RETURN_IF_ERROR(internal::FromRocks(iterator->status()));
    return std::nullopt;
  }
  if (!absl::StartsWith(ToView(iterator->key()), prefix)) return std::nullopt;
  return StorageEntry{iterator->key().ToString(), iterator->value().ToString()};
}

std::unique_ptr<Cursor> RocksStorage::NewCursor(Table table) const {
  const RocksTable& layout = internals_->options.tables[table.index];
  if (layout.hashed_in_memory) {
    return std::make_unique<HashedCursor>(*internals_->db, internals_->tables[table.index],
                                          layout.prefix_bytes);
  }
  rocksdb::ReadOptions how;
  how.total_order_seek = true;
  return std::make_unique<RocksCursor>(std::unique_ptr<rocksdb::Iterator>(
      internals_->db->NewIterator(how, internals_->tables[table.index])));
}

absl::StatusOr<bool> RocksStorage::KnowsAllTableFiles() const {
  std::vector<rocksdb::LiveFileMetaData> live;
  internals_->db->GetLiveFilesMetaData(&live);
  absl::flat_hash_set<std::string> known;
  for (const rocksdb::LiveFileMetaData& file : live) {
    known.emplace(absl::StripPrefix(file.name, "/"));
  }
  std::vector<std::string> names;
  RETURN_IF_ERROR(
      internal::FromRocks(internals_->db->GetEnv()->GetChildren(internals_->options.path, &names)));
  return std::none_of(names.begin(), names.end(), [&known](const std::string& name) {
    return absl::EndsWith(name, ".sst") && !known.contains(name);
  });
}

absl::Status RocksStorage::Flush() {
  return internal::FromRocks(internals_->db->Flush(rocksdb::FlushOptions(), internals_->tables));
}

absl::Status RocksStorage::CopyTo(const std::string& folder) {
  rocksdb::Checkpoint* made = nullptr;
  RETURN_IF_ERROR(internal::FromRocks(rocksdb::Checkpoint::Create(internals_->db.get(), &made)));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // Size 0: what is in memory is flushed first, so that the copy has no write-ahead log to replay.
  return internal::FromRocks(checkpoint->CreateCheckpoint(folder, 0));
}

absl::Status RocksStorage::Compact(Table table) {
  // All tables share the write-ahead log: it is dropped when each of them has been flushed.
  RETURN_IF_ERROR(Flush());
  rocksdb::CompactRangeOptions how;
  how.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  return internal::FromRocks(
      internals_->db->CompactRange(how, internals_->tables[table.index], nullptr, nullptr));
}

}  // namespace records::eventstore
