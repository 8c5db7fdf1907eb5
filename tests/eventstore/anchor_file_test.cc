#include "eventstore/anchor_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "eventstore/anchor.h"
#include "gtest/gtest.h"

namespace records::eventstore {
namespace {

class PosixAnchorFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "anchor_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/anchor";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  AnchorFiles& files_ = PosixAnchorFiles();
  std::string folder_;
  std::string path_;
};

TEST_F(PosixAnchorFilesTest, AnAnchorOutlivesItsWriter) {
  ASSERT_TRUE(Anchor::Create(files_, path_, "first").ok());
  {
    std::unique_ptr<Anchor> anchor = *Anchor::Open(files_, path_);
    ASSERT_TRUE(anchor->Write("second").ok());
    ASSERT_TRUE(anchor->Write("third").ok());
  }
  EXPECT_EQ(Anchor::Read(files_, path_)->payload, "third");
  EXPECT_EQ(std::filesystem::file_size(path_), 24576u);
}

TEST_F(PosixAnchorFilesTest, OnlyTheOwnerMayReadAndNoDraftStays) {
  ASSERT_TRUE(files_.Create(path_, "content").ok());
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(status.st_nlink, 1u);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(PosixAnchorFilesTest, ADraftThatACrashLeftIsReplaced) {
  std::ofstream(path_ + ".new") << "half";
  ASSERT_TRUE(files_.Create(path_, "content").ok());
  const std::unique_ptr<AnchorFile> file = *files_.Open(path_, AnchorFiles::Access::kReadOnly);
  EXPECT_EQ(*file->Read(0, 100), "content");
}

TEST_F(PosixAnchorFilesTest, ReadsStopAtTheEndAndWritesOverwriteInPlace) {
  ASSERT_TRUE(files_.Create(path_, "0123456789").ok());
  const std::unique_ptr<AnchorFile> file = *files_.Open(path_, AnchorFiles::Access::kReadWrite);
  ASSERT_TRUE(file->Write(3, "abc").ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(*file->Read(2, 5), "2abc6");
  EXPECT_EQ(*file->Read(8, 5), "89");
  EXPECT_EQ(*file->Read(20, 5), "");
}

TEST_F(PosixAnchorFilesTest, AnExistingFileIsNotTouched) {
  ASSERT_TRUE(files_.Create(path_, "content").ok());
  EXPECT_EQ(files_.Create(path_, "other").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*(*files_.Open(path_, AnchorFiles::Access::kReadOnly))->Read(0, 100), "content");
}

TEST_F(PosixAnchorFilesTest, ErrorsOfTheSystemAreReported) {
  EXPECT_EQ(files_.Open(path_, AnchorFiles::Access::kReadOnly).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(files_.Create(folder_ + "/absent/anchor", "x").code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(files_.Create(path_, "content").ok());
  const std::unique_ptr<AnchorFile> file = *files_.Open(path_, AnchorFiles::Access::kReadOnly);
  EXPECT_FALSE(file->Write(0, "x").ok());
}

// A file that takes nothing: every write says that the disk is full.
TEST_F(PosixAnchorFilesTest, AFullDiskIsReported) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  const std::unique_ptr<AnchorFile> file =
      *files_.Open("/dev/full", AnchorFiles::Access::kReadWrite);
  EXPECT_EQ(file->Write(0, "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(file->Sync().ok());
}

}  // namespace
}  // namespace records::eventstore
