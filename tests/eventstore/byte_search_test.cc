#include "eventstore/byte_search.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/eventstore/temp_folder.h"

namespace records::eventstore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing_support::TempFolder;

constexpr absl::string_view kNeedle = "0123456789abABCDEFGHIJKLMNOPQRSTUV";

class ByteSearchTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& content) {
    const std::string path = folder_.path() + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  ByteSearchResult Search(std::vector<absl::string_view> needles = {kNeedle}) {
    auto result = SearchFiles({.paths = {folder_.path()}, .skipped_names = {"MANIFEST"}}, needles);
    EXPECT_TRUE(result.ok()) << result.status();
    return *result;
  }

  TempFolder folder_;
};

TEST_F(ByteSearchTest, EveryFileBelowIsReadAndCounted) {
  Write("a", "12345");
  Write("b/c/d", std::string(3'000'000, 'x'));
  const ByteSearchResult result = Search();
  EXPECT_EQ(result.files, 2u);
  EXPECT_EQ(result.bytes, 3'000'005u);
  EXPECT_THAT(result.found_in, IsEmpty());
}

TEST_F(ByteSearchTest, ANeedleIsFoundAtEachPlaceAlsoAcrossTwoReads) {
  for (const size_t offset : {size_t{0}, size_t{1}, size_t{1} << 20, (size_t{1} << 20) - 1,
                              (size_t{1} << 20) - 20, size_t{2'000'000}}) {
    std::string content(2'000'000, 'x');
    content.insert(offset, std::string(kNeedle));
    const std::string path = Write("file", content);
    EXPECT_THAT(Search().found_in, ElementsAre(path)) << offset;
  }
}

TEST_F(ByteSearchTest, ANeedleThatAFormatCutsInTwoIsFound) {
  for (size_t cut = 1; cut < kNeedle.size(); ++cut) {
    const std::string path = Write(
        "file", std::string(kNeedle.substr(0, cut)) + "HEADER." + std::string(kNeedle.substr(cut)));
    EXPECT_THAT(Search().found_in, ElementsAre(path)) << cut;
  }
}

TEST_F(ByteSearchTest, LessThanAPieceIsNoHit) {
  Write("file", std::string(kNeedle.substr(0, kSearchPieceSize - 1)) + "??");
  EXPECT_THAT(Search().found_in, IsEmpty());
}

TEST_F(ByteSearchTest, SkippedNamesAreNotReadAndAbsentPathsHoldNothing) {
  Write("MANIFEST-000001", std::string(kNeedle));
  EXPECT_THAT(Search().found_in, IsEmpty());
  EXPECT_TRUE(SearchFiles({.paths = {folder_.path() + "/no"}}, {kNeedle}).ok());
}

TEST_F(ByteSearchTest, ATooShortNeedleIsRefused) {
  EXPECT_EQ(SearchFiles({.paths = {folder_.path()}}, {"short"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace records::eventstore
