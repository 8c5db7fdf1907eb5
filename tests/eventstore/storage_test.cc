#include "eventstore/storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "eventstore/memory_storage.h"
#include "eventstore/rocks_storage.h"
#include "tests/eventstore/temp_folder.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

using testing_support::TempFolder;

constexpr size_t kTables = 3;
constexpr Table kPrefixed{1};

std::vector<RocksTable> Tables() {
  return {{.name = "plain"},
          {.name = "prefixed", .prefix_bytes = 2, .write_buffer_bytes = 64 << 10},
          {.name = "points", .point_lookups = true}};
}

std::unique_ptr<RocksStorage> OpenRocks(const std::string& path, RocksMode mode) {
  auto storage = RocksStorage::Open({.path = path, .tables = Tables(), .mode = mode});
  EXPECT_TRUE(storage.ok()) << storage.status();
  return *std::move(storage);
}

std::string RandomKey(std::mt19937_64& random) {
  // Few letters, so that keys and prefixes meet; 0xFF and 0x00, where orders go wrong.
  static constexpr char kLetters[] = {'\x00', 'a', 'b', '\xFF'};
  std::string key;
  for (size_t i = 2 + random() % 3; i > 0; --i) key.push_back(kLetters[random() % 4]);
  return key;
}

StorageBatch RandomBatch(std::mt19937_64& random) {
  StorageBatch batch;
  for (size_t i = random() % 6; i > 0; --i) {
    const Table table{random() % kTables};
    if (random() % 4 == 0) {
      batch.Delete(table, RandomKey(random));
    } else {
      batch.Put(table, RandomKey(random), std::string(random() % 600, 'v') + RandomKey(random));
    }
  }
  return batch;
}

std::string Show(const Cursor& cursor) {
  if (!cursor.Valid()) return "end";
  return std::string(cursor.key()) + "=" + std::string(cursor.value());
}

// One random question, answered by a storage.
std::string Answer(const Storage& storage, uint64_t seed) {
  std::mt19937_64 random(seed);
  const Table table{random() % kTables};
  if (random() % 3 == 0) {
    const auto value = storage.Get(table, RandomKey(random));
    return value->has_value() ? **value : "none";
  }
  if (random() % 3 == 0) {
    const auto last = storage.LastWithPrefix(kPrefixed, RandomKey(random).substr(0, 2));
    return last->has_value() ? (*last)->key + "=" + (*last)->value : "none";
  }
  const std::unique_ptr<Cursor> cursor = storage.NewCursor(table);
  if (random() % 2 == 0) {
    cursor->Seek(RandomKey(random));
  } else {
    cursor->SeekForPrev(RandomKey(random));
  }
  std::string answer = Show(*cursor);
  for (size_t i = random() % 8; i > 0 && cursor->Valid(); --i) {
    if (random() % 2 == 0) {
      cursor->Next();
    } else {
      cursor->Prev();
    }
    answer += ";" + Show(*cursor);
  }
  EXPECT_TRUE(cursor->status().ok());
  return answer;
}

TEST(StorageTest, MemoryAndRocksGiveTheSameAnswers) {
  std::mt19937_64 random(SeedOfRun());
  const TempFolder folder;
  MemoryStorage memory(kTables);
  auto rocks = OpenRocks(folder / "db", RocksMode::kCreate);
  for (int step = 0; step < 3000; ++step) {
    const uint64_t choice = random() % 100;
    if (choice < 40) {
      const StorageBatch batch = RandomBatch(random);
      ASSERT_TRUE(memory.Write(batch, Storage::Durability::kUnsynced).ok());
      ASSERT_TRUE(rocks->Write(batch, Storage::Durability::kUnsynced).ok());
    } else if (choice == 40) {
      const Table table{random() % kTables};
      ASSERT_TRUE(memory.Compact(table).ok());
      ASSERT_TRUE(rocks->Compact(table).ok());
    } else if (choice == 41 && step % 4 == 0) {
      rocks.reset();
      rocks = OpenRocks(folder / "db", RocksMode::kWrite);
    } else {
      const uint64_t question = random();
      ASSERT_EQ(Answer(memory, question), Answer(*rocks, question)) << "step " << step;
    }
  }
}

