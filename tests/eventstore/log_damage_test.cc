#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "absl/strings/match.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/eventstore/temp_folder.h"

// Files of the log flipped, removed, rolled back: named or refused, never served.
namespace records::eventstore {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using namespace testing_support;  // NOLINT(build/namespaces)

constexpr uint32_t kRequests = 40;
constexpr uint32_t kPartitions = 2;

// From the test to its child process, and back.
constexpr char kDamagedFolder[] = "RECORDS_TEST_DAMAGED_FOLDER";
constexpr char kWrittenEvents[] = "RECORDS_TEST_WRITTEN_EVENTS";
constexpr int kExitOpened = 10;
constexpr int kExitRefused = 11;

bool Full() { return std::getenv("RECORDS_FULL") != nullptr; }

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
    if (log == nullptr) log = *OpenLog(Options(made));
    events_.clear();
    for (uint32_t p = 0; p < kPartitions; ++p) {
      events_.push_back({});
      for (StoredEvent& event : ReadAll(*log, p)) events_.back().push_back(std::move(event.bytes));
    }
    return pristine;
  }

  std::string Copy(const std::string& pristine) {
    const std::string copy = folder_ / "copy";
    fs::remove_all(copy);
    fs::copy(pristine, copy, fs::copy_options::recursive);
    return copy;
  }

  // Every answer is what was written, or names the damage.
  void ExpectNothingWrongIsServed(EventLog& log) {
    for (uint32_t p = 0; p < kPartitions; ++p) {
      ASSERT_EQ(log.Head(Ledger::kEvents, p).sequence, events_[p].size());
      for (uint64_t i = 0; i < events_[p].size(); i += 3) {
        const auto event = log.ReadAt(Ledger::kEvents, {p, i + 1});
        if (!event.ok()) {
          ExpectNamed(event.status());
        } else {
          ASSERT_EQ(event->bytes, events_[p][i]);
        }
      }
    }
    for (uint32_t number = 0; number < kRequests; number += 7) {
      const auto found = log.FindRequest(Key(number));
      if (found.ok()) {
        ASSERT_TRUE(found->has_value()) << "a request was forgotten";
        ASSERT_EQ((*found)->size(), 8u);
      } else {
        ExpectNamed(found.status());
      }
    }
    const auto retried = log.AppendAndWait(Request(3));
    if (retried.ok()) {
      EXPECT_TRUE(retried->repeated) << "written twice";
    }
  }

  static void ExpectNamed(const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_GT(status.message().size(), 20u);
  }

  // Opens what was damaged. Returns whether it opened.
  bool OpenDamaged(const std::string& folder, const std::string& what) {
    SCOPED_TRACE(what);
    const auto log = OpenLog(Options(folder));
    if (!log.ok()) {
      EXPECT_GT(log.status().message().size(), 20u);
      return false;
    }
    ExpectNothingWrongIsServed(**log);
    return true;
  }

  static std::vector<std::string> FilesOf(const std::string& folder) {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), folder));
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  static void FlipByte(const std::string& path, uint64_t offset, uint8_t bits) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    char byte;
    file.get(byte);
    file.seekp(offset);
    file.put(static_cast<char>(byte ^ bits));
  }

  // Opens what was damaged in a process of its own: Debian's RocksDB carries assertions, and a
  // damaged block may end the process there. That serves nothing, so it counts as refused.
  enum class Outcome { kOpened, kRefused, kStopped, kWrong };
  Outcome OpenInChild(const std::string& folder) {
    const pid_t child = fork();
    if (child == 0) {
      setenv("TEST_TMPDIR", (folder_ / "").c_str(), 1);  // goes with the folder of the test
      setenv(kDamagedFolder, folder.c_str(), 1);
      setenv(kWrittenEvents, (folder_ / "events").c_str(), 1);
      execl("/proc/self/exe", "log_damage_test", "--gtest_filter=*InAProcessOfItsOwn", nullptr);
      std::_Exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) return Outcome::kStopped;
    if (WEXITSTATUS(status) == kExitOpened) return Outcome::kOpened;
    return WEXITSTATUS(status) == kExitRefused ? Outcome::kRefused : Outcome::kWrong;
  }

  void SaveEvents() {
    std::ofstream file(folder_ / "events", std::ios::binary);
    for (const auto& partition : events_) {
      file << partition.size() << ' ';
      for (const std::string& bytes : partition) file << bytes.size() << ' ' << bytes;
    }
  }

  void LoadEvents(const char* path) {
    std::ifstream file(path, std::ios::binary);
    events_.assign(kPartitions, {});
    for (auto& partition : events_) {
      size_t count = 0;
      file >> count;
      file.get();
      for (size_t i = 0; i < count; ++i) {
        size_t size = 0;
        file >> size;
        file.get();
        partition.emplace_back(size, 0);
        file.read(partition.back().data(), static_cast<std::streamsize>(size));
      }
    }
    ASSERT_TRUE(file.good());
  }

  // Flips bytes of every file, some or all.
  void FlipBytes(const std::string& pristine) {
    const uint64_t seed = std::random_device()();
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    size_t refused = 0, opened = 0, stopped = 0;
    SaveEvents();
    for (const std::string& file : FilesOf(pristine)) {
      const uint64_t size = fs::file_size(pristine + "/" + file);
      const uint64_t flips = Full() ? size : std::min<uint64_t>(size, 6);
      for (uint64_t i = 0; i < flips && !HasFailure(); ++i) {
        const uint64_t offset = Full() ? i : random() % size;
        const std::string copy = Copy(pristine);
        FlipByte(copy + "/" + file, offset, 1 << random() % 8);
        switch (OpenInChild(copy)) {
          case Outcome::kOpened:
            ++opened;
            break;
          case Outcome::kRefused:
            ++refused;
            break;
          case Outcome::kStopped:
            ++stopped;
            std::cout << "RocksDB stopped the process at " << file << " at " << offset << "\n";
            break;
          case Outcome::kWrong:
            ADD_FAILURE() << file << " at " << offset;
        }
      }
    }
    std::cout << opened << " opened and right, " << refused << " refused, " << stopped
              << " stopped by RocksDB\n";
    EXPECT_GT(refused, 0u) << "no flip did any harm: the test sees nothing";
    EXPECT_GT(opened, 0u);
  }

  TempFolder folder_;
  ManualClock clock_{TestStart()};
  std::vector<std::vector<std::string>> events_;  // stored bytes by partition
};

