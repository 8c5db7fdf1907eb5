#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/clock.h"
#include "eventstore/key_store_open.h"
#include "eventstore/key_store_rows.h"
#include "eventstore/memory_storage.h"
#include "eventstore/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/eventstore/memory_anchor_files.h"
#include "tests/eventstore/memory_master_keys.h"

namespace records::eventstore::testing_support {

// A storage that calls a hook, once, when a table is next read: for what happens between two steps
// of a caller.
class HookedStorage final : public Storage {
 public:
  explicit HookedStorage(Storage& storage) : storage_(storage) {}

  absl::Status Write(const StorageBatch& batch, Durability durability) override {
    return storage_.Write(batch, durability);
  }
  absl::StatusOr<std::optional<std::string>> Get(Table table,
                                                 absl::string_view key) const override {
    auto value = storage_.Get(table, key);
    if (table == table_ && hook_ != nullptr) std::exchange(hook_, nullptr)();
    return value;
  }
  std::unique_ptr<Cursor> NewCursor(Table table) const override {
    absl::MutexLock lock(&mutex_);
    walk_begun_ |= held_ && table == held_table_;
    const auto may_walk = [this, table]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !held_ || table != held_table_;
    };
    mutex_.Await(absl::Condition(&may_walk));
    return storage_.NewCursor(table);
  }
  absl::Status Compact(Table table) override { return storage_.Compact(table); }

  // Called after the value was read, before it is returned. Set by a test of one thread only.
  void OnNextGet(Table table, std::function<void()> hook) {
    table_ = table;
    hook_ = std::move(hook);
  }

  // Whoever walks the table waits, until LetWalk().
  void HoldWalks(Table table) {
    absl::MutexLock lock(&mutex_);
    held_ = true;
    held_table_ = table;
  }
  void LetWalk() {
    absl::MutexLock lock(&mutex_);
    held_ = false;
  }
  // Waits until somebody waits.
  void WaitForWalk() const {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&walk_begun_));
  }

 private:
  Storage& storage_;
  Table table_;
  mutable std::function<void()> hook_;
  mutable absl::Mutex mutex_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  Table held_table_ ABSL_GUARDED_BY(mutex_);
  mutable bool walk_begun_ ABSL_GUARDED_BY(mutex_) = false;
};

// A key store over memory that can be closed, broken and opened again.
class KeyStoreFixture : public ::testing::Test {
 protected:
  KeyStoreFixture() : random_(20261122), clock_(absl::FromUnixSeconds(1795330000)) {
    storage_.set_before_write([this] { return Countdown(writes_until_failure_, before_status_); });
    storage_.set_after_write([this] { return Countdown(writes_until_lost_sync_, after_status_); });
  }

  absl::Status TryOpen(size_t cached_keys = kCachedKeysMax) {
    store_.reset();
    KeyStorePorts ports;
    ports.storage = &hooked_;
    ports.anchors = &anchors_;
    ports.anchor_path = kAnchor;
    ports.master_keys = &master_keys_;
    ports.clock = &clock_;
    ports.random = &random_;
    ports.cached_keys = cached_keys;
    ports.rows_counted_at_start_max = rows_counted_at_start_max_;
    ports.on_fatal = [this](const absl::Status&) { ++told_fatal_; };
    absl::StatusOr<std::unique_ptr<KeyStore>> opened = OpenKeyStoreOver(ports);
    if (opened.ok()) store_ = *std::move(opened);
    return opened.status();
  }

  void Open(size_t cached_keys = kCachedKeysMax) {
    const absl::Status status = TryOpen(cached_keys);
    ASSERT_TRUE(status.ok()) << status;
  }

  SubjectId NewSubject() { return *SubjectId::Generate(random_); }

  KeyPurpose NewPurpose(uint32_t category = 1) { return {NewSubject(), category, {}}; }

  std::vector<StorageEntry> Rows(Table table) const {
    std::vector<StorageEntry> rows;
    const std::unique_ptr<Cursor> cursor = storage_.NewCursor(table);
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
      rows.push_back({std::string(cursor->key()), std::string(cursor->value())});
    }
    return rows;
  }

  void Write(Table table, const std::string& row, const std::string& value) {
    StorageBatch batch;
    batch.Put(table, row, value);
    ASSERT_TRUE(storage_.Write(batch, Storage::Durability::kSynced).ok());
  }

  static constexpr char kAnchor[] = "keys.anchor";

  SeededRandom random_;
  ManualClock clock_;
  MemoryStorage storage_{kKeyStoreTables};
  HookedStorage hooked_{storage_};
  MemoryAnchorFiles anchors_;
  MemoryMasterKeys master_keys_;
  // -1: never. 0: the next one.
  int writes_until_failure_ = -1;
  int writes_until_lost_sync_ = -1;
  std::atomic<int> told_fatal_ = 0;
  uint64_t rows_counted_at_start_max_ = kRowsCountedAtStartMax;
  absl::Status before_status_ = absl::UnknownError("disk");
  absl::Status after_status_ = absl::UnknownError("sync");
  std::unique_ptr<KeyStore> store_;

 private:
  static absl::Status Countdown(int& counter, const absl::Status& status) {
    if (counter < 0) return absl::OkStatus();
    return counter-- == 0 ? status : absl::OkStatus();
  }
};

}  // namespace records::eventstore::testing_support
