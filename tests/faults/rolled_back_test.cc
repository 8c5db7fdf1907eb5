#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "eventstore/event_log.h"
#include "eventstore/key_store_open.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/eventstore/temp_folder.h"
#include "tools/recordsctl/verify/verify.h"

// Whole parts of a data folder put back to an older state, each consistent in itself.
namespace records::faults {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A data folder with log and keys, at two times.
class RolledBackTest : public testing::Test {
 protected:
  RolledBackTest() {
    Grow(1);
    fs::copy(data_, folder_ / "older", fs::copy_options::recursive);
    Grow(2);
  }

  eventstore::LogOptions Options(eventstore::KeyStore* keys) {
    eventstore::LogOptions options{.data_dir = data_, .partition_count = 2, .guard = keys};
    options.disk_reserve_bytes = 0;
    options.disk_floor_bytes = 0;
    return options;
  }

  void Grow(uint32_t number) {
    using namespace eventstore::testing_support;  // NOLINT(build/namespaces)
    fs::create_directories(data_);
    const auto keys = *eventstore::OpenKeyStore({.data_dir = data_});
    const eventstore::SubjectId subject({static_cast<uint8_t>(number), 7});
    ASSERT_TRUE(keys->GetOrCreateKey({subject, 3, {}}).ok());
    const auto log = *eventstore::OpenLog(Options(keys.get()));
    ASSERT_TRUE(log->AppendAndWait(AppendTo(Stream(RootIn(0)))).ok());
    const auto note = log->SignedCheckpoint();
    ASSERT_TRUE(note.ok());
    kept_checkpoint_ = folder_ / "kept.checkpoint";
    std::ofstream(kept_checkpoint_) << *note;
  }

  void RollBack(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      fs::remove_all(data_ + "/" + name);
      fs::copy(folder_ / ("older/" + name), data_ + "/" + name, fs::copy_options::recursive);
    }
  }

  absl::Status Start() {
    const auto keys = eventstore::OpenKeyStore({.data_dir = data_});
    if (!keys.ok()) return keys.status();
    return eventstore::OpenLog(Options(keys->get())).status();
  }

  const eventstore::testing_support::TempFolder folder_;
  const std::string data_ = folder_ / "data";
  std::string kept_checkpoint_;
};

TEST_F(RolledBackTest, ALogWithoutItsAnchorIsNamedByTheAnchor) {
  RollBack({"log"});
  EXPECT_THAT(std::string(Start().message()), HasSubstr("log.anchor says"));
}

TEST_F(RolledBackTest, ALogWithItsAnchorIsNamedByTheLastCheckpoint) {
  RollBack({"log", "log.anchor"});
  EXPECT_THAT(std::string(Start().message()), HasSubstr("checkpoint.latest says"));
}

TEST_F(RolledBackTest, KeysWithoutTheirAnchorAreNamedByTheAnchor) {
  RollBack({"keys"});
  EXPECT_THAT(std::string(Start().message()), HasSubstr("changes are lost"));
}

TEST_F(RolledBackTest, KeysWithTheirAnchorAreNamedByTheLog) {
  RollBack({"keys", "keys.anchor"});
  EXPECT_THAT(std::string(Start().message()), HasSubstr("it is an old copy"));
}

// A rollback of the whole folder is a state that was true once: only who kept a checkpoint
// elsewhere can tell.
TEST_F(RolledBackTest, AWholeFolderIsNamedByACheckpointKeptElsewhereAlone) {
  fs::remove_all(data_);
  fs::copy(folder_ / "older", data_, fs::copy_options::recursive);
  const auto without = tools::verify::Verify({.data_dir = data_});
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_TRUE(without->is_clean());
  EXPECT_THAT(without->not_checked, testing::Contains(HasSubstr("a rollback of the whole folder")));
  const auto with = tools::verify::Verify({.data_dir = data_, .checkpoint_file = kept_checkpoint_});
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_GT(with->findings.CountOf(tools::verify::Code::kShorterThanCheckpoint), 0u);
  EXPECT_TRUE(Start().ok());
}

}  // namespace
}  // namespace records::faults