TEST_F(LogDamageTest, OpensWhatWasDamagedInAProcessOfItsOwn) {
  const char* folder = std::getenv(kDamagedFolder);
  if (folder == nullptr) return;  // it is the child's part of the two tests below
  LoadEvents(std::getenv(kWrittenEvents));
  const bool opened = OpenDamaged(folder, folder);
  if (!HasFailure()) std::_Exit(opened ? kExitOpened : kExitRefused);
}

TEST_F(LogDamageTest, AFlippedByteInAClosedStoreIsNeverServed) { FlipBytes(MakeStore(true)); }

TEST_F(LogDamageTest, AFlippedByteInAKilledStoreIsNeverServed) { FlipBytes(MakeStore(false)); }

TEST_F(LogDamageTest, AMissingFileIsRefusedOrDoesNotMatter) {
  for (const bool closed : {true, false}) {
    const std::string pristine = MakeStore(closed);
    size_t refused = 0;
    for (const std::string& file : FilesOf(pristine)) {
      const std::string copy = Copy(pristine);
      fs::remove(copy + "/" + file);
      const bool opened = OpenDamaged(copy, "without " + file);
      const bool needed =
          absl::EndsWith(file, ".sst") || absl::EndsWith(file, "CURRENT") ||
          absl::StrContains(file, "MANIFEST") || file == "log.anchor" ||
          (absl::EndsWith(file, ".log") && fs::file_size(pristine + "/" + file) > 0);
      EXPECT_EQ(opened, !needed && file != "checkpoint.key") << file;
      if (!opened) {
        // Nothing was destroyed: with the file back, all is there.
        fs::copy(pristine + "/" + file, copy + "/" + file);
        EXPECT_TRUE(OpenDamaged(copy, file + " restored"));
        ++refused;
      }
    }
    EXPECT_GT(refused, 5u);
  }
}

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
