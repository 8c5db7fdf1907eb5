#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "eventstore/log_format.h"
#include "eventstore/log_tables.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/eventstore/temp_folder.h"

// Parts of the log removed or exchanged: refused and named. tests/faults damages each byte.
namespace records::eventstore {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using namespace testing_support;  // NOLINT(build/namespaces)

constexpr uint32_t kRequests = 40;
constexpr uint32_t kPartitions = 2;

class LogDamageTest : public testing::Test {
 protected:
  LogOptions Options(const std::string& folder) {
    LogOptions options;
    options.data_dir = folder;
    options.partition_count = kPartitions;
    options.clock = &clock_;
    options.disk_reserve_bytes = 0;
    options.disk_floor_bytes = 0;
    return options;
  }

  static Append Request(uint32_t number) {
    std::vector<NewEvent> events;
    for (int i = 0; i < 8; ++i) {
      const StreamName stream = Stream(RootIn(number % kPartitions, 1 + number % 3));
      events.push_back(MakeEvent(stream, {.facts = absl::StrCat("request ", number)}));
    }
    return WithRequest(AppendOf(std::move(events)), number);
  }

  // A small store with a complete tile. `closed`: ended cleanly; else as a kill leaves it.
  std::string MakeStore(bool closed) {
    const std::string made = folder_ / "made";
    fs::remove_all(made);
    auto log = *OpenLog(Options(made));
    for (uint32_t i = 0; i < kRequests / 2; ++i) {
      EXPECT_TRUE(log->AppendAndWait(Request(i)).ok());
    }
    // Some in table files, some in the write-ahead log.
    log = nullptr;
    log = *OpenLog(Options(made));
    for (uint32_t i = kRequests / 2; i < kRequests; ++i) {
      EXPECT_TRUE(log->AppendAndWait(Request(i)).ok());
    }
    EXPECT_TRUE(log->SignedCheckpoint().ok());
    if (closed) log = nullptr;
    const std::string pristine = folder_ / (closed ? "closed" : "killed");
    fs::remove_all(pristine);
    fs::copy(made, pristine, fs::copy_options::recursive);
    return pristine;
  }

  std::string Copy(const std::string& pristine) {
    const std::string copy = folder_ / "copy";
    fs::remove_all(copy);
    fs::copy(pristine, copy, fs::copy_options::recursive);
    return copy;
  }

  static std::vector<std::string> FilesOf(const std::string& folder) {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), folder));
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  TempFolder folder_;
  ManualClock clock_{TestStart()};
};

TEST_F(LogDamageTest, ADeletedWriteAheadLogIsSeenByTheAnchorAndTheLossIsNamed) {
  const std::string copy = Copy(MakeStore(false));
  size_t removed = 0;
  for (const std::string& file : FilesOf(copy)) {
    if (absl::EndsWith(file, ".log")) removed += fs::remove(copy + "/" + file) ? 1 : 0;
  }
  ASSERT_GT(removed, 0u);
  const auto log = OpenLog(Options(copy));
  EXPECT_EQ(log.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(log.status().message(), HasSubstr("sequences 81 to 160 are missing"));
}

TEST_F(LogDamageTest, AnOlderCopyOfTheStoreIsRefused) {
  const std::string made = folder_ / "data";
  auto log = *OpenLog(Options(made));
  ASSERT_TRUE(log->AppendAndWait(Request(0)).ok());
  log = nullptr;
  fs::copy(made + "/log", folder_ / "old_log", fs::copy_options::recursive);
  log = *OpenLog(Options(made));
  ASSERT_TRUE(log->AppendAndWait(Request(2)).ok());
  log = nullptr;
  fs::remove_all(made + "/log");
  fs::copy(folder_ / "old_log", made + "/log", fs::copy_options::recursive);
  const auto old = OpenLog(Options(made));
  EXPECT_EQ(old.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(old.status().message(), HasSubstr("sequences 9 to 16 are missing"));
}

TEST_F(LogDamageTest, AnEmptiedStoreIsNotTakenForANewOne) {
  const std::string copy = Copy(MakeStore(true));
  fs::remove_all(copy + "/log");
  EXPECT_EQ(OpenLog(Options(copy)).status().code(), absl::StatusCode::kDataLoss);
  fs::create_directory(copy + "/log");
  EXPECT_EQ(OpenLog(Options(copy)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(fs::is_empty(copy + "/log"));
}

TEST_F(LogDamageTest, AStoreOfAnotherDataFolderIsRefused) {
  const std::string copy = Copy(MakeStore(true));
  OpenLog(Options(folder_ / "other"))->reset();
  fs::remove_all(copy + "/log");
  fs::copy(folder_ / "other/log", copy + "/log", fs::copy_options::recursive);
  const auto log = OpenLog(Options(copy));
  EXPECT_THAT(log.status().message(), HasSubstr("belongs to another log"));
}

// A disk that loses what it had synced may bring back the tables of one batch to different points.
TEST_F(LogDamageTest, ATableThatEndsBeforeTheEventsIsNamedAtTheStart) {
  const std::string pristine = MakeStore(true);
  const StreamKey stream = StreamKeyOf(
      Ledger::kEvents, Stream(RootIn((kRequests - 1) % kPartitions, 1 + (kRequests - 1) % 3)));
  for (const Table table : {kRequestsTable, kStreamsTable}) {
    const std::string copy = Copy(pristine);
    {
      auto store = *RocksStorage::Open({.path = copy + "/log", .tables = LogTables()});
      StorageBatch batch;
      const auto last = store->LastWithPrefix(kStreamsTable, AsBytes(stream));
      ASSERT_TRUE(last.ok() && last->has_value());
      batch.Delete(
          table, table == kStreamsTable ? (*last)->key : std::string(AsBytes(Key(kRequests - 1))));
      ASSERT_TRUE(store->Write(batch, Storage::Durability::kSynced).ok());
    }
    const auto log = OpenLog(Options(copy));
    EXPECT_EQ(log.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(log.status().message(),
                HasSubstr(table == kStreamsTable ? "the row of its stream is missing"
                                                 : "the row of its request is missing"));
  }
}

TEST_F(LogDamageTest, ACrashWhileTheLogIsMadeNeedsNoHand) {
  // The anchor was made and the store not, or only its folder.
  for (const bool with_folder : {false, true}) {
    const std::string made = folder_ / (with_folder ? "with" : "without");
    OpenLog(Options(made))->reset();
    fs::remove_all(made + "/log");
    if (with_folder) fs::create_directory(made + "/log");
    const auto log = OpenLog(Options(made));
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_TRUE((*log)->AppendAndWait(Request(1)).ok());
  }
}

}  // namespace
}  // namespace records::eventstore
