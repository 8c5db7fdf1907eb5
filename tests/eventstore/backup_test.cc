#include "eventstore/backup.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
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
#include "tests/eventstore/backup_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_support::BackupFixture;
using testing_support::EntriesOf;
using testing_support::ReadFile;

class BackupTest : public BackupFixture {};

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
