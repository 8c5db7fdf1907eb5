#include "eventstore/backup.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/anchor.h"
#include "eventstore/event_log.h"
#include "eventstore/key_store_open.h"
#include "eventstore/key_store_rows.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "tests/eventstore/backup_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_support::BackupFixture;
using testing_support::EntriesOf;
using testing_support::ReadFile;

// A disk that refuses to rename what ends so, and to names that end so, until told otherwise.
class NoRenameEnv : public rocksdb::EnvWrapper {
 public:
  NoRenameEnv() : EnvWrapper(Env::Default()) {}

  rocksdb::Status RenameFile(const std::string& from, const std::string& to) override {
    if (EndsWithAny(from, from_) || EndsWithAny(to, to_)) {
      return rocksdb::Status::IOError("no rename");
    }
    return EnvWrapper::RenameFile(from, to);
  }
  void Refuse(std::vector<std::string> from, std::vector<std::string> to) {
    from_ = std::move(from);
    to_ = std::move(to);
  }

 private:
  static bool EndsWithAny(const std::string& path, const std::vector<std::string>& ends) {
    return std::any_of(ends.begin(), ends.end(),
                       [&](const std::string& end) { return absl::EndsWith(path, end); });
  }

  std::vector<std::string> from_;
  std::vector<std::string> to_;
};

class BackupTest : public BackupFixture {
 protected:
  ~BackupTest() override { Stop(); }

  bool IsWhole(const std::string& name) {
    const auto listed = backups_->List();
    return listed.ok() && listed->size() == 1 && (*listed)[0].name == name && (*listed)[0].log &&
           (*listed)[0].keys;
  }

  NoRenameEnv env_;
};

TEST_F(BackupTest, ABackupHoldsWhatWasAppendedBeforeAndSaysSo) {
  Serve();
  for (uint32_t i = 0; i < 40; ++i) AppendEvent(i);
  const auto made = Create("first");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->log.manifest.events, 40u);
  EXPECT_EQ(made->log.manifest.part, BackupPart::kLog);
  EXPECT_EQ(made->keys.manifest.part, BackupPart::kKeys);
  EXPECT_EQ(made->log.manifest.log, log_->store_id());
  EXPECT_EQ(made->keys.manifest.key_store_sequence, keys_->Sequence());
  EXPECT_EQ(made->log.folder, log_home() + "/first");
  // What an operator keeps is the hash of the file that lies there.
  EXPECT_EQ(made->log.manifest_sha256, Sha256(ReadFile(made->log.folder + "/backup.manifest")));
  EXPECT_EQ(made->keys.manifest_sha256, Sha256(ReadFile(made->keys.folder + "/backup.manifest")));
}

TEST_F(BackupTest, TheListOfFilesIsThatOfSha256sumAndCoversEachFile) {
  Serve();
  AppendEvent(1);
  const auto made = *Create("first");
  for (const MadeBackup* half : {&made.log, &made.keys}) {
    const auto files = *DecodeBackupFiles(ReadFile(half->folder + "/backup.files"));
    EXPECT_EQ(files.size(), half->manifest.files);
    size_t found = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(half->folder)) {
      found += entry.is_regular_file() ? 1 : 0;
    }
    EXPECT_EQ(found, files.size() + 2);  // the list and the manifest
    for (const BackupFile& file : files) {
      EXPECT_EQ(Sha256(ReadFile(half->folder + "/" + file.name)), file.sha256) << file.name;
    }
  }
}

TEST_F(BackupTest, NeitherMasterKeyNorSigningKeyNorStagingIsLeftInTheOpen) {
  Serve();
  AppendEvent(1);
  ASSERT_TRUE(Create("first").ok());
  const std::string seed = ReadFile(data() + "/checkpoint.key");
  const std::string master = ReadFile(master_key_file());
  const std::string master_line = master.substr(master.find("key: "));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(backups())) {
    if (!entry.is_regular_file()) continue;
    const std::string bytes = ReadFile(entry.path());
    EXPECT_FALSE(absl::StrContains(bytes, seed)) << entry.path();
    EXPECT_FALSE(absl::StrContains(bytes, master_line)) << entry.path();
  }
  EXPECT_FALSE(std::filesystem::exists(data() + "/backup.staging"));
}

TEST_F(BackupTest, ABackupUnderLoadStandsAtOnePositionAndHoldsItsKeys) {
  Serve();
  std::atomic<bool> stop = false;
  std::atomic<uint32_t> acknowledged = 0;
  std::thread writer([&] {
    for (uint32_t i = 0; !stop; ++i) {
      AppendEvent(i);
      ++acknowledged;
    }
  });
  while (acknowledged < 50) std::this_thread::yield();
  const uint32_t before = acknowledged;
  const auto made = Create("busy");
  const uint32_t after = acknowledged;
  stop = true;
  writer.join();
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_GE(made->log.manifest.events, before);
  EXPECT_LE(made->log.manifest.events, after + 1);
  const auto anchor =
      DecodeLogAnchor(Anchor::Read(PosixAnchorFiles(), made->log.folder + "/log.anchor")->payload);
  uint64_t events = 0;
  for (size_t i = 0; i < anchor->trees.size() / 2; ++i) events += anchor->trees[i].size;
  EXPECT_EQ(events, made->log.manifest.events);
  // What lies there, not what the manifest says of it.
  const auto keys = DecodeKeyStoreAnchor(
      Anchor::Read(PosixAnchorFiles(), made->keys.folder + "/keys.anchor")->payload);
  EXPECT_LE(anchor->key_store_sequence, keys->sequence);
  EXPECT_EQ(made->keys.manifest.key_store_sequence, keys->sequence);
}

