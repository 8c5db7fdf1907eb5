#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/recordsd/view.h"
#include "tests/services/temporary_folder.h"

namespace records::services {
namespace {

namespace fs = std::filesystem;

void MakeView(const fs::path& folder) {
  fs::create_directories(folder / "g1");
  std::ofstream(folder / "g1" / "000004.sst") << "rows";
}

// DP-E4: what a view put aside, or one that is not served, holds of an erased person goes too.
TEST(ViewsFolderTest, AnErasureLeavesOnlyTheViewsThatAreOpen) {
  const testing::TemporaryFolder data;
  for (const char* name : {"grants", "timeline", "timeline.put-aside", "asb"}) {
    MakeView(data.path() / "views" / name);
  }
  ASSERT_TRUE(DropUnopenedViews(data.path().string(), {"grants", "timeline"}).ok());
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(data.path() / "views")) {
    left.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(left, ::testing::UnorderedElementsAre("grants", "timeline"));
  EXPECT_TRUE(fs::exists(data.path() / "views" / "timeline" / "g1" / "000004.sst"));
}

TEST(ViewsFolderTest, AFolderThatCannotBeReadIsNamedAndNoErasureIsCertifiedOverIt) {
  const testing::TemporaryFolder data;
  EXPECT_TRUE(absl::IsUnavailable(DropUnopenedViews(data.path().string(), {})));
}

}  // namespace
}  // namespace records::services
