#include "eventstore/memory_storage.h"

#include <algorithm>

#include "eventstore/status_macros.h"

namespace records::eventstore {

// Stands on a row of the map; sees the versions of its snapshot only.
class MemoryCursor final : public Cursor {
 public:
  MemoryCursor(const MemoryStorage* storage, Table table) : storage_(storage) {
    absl::MutexLock lock(&storage_->mutex_);
    rows_ = &storage_->tables_[table.index];
    position_ = rows_->end();
    snapshot_ = storage_->last_batch_;
    ++storage_->open_cursors_;
  }

  ~MemoryCursor() override {
    absl::MutexLock lock(&storage_->mutex_);
    --storage_->open_cursors_;
  }

  void Seek(absl::string_view key) override {
    absl::MutexLock lock(&storage_->mutex_);
    position_ = rows_->lower_bound(key);
    SkipForward();
  }

  void SeekForPrev(absl::string_view key) override {
    absl::MutexLock lock(&storage_->mutex_);
    position_ = rows_->upper_bound(key);
    SkipBackward();
  }

  void Next() override {
    absl::MutexLock lock(&storage_->mutex_);
    ++position_;
    SkipForward();
  }

  void Prev() override {
    absl::MutexLock lock(&storage_->mutex_);
    SkipBackward();
  }

  bool Valid() const override { return valid_; }
  absl::string_view key() const override { return key_; }
  absl::string_view value() const override { return value_; }
  absl::Status status() const override { return absl::OkStatus(); }

 private:
  // Takes a copy of the entry: a writer may add versions while the caller reads.
  bool TakeIfVisible() ABSL_SHARED_LOCKS_REQUIRED(storage_->mutex_) {
    const std::string* value = MemoryStorage::ValueAt(position_->second, snapshot_);
    valid_ = value != nullptr;
    if (valid_) {
      key_ = position_->first;
      value_ = *value;
    }
    return valid_;
  }

  void SkipForward() ABSL_SHARED_LOCKS_REQUIRED(storage_->mutex_) {
    valid_ = false;
    while (position_ != rows_->end() && !TakeIfVisible()) ++position_;
  }

  void SkipBackward() ABSL_SHARED_LOCKS_REQUIRED(storage_->mutex_) {
    valid_ = false;
    while (position_ != rows_->begin()) {
      --position_;
      if (TakeIfVisible()) return;
    }
  }

  const MemoryStorage* const storage_;
  const MemoryStorage::Rows* rows_;
  MemoryStorage::Rows::const_iterator position_;
  uint64_t snapshot_;
  bool valid_ = false;
  std::string key_;
  std::string value_;
};

const std::string* MemoryStorage::ValueAt(const Versions& versions, uint64_t batch) {
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (version->batch <= batch) return version->value ? &*version->value : nullptr;
  }
  return nullptr;
}

uint64_t MemoryStorage::Apply(const StorageBatch& batch) {
  absl::MutexLock lock(&mutex_);
  ++last_batch_;
  for (const StorageBatch::Change& change : batch.changes()) {
    Versions& versions = tables_[change.table.index][change.key];
    if (versions.empty() || versions.back().batch != last_batch_) {
      versions.push_back({last_batch_, std::nullopt});
    }
    if (change.kind == StorageBatch::Kind::kPut) {
      versions.back().value = change.value;
    } else {
      versions.back().value.reset();
    }
  }
  return last_batch_;
}

absl::Status MemoryStorage::Write(const StorageBatch& batch, Durability durability) {
  if (before_write_) RETURN_IF_ERROR(before_write_());
  const uint64_t number = Apply(batch);
  if (after_write_) RETURN_IF_ERROR(after_write_());
  if (durability == Durability::kSynced) {
    absl::MutexLock lock(&mutex_);
    synced_batch_ = std::max(synced_batch_, number);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> MemoryStorage::Get(Table table,
                                                              absl::string_view key) const {
  absl::MutexLock lock(&mutex_);
  const Rows& rows = tables_[table.index];
  const auto row = rows.find(key);
  if (row == rows.end()) return std::nullopt;
  const std::string* value = ValueAt(row->second, last_batch_);
  if (value == nullptr) return std::nullopt;
  return *value;
}

std::unique_ptr<Cursor> MemoryStorage::NewCursor(Table table) const {
  return std::make_unique<MemoryCursor>(this, table);
}

absl::Status MemoryStorage::Compact(Table table) {
  absl::MutexLock lock(&mutex_);
  synced_batch_ = last_batch_;
  if (open_cursors_ > 0) return absl::OkStatus();
  Rows& rows = tables_[table.index];
  for (auto row = rows.begin(); row != rows.end();) {
    Versions& versions = row->second;
    versions.erase(versions.begin(), versions.end() - 1);
    row = versions.back().value ? std::next(row) : rows.erase(row);
  }
  return absl::OkStatus();
}

absl::Status MemoryStorage::Sync() {
  absl::MutexLock lock(&mutex_);
  synced_batch_ = last_batch_;
  return absl::OkStatus();
}

void MemoryStorage::Crash(size_t unsynced_kept) {
  absl::MutexLock lock(&mutex_);
  const uint64_t last = std::min(last_batch_, synced_batch_ + unsynced_kept);
  for (Rows& rows : tables_) {
    for (auto row = rows.begin(); row != rows.end();) {
      Versions& versions = row->second;
      while (!versions.empty() && versions.back().batch > last) versions.pop_back();
      row = versions.empty() ? rows.erase(row) : std::next(row);
    }
  }
  last_batch_ = last;
  synced_batch_ = last;
}

size_t MemoryStorage::unsynced_batches() const {
  absl::MutexLock lock(&mutex_);
  return last_batch_ - synced_batch_;
}

}  // namespace records::eventstore
