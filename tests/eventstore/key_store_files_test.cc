#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "eventstore/key_store_open.h"
#include "eventstore/key_store_rows.h"
#include "eventstore/rocks_storage.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/eventstore/temp_folder.h"

namespace records::eventstore {
namespace {

using ::testing::HasSubstr;

// Keeps what it gave, so that a test can look for it in files.
class RememberingRandom final : public Random {
 public:
  absl::Status Fill(absl::Span<uint8_t> bytes) override {
    const absl::Status status = random_.Fill(bytes);
    if (bytes.size() == 32) given_.emplace_back(bytes.begin(), bytes.end());
    return status;
  }
  const std::vector<std::string>& given() const { return given_; }

 private:
  SeededRandom random_{5};
  std::vector<std::string> given_;
};

class KeyStoreFilesTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<KeyStore>> Open() { return OpenIn(folder_.path()); }

  absl::StatusOr<std::unique_ptr<KeyStore>> OpenIn(const std::string& folder) {
    KeyStoreOptions options;
    options.data_dir = folder;
    options.master_key_file = master_key_file_;
    options.random = &random_;
    options.rows_counted_at_start_max = rows_counted_at_start_max_;
    options.on_fatal = [this](const absl::Status& status) {
      fatal_ = status;
      told_fatal_.Notify();
    };
    return OpenKeyStore(options);
  }

  static std::string Read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    return bytes.str();
  }

  // All bytes of all files of the folder.
  static std::string AllBytes(const std::string& folder) {
    std::string bytes;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) bytes += Read(entry.path());
    }
    return bytes;
  }

  RocksStorageOptions DatabaseOptions(RocksMode mode) const {
    RocksStorageOptions options;
    options.path = folder_ / kKeyStoreFolder;
    for (size_t i = 0; i < kKeyStoreTables; ++i) {
      options.tables.push_back({.name = std::string(KeyStoreTableName(Table{i}))});
    }
    options.mode = mode;
    return options;
  }

  std::vector<std::string> ValuesOf(Table table) {
    const auto storage = *RocksStorage::Open(DatabaseOptions(RocksMode::kReadOnly));
    std::vector<std::string> values;
    const auto cursor = storage->NewCursor(table);
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
      values.emplace_back(cursor->value());
    }
    return values;
  }

  void DeleteAKey() {
    const auto storage = *RocksStorage::Open(DatabaseOptions(RocksMode::kWrite));
    const auto cursor = storage->NewCursor(kKeysTable);
    cursor->Seek("");
    StorageBatch batch;
    batch.Delete(kKeysTable, std::string(cursor->key()));
    ASSERT_TRUE(storage->Write(batch, Storage::Durability::kSynced).ok());
  }

  KeyPurpose NewPurpose() { return {*SubjectId::Generate(random_), 1, {}}; }

  testing_support::TempFolder folder_;
  std::string master_key_file_;  // empty: in the folder
  RememberingRandom random_;
  uint64_t rows_counted_at_start_max_ = kRowsCountedAtStartMax;
  absl::Status fatal_;  // before told_fatal_
  absl::Notification told_fatal_;
};

// DP-I1: nothing that says who or what is in the clear at rest.
TEST_F(KeyStoreFilesTest, NeitherKeysNorNamesAreInAnyFile) {
  std::vector<std::string> secrets;
  {
    const auto store = *Open();
    for (int i = 0; i < 50; ++i) {
      const KeyPurpose purpose = NewPurpose();
      const LeasedKey key = *store->GetOrCreateKey(purpose);
      secrets.emplace_back(purpose.subject.bytes());
      secrets.emplace_back(key.id.bytes());
      const std::string reference = absl::StrCat("CaNaRy-", i);
      const DirectoryEntry entry = *store->Claim("north", "customer", reference);
      secrets.emplace_back(entry.subject.bytes());
      secrets.emplace_back(entry.root.bytes());
      ASSERT_TRUE(store->Fence(entry.subject).ok());
    }
    secrets.emplace_back("CaNaRy");
    secrets.emplace_back("north");
    secrets.emplace_back("customer");
    secrets.insert(secrets.end(), random_.given().begin(), random_.given().end());
    ASSERT_GT(random_.given().size(), 50u);
    const std::string live = AllBytes(folder_.path());
    for (const std::string& secret : secrets) EXPECT_FALSE(absl::StrContains(live, secret));
  }
  const std::string closed = AllBytes(folder_.path());
  for (const std::string& secret : secrets) EXPECT_FALSE(absl::StrContains(closed, secret));
  // The test can see: the store's rows are there.
  EXPECT_TRUE(absl::StrContains(closed, ValuesOf(kKeysTable).front()));
}

