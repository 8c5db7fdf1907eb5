#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "eventstore/anchor.h"
#include "eventstore/random.h"
#include "tests/tools/verify/store_fixture.h"

// What the offline verifier finds when files were changed, removed or put back.
namespace records::tools::verify {
namespace {

using ::testing::HasSubstr;
using VerifyFilesTest = StoreTest;

namespace es = records::eventstore;
namespace support = records::eventstore::testing_support;

std::vector<std::string> FilesWith(const std::string& folder, const std::string& ending) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (absl::EndsWith(entry.path().string(), ending) && entry.file_size() > 0) {
      files.push_back(entry.path());
    }
  }
  return files;
}

void FlipByte(const std::string& path, size_t place) {
  std::string content = ReadWhole(path);
  content[place] ^= 0x10;
  WriteWhole(path, content);
}

// Opens the log and ends it as a kill would: what is in the write-ahead log stays there. Returns
// the copy of the folder taken while it was open.
void CopyWhileOpen(const std::string& data, const std::string& copy) {
  es::ManualClock clock(support::TestStart() + absl::Hours(1));
  es::SeededRandom random(8);
  auto log = es::OpenLog({.data_dir = data, .clock = &clock, .random = &random});
  ASSERT_TRUE(log.ok()) << log.status();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE((*log)->AppendAndWait(support::AppendTo(support::Stream(support::RootIn(0)))).ok());
  }
  std::filesystem::copy(data, copy, std::filesystem::copy_options::recursive);
}

class CrashedStoreTest : public StoreTest {
 protected:
  CrashedStoreTest() {
    CopyWhileOpen(Data(), folder_ / "crashed");
    options_.data_dir = folder_ / "crashed";
  }
  std::string WriteAheadLog() {
    const std::vector<std::string> files = FilesWith(options_.data_dir + "/log", ".log");
    EXPECT_EQ(files.size(), 1u);
    return files.empty() ? "" : files.front();
  }
};

TEST_F(CrashedStoreTest, CrashedStoreIsClean) {
  const Report report = MustRun();
  EXPECT_TRUE(report.is_clean()) << RenderText(report);
  EXPECT_EQ(report.CountOf(Ledger::kEvents), kFullEvents + 22);
}

TEST_F(VerifyFilesTest, StoreThatAServerHasOpenIsCleanAndTheReportSaysSo) {
  auto log = es::OpenLog({.data_dir = Data()});
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_TRUE((*log)->AppendAndWait(support::AppendTo(support::Stream(support::RootIn(0)))).ok());
  const Report report = MustRun();
  EXPECT_TRUE(report.is_clean()) << RenderText(report);
  EXPECT_TRUE(report.is_live);
  EXPECT_EQ(report.CountOf(Ledger::kEvents), kFullEvents + 3);
}

