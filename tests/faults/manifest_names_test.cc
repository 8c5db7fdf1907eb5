// A store of one row, and the power cut at each operation of its opening, in many ways each.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "eventstore/rocks_storage.h"
#include "tests/faults/fault_file_system.h"
#include "tests/faults/work_folder.h"

namespace records::faults {
namespace {

using eventstore::RocksMode;
using eventstore::RocksStorage;
using eventstore::Storage;
using eventstore::StorageBatch;
using eventstore::Table;

constexpr Table kRows{0};
constexpr uint64_t kWays = 24;  // of what a power cut leaves; one in sixteen keeps CURRENT's new
                                // name without that of its MANIFEST

absl::StatusOr<std::unique_ptr<RocksStorage>> Open(const std::string& folder, RocksMode mode) {
  return RocksStorage::Open(
      {.path = folder + "/store", .tables = {{.name = "rows"}}, .mode = mode});
}

// CR-1.5.1
TEST(ManifestNamesTest, AStoreOpensAfterAPowerCutAtAnyOperationOfAnOpening) {
  const WorkFolder folder;
  {
    auto store = Open(folder.path(), RocksMode::kCreate);
    ASSERT_TRUE(store.ok()) << store.status();
    StorageBatch batch;
    batch.Put(kRows, "key", "value");
    ASSERT_TRUE((*store)->Write(batch, Storage::Durability::kSynced).ok());
  }
  FaultFileSystem disk(folder.path());
  const FileImage image = disk.Save();
  ASSERT_TRUE(Open(folder.path(), RocksMode::kWrite).ok());
  const size_t operations = disk.operations().size();
  size_t dropped = 0;
  for (uint64_t at = 1; at <= operations; ++at) {
    for (uint64_t seed = 1; seed <= kWays; ++seed) {
      disk.Load(image);
      disk.Arm({.fault = Fault::kCrash, .at = at, .seed = seed});
      (void)Open(folder.path(), RocksMode::kWrite);
      dropped += disk.CutPower(seed) ? 1 : 0;
      disk.Disarm();
      auto store = Open(folder.path(), RocksMode::kWrite);
      ASSERT_TRUE(store.ok()) << "operation " << at << ", seed " << seed << ": " << store.status();
      ASSERT_EQ(*(*store)->Get(kRows, "key"), "value");
    }
  }
  std::printf("%zu operations, %zu of %zu power cuts dropped something\n", operations, dropped,
              operations * kWays);
  EXPECT_GT(dropped, operations);
}

}  // namespace
}  // namespace records::faults