TEST_F(KeyStoreFilesTest, LastsOverARestart) {
  const KeyPurpose purpose = NewPurpose();
  const KeyId id = (*Open())->GetOrCreateKey(purpose)->id;
  const auto store = *Open();
  EXPECT_EQ((*store->FindKey(purpose))->id, id);
}

TEST_F(KeyStoreFilesTest, TheMasterKeyIsForItsOwnerOnly) {
  ASSERT_TRUE(Open().ok());
  const std::string path = folder_ / kMasterKeyFile;
  struct stat about;
  ASSERT_EQ(stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  for (const mode_t mode : {0640u, 0604u, 0660u, 0644u}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    const absl::Status status = Open().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("chmod 600 ", path)));
  }
  ASSERT_EQ(chmod(path.c_str(), 0400), 0);
  EXPECT_TRUE(Open().ok());
}

TEST_F(KeyStoreFilesTest, AMissingMasterKeyIsRefusedAndNotMadeAnew) {
  const KeyPurpose purpose = NewPurpose();
  ASSERT_TRUE((*Open())->GetOrCreateKey(purpose).ok());
  const std::string path = folder_ / kMasterKeyFile;
  std::filesystem::rename(path, path + ".away");
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(std::filesystem::exists(path));
  std::filesystem::rename(path + ".away", path);
  EXPECT_TRUE((*Open())->FindKey(purpose)->has_value());
}

TEST_F(KeyStoreFilesTest, TheMasterKeyMayLieOutsideTheDataFolder) {
  const testing_support::TempFolder other_disk;
  master_key_file_ = other_disk / "key of the north";
  const KeyPurpose purpose = NewPurpose();
  KeyId id;
  {
    const auto store = Open();
    ASSERT_TRUE(store.ok()) << store.status();
    id = (*store)->GetOrCreateKey(purpose)->id;
    ASSERT_TRUE((*store)->RotateMasterKey().ok());
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / kMasterKeyFile));
  EXPECT_EQ((*(*Open())->FindKey(purpose))->id, id);
  // Without the option it is looked for in the folder: refused, and none is made.
  const std::string path = std::exchange(master_key_file_, "");
  EXPECT_THAT(std::string(Open().status().message()), HasSubstr(folder_ / kMasterKeyFile));
  EXPECT_FALSE(std::filesystem::exists(folder_ / kMasterKeyFile));
  master_key_file_ = path;
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_THAT(std::string(Open().status().message()), HasSubstr("chmod 600 " + path));
  std::filesystem::remove(path);
  const absl::Status missing = Open().status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(missing.message()), HasSubstr(path));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(KeyStoreFilesTest, ADamagedMasterKeyIsRefused) {
  ASSERT_TRUE(Open().ok());
  const std::string path = folder_ / kMasterKeyFile;
  const std::string text = Read(path);
  for (const std::string& bad :
       {std::string(), text.substr(0, text.size() - 1), text + "x", std::string("rubbish\n"),
        std::string(text).replace(text.find("key: ") + 5, 1, "*")}) {
    std::ofstream(path, std::ios::binary) << bad;
    EXPECT_EQ(Open().status().code(), absl::StatusCode::kDataLoss) << bad.size();
  }
  std::ofstream(path, std::ios::binary) << "records master key, version 2\n";
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kFailedPrecondition);
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_TRUE(Open().ok());
}

TEST_F(KeyStoreFilesTest, ADatabaseThatWasRolledBackIsRefusedAndNotTouched) {
  ASSERT_TRUE((*Open())->GetOrCreateKey(NewPurpose()).ok());
  const std::string database = folder_ / kKeyStoreFolder;
  std::filesystem::copy(database, database + ".old", std::filesystem::copy_options::recursive);
  ASSERT_TRUE((*Open())->GetOrCreateKey(NewPurpose()).ok());
  std::filesystem::rename(database, database + ".new");
  std::filesystem::rename(database + ".old", database);
  const std::string before = AllBytes(database);
  const absl::Status status = Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("anchor"));
  EXPECT_EQ(AllBytes(database).size(), before.size());
  std::filesystem::remove_all(database);
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(database));
  std::filesystem::rename(database + ".new", database);
  EXPECT_EQ((*Open())->GetStatus().keys, 2u);
}

TEST_F(KeyStoreFilesTest, AKeyThatWasDeletedBehindOurBackStopsTheStart) {
  ASSERT_TRUE((*Open())->GetOrCreateKeys({NewPurpose(), NewPurpose()}).ok());
  DeleteAKey();
  const absl::Status status = Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("1 missing"));
}