TEST_F(VerifyFilesTest, StoreThatIsWrittenMeanwhileIsNeverTakenForDamaged) {
  auto log = es::OpenLog({.data_dir = Data()});
  ASSERT_TRUE(log.ok()) << log.status();
  std::atomic<bool> stop = false;
  // Large events, so that files come and go while they are read.
  std::thread writer([&log, &stop] {
    const es::StreamName stream = support::Stream(support::RootIn(0));
    constexpr int kEventsMax = 200;
    for (int i = 0; i < kEventsMax && !stop; ++i) {
      const auto appended =
          (*log)->AppendAndWait(support::AppendTo(stream, {.facts = std::string(400'000, 'f')}));
      EXPECT_TRUE(appended.ok()) << appended.status();
    }
  });
  uint64_t events = 0;
  const absl::Time deadline = absl::Now() + absl::Seconds(120);
  for (int i = 0; i < 6 || (events <= kFullEvents + 3 && absl::Now() < deadline); ++i) {
    const Report report = MustRun();
    EXPECT_TRUE(report.is_clean()) << RenderText(report);
    EXPECT_GE(report.CountOf(Ledger::kEvents), events);
    events = report.CountOf(Ledger::kEvents);
  }
  stop = true;
  writer.join();
  EXPECT_GT(events, kFullEvents + 3);
}

TEST_F(VerifyFilesTest, MissingFolderCouldNotBeVerified) {
  options_.data_dir = folder_ / "nothing";
  EXPECT_EQ(Run().status().code(), absl::StatusCode::kNotFound);
  std::filesystem::create_directory(options_.data_dir);
  EXPECT_EQ(Run().status().code(), absl::StatusCode::kNotFound);
}

TEST_F(VerifyFilesTest, LogWithoutItsKeyStoreIsVerified) {
  std::filesystem::remove_all(Data() + "/keys");
  std::filesystem::remove(Data() + "/keys.anchor");
  std::filesystem::remove(Data() + "/master.key");
  const Report report = MustRun();
  EXPECT_TRUE(report.is_clean()) << RenderText(report);
  EXPECT_FALSE(report.has_key_store);
}

// Damage from here on.

TEST_F(VerifyFilesTest, EveryFlippedTableFileIsNamed) {
  for (const std::string store : {"log", "keys"}) {
    for (const std::string& file : FilesWith(Data() + "/" + store, ".sst")) {
      const std::string whole = ReadWhole(file);
      for (const size_t place : {size_t{10}, whole.size() / 2, whole.size() - 60}) {
        FlipByte(file, place);
        const Report report = MustRun();
        EXPECT_THAT(RenderText(report), HasSubstr(std::filesystem::path(file).filename().string()))
            << "byte " << place;
        EXPECT_GE(report.findings.CountOf(Code::kFileDamaged), 1u);
        WriteWhole(file, whole);
      }
    }
  }
  EXPECT_TRUE(MustRun().is_clean());
}

TEST_F(VerifyFilesTest, EveryRemovedFileIsNamedOrIsOneThatHoldsNothing) {
  for (const std::string store : {"log", "keys"}) {
    for (const std::string& file : FilesWith(Data() + "/" + store, "")) {
      const std::string name = std::filesystem::path(file).filename();
      const bool counts =
          absl::EndsWith(name, ".sst") || name == "CURRENT" || absl::StartsWith(name, "MANIFEST");
      if (!counts) continue;
      const std::string whole = ReadWhole(file);
      std::filesystem::remove(file);
      const Report report = MustRun();
      EXPECT_THAT(RenderText(report), HasSubstr(name));
      EXPECT_GE(report.findings.CountOf(Code::kFileDamaged), 1u);
      WriteWhole(file, whole);
    }
  }
}

TEST_F(CrashedStoreTest, RemovedWriteAheadLogIsNamed) {
  std::filesystem::remove(WriteAheadLog());
  const Report report = MustRun();
  ExpectFinding(report, Code::kShorterThanAnchor, At(Ledger::kEvents, 0));
}

TEST_F(CrashedStoreTest, FlippedWriteAheadLogIsNamed) {
  const std::string file = WriteAheadLog();
  FlipByte(file, ReadWhole(file).size() / 2);
  const Report report = MustRun();
  ExpectFinding(report, Code::kShorterThanAnchor, At(Ledger::kEvents, 0));
  EXPECT_THAT(RenderText(report), HasSubstr(std::filesystem::path(file).filename().string()));
}

TEST_F(CrashedStoreTest, TornEndThatNobodyWasToldOfIsANote) {
  const std::string file = WriteAheadLog();
  std::string content = ReadWhole(file);
  // A record that began to be written when the power went.
  content.append("\x12\x34\x56\x78\xff\x00\x01", 7);
  WriteWhole(file, content);
  const Report report = MustRun();
  EXPECT_TRUE(report.is_clean()) << RenderText(report);
  EXPECT_THAT(RenderText(report), HasSubstr("a write-ahead log does not end whole"));
}

TEST_F(CrashedStoreTest, DatabasePutBackUnderANewerAnchorIsNamed) {
  std::filesystem::remove_all(options_.data_dir + "/log");
  std::filesystem::copy(*original_ / "data/log", options_.data_dir + "/log", kAll);
  ExpectFinding(MustRun(), Code::kShorterThanAnchor, At(Ledger::kEvents, 0));
}

// The place of a byte of the payload of the newest copy of an anchor, and of the other copy.
std::pair<size_t, size_t> CopiesOf(const std::string& anchor) {
  constexpr size_t kSlot = 12 * 1024;
  constexpr size_t kByte = 100;
  const uint64_t first = ReadBigEndian(absl::string_view(anchor).substr(16, 8));
  const uint64_t second = ReadBigEndian(absl::string_view(anchor).substr(kSlot + 16, 8));
  return first > second ? std::pair(kByte, kSlot + kByte) : std::pair(kSlot + kByte, kByte);
}

TEST_F(VerifyFilesTest, AnchorCopyTornInTheMidstOfAWriteIsANote) {
  const std::string path = Data() + "/log.anchor";
  FlipByte(path, CopiesOf(ReadWhole(path)).second);
  const Report report = MustRun();
  EXPECT_TRUE(report.is_clean()) << RenderText(report);
  EXPECT_THAT(RenderText(report), HasSubstr("one of its two copies is not valid"));
}

TEST_F(VerifyFilesTest, RemovedOrDamagedAnchorIsNamed) {
  const std::string path = Data() + "/log.anchor";
  const auto [newest, other] = CopiesOf(ReadWhole(path));
  FlipByte(path, newest);
  // What is left is older than the checkpoint that was signed since.
  ExpectFinding(MustRun(), Code::kAnchorBehind, {Ledger::kAccess, 3, {}, "log.anchor"});
  FlipByte(path, other);
  ExpectFinding(MustRun(), Code::kAnchorDamaged, In("log.anchor"));
  std::filesystem::remove(path);
  ExpectFinding(MustRun(), Code::kAnchorDamaged, In("log.anchor"));
}

TEST_F(VerifyFilesTest, AnchorPutBackIsNamed) {
  // A new log's anchor, of the same store, under the checkpoint that was signed since.
  TempFolder fresh;
  es::SeededRandom random(7);
  auto log =
      es::OpenLog({.data_dir = fresh / "data", .partition_count = kPartitions, .random = &random});
  ASSERT_TRUE(log.ok()) << log.status();
  std::filesystem::copy(fresh / "data/log.anchor", Data() + "/log.anchor",
                        std::filesystem::copy_options::overwrite_existing);
  ExpectFinding(MustRun(), Code::kAnchorBehind, {Ledger::kEvents, kFull, {}, "log.anchor"});
}

// Writes the anchor of the log anew, changed.
void ChangeAnchor(const std::string& path, const std::function<void(es::LogAnchor&)>& change) {
  const auto reading = es::Anchor::Read(es::PosixAnchorFiles(), path);
  ASSERT_TRUE(reading.ok()) << reading.status();
  auto anchor = es::DecodeLogAnchor(reading->payload);
  ASSERT_TRUE(anchor.ok()) << anchor.status();
  change(*anchor);
  std::filesystem::remove(path);
  ASSERT_TRUE(es::Anchor::Create(es::PosixAnchorFiles(), path, *es::EncodeLogAnchor(*anchor)).ok());
}

TEST_F(VerifyFilesTest, AnchorThatEndsWithinAnAppendIsNamed) {
  es::Hash root;
  {
    auto log = es::OpenLog({.data_dir = Data()});
    ASSERT_TRUE(log.ok()) << log.status();
    const auto checkpoint = (*log)->CheckpointAt(es::Ledger::kEvents, {kFull, 599});
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    root = checkpoint->root;
  }
  ChangeAnchor(Data() + "/log.anchor", [&root](es::LogAnchor& anchor) {
    anchor.trees[kFull] = {599, root};
  });
  ExpectFinding(MustRun(), Code::kAppendIncomplete, At(Ledger::kEvents, kFull, 599));
}

TEST_F(VerifyFilesTest, AnchorOfOtherRootsIsNamed) {
  ChangeAnchor(Data() + "/log.anchor",
               [](es::LogAnchor& anchor) { anchor.trees[kFull].root[0] ^= 1; });
  const Report report = MustRun();
  ExpectFinding(report, Code::kRootDiffers, At(Ledger::kEvents, kFull));
  EXPECT_EQ(report.findings.count(), 1u) << RenderText(report);
}

TEST_F(VerifyFilesTest, KeyStoreOlderThanTheLogIsNamed) {
  ChangeAnchor(Data() + "/log.anchor",
               [](es::LogAnchor& anchor) { anchor.key_store_sequence = 1000; });
  ExpectFinding(MustRun(), Code::kShorterThanAnchor, In("keys"));
}

TEST_F(VerifyFilesTest, KeyStoreOfAnotherHistoryThanItsAnchorIsNamed) {
  {
    RawLog keys(Data() + "/keys");
    std::string state = keys.Get("meta", "state");
    state[8] ^= 1;
    keys.Put("meta", "state", state);
  }
  ExpectFinding(MustRun(), Code::kRootDiffers, In("keys"));
}

TEST_F(VerifyFilesTest, StoreMoreThanABatchAheadOfItsAnchorIsNamed) {
  TempFolder fresh;
  const std::string data = fresh / "data";
  auto log = es::OpenLog({.data_dir = data, .partition_count = kPartitions});
  ASSERT_TRUE(log.ok()) << log.status();
  const std::string anchor = ReadWhole(data + "/log.anchor");
  const auto append = [&log](int events) {
    std::vector<es::NewEvent> group;
    for (int i = 0; i < events; ++i) {
      group.push_back(support::MakeEvent(support::Stream(support::RootIn(0))));
    }
    ASSERT_TRUE((*log)->AppendAndWait(support::AppendOf(std::move(group))).ok());
  };
  for (int i = 0; i < 64; ++i) append(64);
  const std::string whole = ReadWhole(data + "/log.anchor");
  WriteWhole(data + "/log.anchor", anchor);
  options_.data_dir = data;
  EXPECT_TRUE(MustRun().is_clean());  // 4,096 events: the batch of a crash
  WriteWhole(data + "/log.anchor", whole);
  append(1);
  WriteWhole(data + "/log.anchor", anchor);
  ExpectFinding(MustRun(), Code::kAnchorBehind, In("log.anchor"));
}

TEST_F(VerifyFilesTest, FolderPutBackIsSeenAgainstACheckpointKeptElsewhere) {
  TempFolder older;
  std::filesystem::copy(Data(), older / "data", kAll);
  std::string note;
  {
    auto log = es::OpenLog({.data_dir = Data()});
    ASSERT_TRUE(log.ok()) << log.status();
    ASSERT_TRUE((*log)->AppendAndWait(support::AppendTo(support::Stream(support::RootIn(0)))).ok());
    note = *(*log)->SignedCheckpoint();
  }
  options_.checkpoint_file = folder_ / "kept.note";
  WriteWhole(*options_.checkpoint_file, note);
  EXPECT_TRUE(MustRun().is_clean());
  options_.data_dir = older / "data";
  const Report report = MustRun();
  ExpectFinding(report, Code::kShorterThanCheckpoint, At(Ledger::kEvents, 0));
  EXPECT_EQ(report.findings.count(), 1u) << RenderText(report);
  EXPECT_THAT(RenderText(report), HasSubstr("the log is shorter than"));
  options_.checkpoint_file.reset();
  EXPECT_TRUE(MustRun().is_clean());  // nothing in the folder shows it
}

TEST_F(VerifyFilesTest, CheckpointOfAnotherLogIsNamed) {
  TempFolder other;
  auto log = es::OpenLog({.data_dir = other / "data", .partition_count = kPartitions});
  ASSERT_TRUE(log.ok()) << log.status();
  options_.checkpoint_file = folder_ / "kept.note";
  WriteWhole(*options_.checkpoint_file, *(*log)->SignedCheckpoint());
  ExpectFinding(MustRun(), Code::kOtherLog, In(*options_.checkpoint_file));
}

TEST_F(VerifyFilesTest, ForgedSignatureIsNamed) {
  options_.checkpoint_file = folder_ / "kept.note";
  options_.verifier_key = verifier_key_;
  std::string note = late_checkpoint_;
  const size_t start = note.rfind(' ') + 1;
  std::string signature;
  ASSERT_TRUE(absl::Base64Unescape(note.substr(start, note.size() - start - 1), &signature));
  signature.back() ^= 1;
  WriteWhole(*options_.checkpoint_file,
             note.substr(0, start) + absl::Base64Escape(signature) + "\n");
  ExpectFinding(MustRun(), Code::kSignature, In(*options_.checkpoint_file));
}

TEST_F(VerifyFilesTest, ReplacedSigningKeyIsNamed) {
  WriteWhole(Data() + "/checkpoint.key", std::string(32, 'k'));
  ExpectFinding(MustRun(), Code::kSignature, In("checkpoint.latest"));
  options_.verifier_key = verifier_key_;
  EXPECT_TRUE(MustRun().is_clean());
}

TEST_F(VerifyFilesTest, WhatIsNoCheckpointOrNoKeyCannotBeComparedWith) {
  options_.checkpoint_file = folder_ / "kept.note";
  EXPECT_EQ(Run().status().code(), absl::StatusCode::kNotFound);
  WriteWhole(*options_.checkpoint_file, "not a note\n");
  EXPECT_EQ(Run().status().code(), absl::StatusCode::kInvalidArgument);
  // Its root is not that of its lines.
  WriteWhole(*options_.checkpoint_file,
             absl::StrReplaceAll(late_checkpoint_, {{"access/0 0 ", "access/0 1 "}}));
  EXPECT_EQ(Run().status().code(), absl::StatusCode::kInvalidArgument);
  options_.checkpoint_file.reset();
  options_.verifier_key = "records/x+00000000+AAAA";
  EXPECT_EQ(Run().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(VerifyFilesTest, KeyStorePutBackOrDamagedIsNamed) {
  TempFolder older;
  std::filesystem::copy(Data() + "/keys", older / "keys", kAll);
  {
    auto keys = es::OpenKeyStore({.data_dir = Data()});
    ASSERT_TRUE(keys.ok()) << keys.status();
    ASSERT_TRUE((*keys)->Fence(*es::SubjectId::Generate(es::SystemRandom())).ok());
  }
  EXPECT_TRUE(MustRun().is_clean());
  std::filesystem::remove_all(Data() + "/keys");
  std::filesystem::copy(older / "keys", Data() + "/keys", kAll);
  ExpectFinding(MustRun(), Code::kShorterThanAnchor, In("keys"));
  std::filesystem::remove(Data() + "/keys.anchor");
  ExpectFinding(MustRun(), Code::kAnchorDamaged, In("keys.anchor"));
}

TEST_F(VerifyFilesTest, LostKeyRowIsNamed) {
  {
    RawLog keys(Data() + "/keys");
    keys.Delete("keys", keys.Keys("keys").front());
  }
  ExpectFinding(MustRun(), Code::kKeyStore, In("keys, table keys"));
}

}  // namespace
}  // namespace records::tools::verify