TEST(StorageTest, ACursorSeesTheStoreAsItWasWhenItWasMade) {
  const TempFolder folder;
  MemoryStorage memory(kTables);
  const auto rocks = OpenRocks(folder / "db", RocksMode::kCreate);
  for (Storage* storage : std::initializer_list<Storage*>{&memory, rocks.get()}) {
    StorageBatch before;
    before.Put(Table{0}, "a", "1");
    before.Put(Table{0}, "c", "1");
    ASSERT_TRUE(storage->Write(before, Storage::Durability::kSynced).ok());
    const std::unique_ptr<Cursor> cursor = storage->NewCursor(Table{0});
    StorageBatch after;
    after.Put(Table{0}, "a", "2");
    after.Put(Table{0}, "b", "2");
    after.Delete(Table{0}, "c");
    ASSERT_TRUE(storage->Write(after, Storage::Durability::kSynced).ok());
    cursor->Seek("");
    EXPECT_EQ(Show(*cursor), "a=1");
    cursor->Next();
    EXPECT_EQ(Show(*cursor), "c=1");
    cursor->Next();
    EXPECT_EQ(Show(*cursor), "end");
  }
}

TEST(StorageTest, ACrashTakesUnsyncedBatchesFromTheEndAndNoOthers) {
  MemoryStorage memory(1);
  const auto put = [&memory](const std::string& value, Storage::Durability durability) {
    StorageBatch batch;
    batch.Put(Table{0}, "k", value);
    batch.Put(Table{0}, value, value);
    ASSERT_TRUE(memory.Write(batch, durability).ok());
  };
  put("1", Storage::Durability::kUnsynced);
  put("2", Storage::Durability::kSynced);
  put("3", Storage::Durability::kUnsynced);
  put("4", Storage::Durability::kUnsynced);
  EXPECT_EQ(memory.unsynced_batches(), 2u);
  memory.Crash(1);
  EXPECT_EQ(**memory.Get(Table{0}, "k"), "3");
  EXPECT_EQ(**memory.Get(Table{0}, "1"), "1");
  EXPECT_FALSE(memory.Get(Table{0}, "4")->has_value());
  memory.Crash(0);
  EXPECT_EQ(**memory.Get(Table{0}, "k"), "3") << "what survived a crash is on the disk";
}

// All that a storage holds.
std::string Dump(const Storage& storage) {
  std::string dump;
  for (size_t table = 0; table < kTables; ++table) {
    const std::unique_ptr<Cursor> cursor = storage.NewCursor(Table{table});
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) dump += Show(*cursor) + "\n";
    EXPECT_TRUE(cursor->status().ok());
    dump += "end of table\n";
  }
  return dump;
}

// What a memory holds after a crash that keeps so many of the batches that were not synced.
std::string DumpAfterCrash(const std::vector<StorageBatch>& batches, size_t synced, size_t kept) {
  MemoryStorage memory(kTables);
  for (size_t i = 0; i < batches.size(); ++i) {
    EXPECT_TRUE(memory.Write(batches[i], Storage::Durability::kUnsynced).ok());
    if (i + 1 != synced) continue;
    EXPECT_TRUE(memory.Sync().ok());
  }
  memory.Crash(kept);
  return Dump(memory);
}

std::filesystem::path NewestWriteAheadLog(const std::string& folder) {
  std::filesystem::path newest;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".log") continue;
    if (newest.empty() || file.path().filename() > newest.filename()) newest = file.path();
  }
  return newest;
}