TEST_F(BackupTest, KeysMadeWhileTheLogIsCopiedAreInTheBackup) {
  Serve();
  AppendEvent(1);
  // Between the copy of the log and that of the keys nothing of the log's keys can be missing: an
  // event is appended only when its key is durable.
  const auto made = *Create("first");
  const auto log =
      DecodeLogAnchor(Anchor::Read(PosixAnchorFiles(), made.log.folder + "/log.anchor")->payload);
  EXPECT_GE(made.keys.manifest.key_store_sequence, log->key_store_sequence);
  EXPECT_EQ(made.log.manifest.key_store_sequence, log->key_store_sequence);
}

TEST_F(BackupTest, TheBackupsAreListedByName) {
  Serve();
  AppendEvent(1);
  ASSERT_TRUE(Create("b").ok());
  ASSERT_TRUE(Create("a").ok());
  const auto listed = *backups_->List();
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].name, "a");
  EXPECT_TRUE(listed[0].log.has_value());
  EXPECT_TRUE(listed[0].keys.has_value());
  std::filesystem::remove_all(keys_home() + "/b");
  EXPECT_FALSE((*backups_->List())[1].keys.has_value());
}

TEST_F(BackupTest, ANameIsUsedOnce) {
  Serve();
  ASSERT_TRUE(Create("first").ok());
  EXPECT_EQ(Create("first").status().code(), absl::StatusCode::kAlreadyExists);
  std::filesystem::remove_all(log_home() + "/first");
  EXPECT_EQ(Create("first").status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(BackupTest, NamesThatLeadElsewhereAreRefused) {
  Serve();
  for (const std::string name : {"", "..", "a/b", "A", "-a", ".a", "a b"}) {
    EXPECT_EQ(Create(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(Create(std::string(65, 'a')).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Create(std::string(64, 'a')).ok());
}

TEST_F(BackupTest, WithoutFoldersTheRefusalSaysWhatToDo) {
  Serve(std::nullopt);
  const auto made = Create("first");
  EXPECT_EQ(made.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(made.status().message(), HasSubstr("--backup-log-folder"));
}

TEST_F(BackupTest, AFolderThatIsNotMountedIsNamed) {
  Serve();
  std::filesystem::remove_all(keys_home());
  const auto made = Create("first");
  EXPECT_EQ(made.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(made.status().message(), HasSubstr(keys_home()));
}

TEST_F(BackupTest, OneThatIsStoppedLeavesNothing) {
  Serve();
  for (uint32_t i = 0; i < 20; ++i) AppendEvent(i);
  for (int calls = 0; calls < 12; ++calls) {
    int left = calls;
    const auto made =
        backups_->Create("first", [&left](const BackupProgress&) { return left-- > 0; });
    ASSERT_EQ(made.status().code(), absl::StatusCode::kCancelled) << calls;
    EXPECT_THAT(EntriesOf(log_home()), IsEmpty());
    EXPECT_THAT(EntriesOf(keys_home()), IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(data() + "/backup.staging"));
  }
  EXPECT_TRUE(Create("first").ok());
}

// Its rows would be wrapped with a master key that is gone: it would never open.
TEST_F(BackupTest, OneThatARotationOvertookIsGivenUp) {
  Serve();
  for (uint32_t i = 0; i < 20; ++i) AppendEvent(i);
  bool rotated = false;
  const auto made = backups_->Create("first", [&](const BackupProgress&) {
    if (!std::exchange(rotated, true)) {
      EXPECT_TRUE(keys_->RotateMasterKey().ok());
    }
    return true;
  });
  EXPECT_EQ(made.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(made.status().message(), HasSubstr("master key"));
  EXPECT_THAT(EntriesOf(log_home()), IsEmpty());
  EXPECT_THAT(EntriesOf(keys_home()), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(data() + "/backup.staging"));
  const auto again = Create("first");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->keys.manifest.master_key_generation, 2u);
}

TEST_F(BackupTest, OneIsMadeAtATime) {
  Serve();
  AppendEvent(1);
  absl::Status second;
  const auto made = backups_->Create("first", [&](const BackupProgress&) {
    second = Create("second").status();
    return true;
  });
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(second.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(EntriesOf(log_home()), ElementsAre("first"));
}

TEST_F(BackupTest, WhatACrashLeftIsRemovedAtTheStart) {
  for (const std::string& folder :
       {data() + "/backup.staging/keys/keys", log_home() + "/.old.unfinished/log",
        keys_home() + "/.old.unfinished"}) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/000001.sst") << "half of a file";
  }
  std::filesystem::create_directories(log_home() + "/.snapshot");
  Serve();
  EXPECT_THAT(EntriesOf(log_home()), ElementsAre(".snapshot"));
  EXPECT_THAT(EntriesOf(keys_home()), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(data() + "/backup.staging"));
}

// Both halves are whole when the first gets its name.
TEST_F(BackupTest, OneThatACrashCutBetweenItsTwoNamesIsFinishedAtTheStart) {
  Serve();
  for (uint32_t i = 0; i < 20; ++i) AppendEvent(i);
  ASSERT_TRUE(Create("first").ok());
  for (const std::string& home : {log_home(), keys_home()}) {
    std::filesystem::rename(home + "/first", home + "/.first.unfinished");
    Serve();
    EXPECT_THAT(EntriesOf(log_home()), ElementsAre("first"));
    EXPECT_THAT(EntriesOf(keys_home()), ElementsAre("first"));
    EXPECT_TRUE(IsWhole("first"));
  }
}

TEST_F(BackupTest, AHalfThatIsNotOfTheOtherIsNotGivenItsName) {
  Serve();
  AppendEvent(1);
  ASSERT_TRUE(Create("first").ok());
  ASSERT_TRUE(Create("second").ok());
  std::filesystem::rename(keys_home() + "/second", keys_home() + "/.first.unfinished");
  std::filesystem::remove_all(keys_home() + "/first");
  Serve();
  EXPECT_THAT(EntriesOf(keys_home()), IsEmpty());
  EXPECT_THAT(EntriesOf(log_home()), ElementsAre("first", "second"));
}

TEST_F(BackupTest, OneWhoseSecondHalfCannotBeNamedLeavesNothing) {
  backup_env_ = &env_;
  Serve();
  AppendEvent(1);
  env_.Refuse({}, {"log/first"});
  EXPECT_EQ(Create("first").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(EntriesOf(log_home()), IsEmpty());
  EXPECT_THAT(EntriesOf(keys_home()), IsEmpty());
  env_.Refuse({}, {});
  ASSERT_TRUE(Create("first").ok());
  EXPECT_TRUE(IsWhole("first"));
}

TEST_F(BackupTest, WhatCannotBeSettledAfterAFailureIsSaidAndSettledAtTheNextStart) {
  backup_env_ = &env_;
  Serve();
  AppendEvent(1);
  // The keys have their name and keep it, the log gets none.
  env_.Refuse({"keys/first"}, {"log/first"});
  const auto made = Create("first");
  EXPECT_EQ(made.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(made.status().message(), HasSubstr("what it left"));
  EXPECT_THAT(EntriesOf(log_home()), ElementsAre(".first.unfinished"));
  env_.Refuse({}, {});
  Serve();
  EXPECT_TRUE(IsWhole("first"));
  EXPECT_THAT(EntriesOf(log_home()), ElementsAre("first"));
}

TEST(BackupManifestTest, WhatIsWrittenIsReadAgain) {
  BackupManifest manifest{.part = BackupPart::kKeys,
                          .name = "nightly-1",
                          .created_at = absl::FromUnixSeconds(1'795'330'000),
                          .log = *StoreId::FromHex("00112233445566778899aabbccddeeff"),
                          .events = 12,
                          .access = 3,
                          .key_store_sequence = 44,
                          .master_key_generation = 2,
                          .erasure_ledger = {.size = 5},
                          .files = 9,
                          .bytes = 1234};
  manifest.head.fill(0xAB);
  manifest.erasure_ledger.hash.fill(0xCD);
  manifest.files_sha256.fill(0xEF);
  const std::string text = EncodeBackupManifest(manifest);
  EXPECT_EQ(*DecodeBackupManifest(text), manifest);
  // FORMAT.md shows this text.
  EXPECT_THAT(text, HasSubstr("records backup manifest, version 1\nof: keys\nname: nightly-1\n"
                              "created: 2026-11-22T06:46:40Z\n"));
  EXPECT_EQ(
      DecodeBackupManifest(absl::StrCat("records backup manifest, version 2\n")).status().code(),
      absl::StatusCode::kFailedPrecondition);
  for (size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_FALSE(DecodeBackupManifest(text.substr(0, cut)).ok()) << cut;
  }
  EXPECT_FALSE(DecodeBackupManifest(text + "more: 1\n").ok());
}

TEST(BackupManifestTest, AListThatLeadsOutOfTheFolderIsRefused) {
  const std::string hash(64, 'a');
  EXPECT_TRUE(DecodeBackupFiles(hash + "  log/000001.sst\n").ok());
  for (const std::string name : {"../x", "/etc/x", "log/../x", "a/b/c", "", "log//x", "a b"}) {
    EXPECT_FALSE(DecodeBackupFiles(absl::StrCat(hash, "  ", name, "\n")).ok()) << name;
  }
}

}  // namespace
}  // namespace records::eventstore
