// Runs a fuzz target without a fuzzer: over its seeds, as the code makes them now, and over every
// file of its corpus, past crashes among them.
//
//   fuzz_tokens_replay FOLDER             replays the seeds and the files of a folder
//   fuzz_tokens_replay FILE...            replays files, in this order
//   fuzz_tokens_replay --write-seeds DIR  writes the seeds as seed-<name>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

namespace {

namespace fs = std::filesystem;

std::string Read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

int WriteSeedsTo(const fs::path& folder) {
  fs::create_directories(folder);
  int written = 0;
  records::fuzz::WriteSeeds([&](absl::string_view name, absl::string_view bytes) {
    std::ofstream file(folder / absl::StrCat("seed-", name), std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ++written;
  });
  std::printf("%d seeds written\n", written);
  return 0;
}

// The name is printed first, so that the last line before a crash says which input it was.
void Replay(const std::string& name, absl::string_view input) {
  std::printf("%s\n", name.c_str());
  std::fflush(stdout);
  records::fuzz::TestOne(input);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--write-seeds") == 0) return WriteSeedsTo(argv[2]);
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      continue;
    }
    const size_t before = files.size();
    for (const auto& entry : fs::directory_iterator(argv[i])) files.push_back(entry.path());
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end());
    records::fuzz::WriteSeeds([](absl::string_view name, absl::string_view bytes) {
      Replay(absl::StrCat("seed of now: ", name), bytes);
    });
  }
  for (const fs::path& file : files) Replay(file.string(), Read(file));
  std::printf("%zu files replayed\n", files.size());
  return files.empty() ? 1 : 0;
}