// Names and sizes of the files in a folder.
std::map<std::string, uintmax_t> FilesIn(const std::string& folder) {
  std::map<std::string, uintmax_t> files;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::error_code gone;
    files[file.path().filename()] = std::filesystem::file_size(file.path(), gone);
  }
  return files;
}

// A power cut takes what was not synced from the end of RocksDB's write-ahead log, at any byte.
// What it then opens with must be what the memory has after some crash of its own.
TEST(StorageTest, WhatACrashLeavesOnRocksIsWhatACrashCanLeaveInMemory) {
  std::mt19937_64 random(SeedOfRun());
  const TempFolder folder;
  std::vector<StorageBatch> batches;  // that are in the store, whatever crashed
  OpenRocks(folder / "db0", RocksMode::kCreate);
  size_t lost = 0;
  for (int life = 0; life < 12; ++life) {
    const std::string path = folder / ("db" + std::to_string(life));
    auto rocks = OpenRocks(path, RocksMode::kWrite);
    size_t synced = batches.size();
    uintmax_t synced_bytes = std::filesystem::file_size(NewestWriteAheadLog(path));
    for (size_t writes = random() % 12; writes > 0; --writes) {
      batches.push_back(RandomBatch(random));
      const bool sync = random() % 4 == 0;
      ASSERT_TRUE(rocks
                      ->Write(batches.back(),
                              sync ? Storage::Durability::kSynced : Storage::Durability::kUnsynced)
                      .ok());
      if (!sync) continue;
      synced = batches.size();
      synced_bytes = std::filesystem::file_size(NewestWriteAheadLog(path));
    }
    const std::string next = folder / ("db" + std::to_string(life + 1));
    // RocksDB writes and deletes files behind: what changed while it was copied is no moment of the
    // folder, and its list of files may name one that is not in the copy. Then again.
    std::error_code vanished;
    std::map<std::string, uintmax_t> before;
    do {
      std::filesystem::remove_all(next);
      before = FilesIn(path);
      std::filesystem::copy(path, next, std::filesystem::copy_options::recursive, vanished);
    } while (vanished || FilesIn(path) != before);
    rocks.reset();
    const auto log = NewestWriteAheadLog(next);
    const uintmax_t unsynced_bytes = std::filesystem::file_size(log) - synced_bytes;
    std::filesystem::resize_file(log, synced_bytes + random() % (unsynced_bytes + 1));
    rocks = OpenRocks(next, RocksMode::kWrite);

    const std::string left = Dump(*rocks);
    size_t kept = batches.size() - synced;
    while (DumpAfterCrash(batches, synced, kept) != left) {
      ASSERT_GT(kept, 0u) << "life " << life << ": no crash of the memory leaves that";
      --kept;
    }
    lost += batches.size() - synced - kept;
    batches.resize(synced + kept);
  }
  EXPECT_GT(lost, 0u) << "no crash ever took anything";
}

TEST(StorageTest, AStoreThatIsNotThereIsNotMade) {
  const TempFolder folder;
  for (const RocksMode mode : {RocksMode::kReadOnly, RocksMode::kWrite}) {
    const auto storage =
        RocksStorage::Open({.path = folder / "db", .tables = Tables(), .mode = mode});
    EXPECT_EQ(storage.status().code(), absl::StatusCode::kNotFound);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "db"));
}

TEST(StorageTest, ASecondOpeningForWritingIsRefusedAndSaysWhatToDo) {
  const TempFolder folder;
  const auto first = OpenRocks(folder / "db", RocksMode::kCreate);
  const auto second =
      RocksStorage::Open({.path = folder / "db", .tables = Tables(), .mode = RocksMode::kWrite});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), testing::HasSubstr("stop the other process"));
}

