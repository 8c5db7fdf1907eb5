#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace records::faults {

// A new folder that is removed at the end; in memory where there is room, as syncs are counted and
// not waited for.
class WorkFolder {
 public:
  WorkFolder() {
    constexpr uintmax_t kRoom = uintmax_t{256} << 20;
    std::error_code error;
    const auto space = std::filesystem::space("/dev/shm", error);
    std::string name = !error && space.available > kRoom ? "/dev/shm" : ::testing::TempDir();
    name += "/records_faults_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = std::filesystem::canonical(name);
  }
  ~WorkFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace records::faults