TEST_F(KeyStoreFilesTest, OfALongStoreItIsFoundWhileItServesAndTheProcessIsToldToEnd) {
  ASSERT_TRUE((*Open())->GetOrCreateKeys({NewPurpose(), NewPurpose()}).ok());
  DeleteAKey();
  rows_counted_at_start_max_ = 1;
  const auto store = Open();
  ASSERT_TRUE(store.ok()) << store.status();
  told_fatal_.WaitForNotification();
  EXPECT_EQ(fatal_.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(fatal_.message()), HasSubstr("1 missing"));
  EXPECT_THAT(std::string(fatal_.message()), HasSubstr("Restore " + folder_.path()));
  EXPECT_EQ((*store)->GetOrCreateKey(NewPurpose()).status().code(), absl::StatusCode::kDataLoss);
}

// Opening it for writing would delete the file, and with it what a damaged manifest forgot.
TEST_F(KeyStoreFilesTest, WithATableFileThatTheDatabaseDoesNotKnowALongStoreIsCountedFirst) {
  ASSERT_TRUE((*Open())->GetOrCreateKeys({NewPurpose(), NewPurpose()}).ok());
  DeleteAKey();
  const std::string unknown = folder_ / "keys/999999.sst";
  std::ofstream(unknown) << "forgotten";
  rows_counted_at_start_max_ = 1;
  const absl::Status status = Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("1 missing"));
  EXPECT_TRUE(std::filesystem::exists(unknown));
}

TEST_F(KeyStoreFilesTest, ASecondProcessIsRefused) {
  const auto store = Open();
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(KeyStoreFilesTest, OldWrapsAreInNoFileAfterARotation) {
  const KeyPurpose purpose = NewPurpose();
  {
    const auto store = *Open();
    ASSERT_TRUE(store->GetOrCreateKey(purpose).ok());
    ASSERT_TRUE(store->Claim("north", "customer", "C-1").ok());
    ASSERT_TRUE(store->Fence(*SubjectId::Generate(random_)).ok());
  }
  std::vector<std::string> old_wraps;
  for (const Table table : {kKeysTable, kDirectoryTable, kFencesTable}) {
    for (const std::string& value : ValuesOf(table)) old_wraps.push_back(value);
  }
  ASSERT_EQ(old_wraps.size(), 4u);
  std::string key_text = Read(folder_ / kMasterKeyFile);
  key_text = key_text.substr(key_text.find("key: ") + 5, 40);
  const auto store = *Open();
  EXPECT_EQ(*store->RotateMasterKey(), 1u);
  const std::string bytes = AllBytes(folder_.path());
  for (const std::string& wrap : old_wraps) {
    EXPECT_FALSE(absl::StrContains(bytes, wrap.substr(4)));
  }
  EXPECT_FALSE(absl::StrContains(bytes, key_text));
  EXPECT_TRUE(store->FindKey(purpose)->has_value());
}

TEST_F(KeyStoreFilesTest, ACopyIsConsistentAndOpensWithTheMasterKey) {
  const KeyPurpose purpose = NewPurpose();
  const std::string backup = folder_ / "backup";
  KeyId id;
  {
    const auto store = *Open();
    id = store->GetOrCreateKey(purpose)->id;
    std::filesystem::create_directory(backup);
    const auto copy = store->CopyTo(backup);
    ASSERT_TRUE(copy.ok()) << copy.status();
    EXPECT_EQ(copy->sequence, store->Sequence());
    EXPECT_EQ(copy->master_key_generation, 1u);
    ASSERT_TRUE(store->GetOrCreateKey(NewPurpose()).ok());
    EXPECT_FALSE(store->CopyTo(backup).ok());
  }
  EXPECT_FALSE(std::filesystem::exists(backup + "/" + kMasterKeyFile));
  EXPECT_EQ(OpenIn(backup).status().code(), absl::StatusCode::kFailedPrecondition);
  std::filesystem::copy(folder_ / kMasterKeyFile, backup);
  const auto restored = OpenIn(backup);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ((*(*restored)->FindKey(purpose))->id, id);
  EXPECT_EQ((*restored)->GetStatus().keys, 1u);
}

// The bytes of the master key file are stored: this text must open for ever.
TEST(MasterKeysTest, TheTextOfTheFileIsFixed) {
  const std::string text =
      "records master key, version 1\n"
      "generation: 7\ncreated: 2026-11-22T08:00:00Z\n"
      "key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
      "generation: 8\ncreated: 2026-12-22T08:00:00Z\n"
      "key: AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
  const auto keys = DecodeMasterKeys(text);
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(keys->size(), 2u);
  EXPECT_EQ(keys->front().generation, 7u);
  EXPECT_EQ(keys->front().key.view()[31], 31);
  const SecretBytes encoded = EncodeMasterKeys(*keys);
  EXPECT_EQ(std::string(encoded.view()), text);
}

}  // namespace
}  // namespace records::eventstore