TEST(StorageTest, OpeningReadOnlyChangesNoFile) {
  const TempFolder folder;
  {
    const auto rocks = OpenRocks(folder / "db", RocksMode::kCreate);
    StorageBatch batch;
    batch.Put(Table{0}, "k", "v");
    ASSERT_TRUE(rocks->Write(batch, Storage::Durability::kSynced).ok());
  }
  const auto list = [&folder] {
    std::vector<std::pair<std::string, uintmax_t>> files;
    for (const auto& file : std::filesystem::directory_iterator(folder / "db")) {
      files.emplace_back(file.path().filename(), file.file_size());
    }
    std::sort(files.begin(), files.end());
    return files;
  };
  const auto before = list();
  {
    const auto rocks = OpenRocks(folder / "db", RocksMode::kReadOnly);
    EXPECT_EQ(**rocks->Get(Table{0}, "k"), "v");
  }
  EXPECT_EQ(list(), before);
}

// As a table of a view: hashed by the first bytes in memory.
RocksStorageOptions HashedOptions(const std::string& path) {
  return {.path = path,
          .tables = {{.name = "rows", .prefix_bytes = 2, .hashed_in_memory = true}},
          .mode = RocksMode::kCreate};
}

std::vector<std::string> KeysFrom(const Storage& storage, absl::string_view key) {
  std::vector<std::string> keys;
  const auto cursor = storage.NewCursor(Table{0});
  for (cursor->Seek(key); cursor->Valid(); cursor->Next()) keys.emplace_back(cursor->key());
  EXPECT_TRUE(cursor->status().ok());
  return keys;
}

TEST(StorageTest, AHashedTableIsWalkedInOrderWithinAPrefixAndAsAWhole) {
  const TempFolder folder;
  auto rocks = *RocksStorage::Open(HashedOptions(folder / "db"));
  StorageBatch batch;
  for (const char* key : {"bb2", "aa3", "bb1", "aa1", "cc", "aa2"}) batch.Put(Table{0}, key, key);
  // In memory, in a table file, after a clean close.
  for (int round = 0; round < 3; ++round) {
    if (round == 0) {
      ASSERT_TRUE(rocks->Write(batch, Storage::Durability::kUnsynced).ok());
    }
    if (round == 1) {
      ASSERT_TRUE(rocks->Flush().ok());
    }
    if (round == 2) {
      rocks.reset();
      rocks = *RocksStorage::Open(HashedOptions(folder / "db"));
    }
    EXPECT_THAT(KeysFrom(*rocks, "aa"), testing::ElementsAre("aa1", "aa2", "aa3"));
    EXPECT_THAT(KeysFrom(*rocks, "bb2"), testing::ElementsAre("bb2"));
    EXPECT_THAT(KeysFrom(*rocks, "ab"), testing::IsEmpty());
    EXPECT_THAT(KeysFrom(*rocks, ""),
                testing::ElementsAre("aa1", "aa2", "aa3", "bb1", "bb2", "cc"));
    EXPECT_EQ(*rocks->Get(Table{0}, "cc"), "cc");
    EXPECT_EQ((*rocks->LastWithPrefix(Table{0}, "aa"))->key, "aa3");
  }
}

TEST(StorageTest, ACursorOfAHashedTableShowsItAsItWasMade) {
  const TempFolder folder;
  const auto rocks = *RocksStorage::Open(HashedOptions(folder / "db"));
  StorageBatch first;
  first.Put(Table{0}, "aa1", "");
  ASSERT_TRUE(rocks->Write(first, Storage::Durability::kSynced).ok());
  const auto cursor = rocks->NewCursor(Table{0});
  StorageBatch second;
  second.Put(Table{0}, "aa0", "");
  second.Delete(Table{0}, "aa1");
  ASSERT_TRUE(rocks->Write(second, Storage::Durability::kUnsynced).ok());
  cursor->Seek("aa");
  ASSERT_TRUE(cursor->Valid());
  EXPECT_EQ(cursor->key(), "aa1");
  cursor->Next();
  EXPECT_FALSE(cursor->Valid());
}

}  // namespace
}  // namespace records::eventstore
