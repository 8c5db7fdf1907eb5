// Runs a fuzz target without a fuzzer: over its seeds, as the code makes them now, and over every
// file of its corpus, past crashes among them.
//
//   fuzz_tokens_replay FOLDER             replays the seeds and the files of a folder
//   fuzz_tokens_replay FILE...            replays files, in this order
//   fuzz_tokens_replay --write-seeds DIR  writes the seeds as seed-<name>
//   fuzz_tokens_replay --mutate N SEED    runs N inputs mutated from the seeds, blindly; the last
//   one is kept in
//                                         the file last-input of the working folder

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// The target's own mutator, where it has one.
extern "C" __attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size,
                                                                size_t max_size, unsigned int seed);

namespace {

std::minstd_rand random_source;

}  // namespace

// What libFuzzer gives a mutator: here a few random bytes.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size) {
  for (uint32_t changes = 1 + random_source() % 4; changes > 0; --changes) {
    const uint32_t way = random_source() % 3;
    if ((way == 0 || size == 0) && size < max_size) {
      const size_t place = random_source() % (size + 1);
      std::copy_backward(data + place, data + size, data + size + 1);
      data[place] = static_cast<uint8_t>(random_source());
      ++size;
    } else if (way == 1 && size > 1) {
      const size_t place = random_source() % size;
      std::copy(data + place + 1, data + size, data + place);
      --size;
    } else if (size > 0) {
      data[random_source() % size] = static_cast<uint8_t>(random_source());
    }
  }
  return size;
}

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
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// Mutates without seeing where it leads; what was reached is kept in turn, so that changes add up.
int Mutate(int count, unsigned int seed) {
  const fs::path last = fs::temp_directory_path() / absl::StrCat("fuzz-last-input-", getpid());
  std::printf("seed %u; again by: --mutate %d %u; the last input is in %s\n", seed, count, seed,
              last.c_str());
  std::fflush(stdout);
  random_source.seed(seed);
  std::vector<std::string> pool;
  records::fuzz::WriteSeeds(
      [&](absl::string_view, absl::string_view bytes) { pool.emplace_back(bytes); });
  const size_t seeds = pool.size();
  for (int i = 0; i < count; ++i) {
    std::string input = pool[random_source() % pool.size()];
    size_t size = input.size();
    input.resize(16384);
    auto* const data = reinterpret_cast<uint8_t*>(input.data());
    for (uint32_t changes = 1 + random_source() % 4; changes > 0; --changes) {
      size = &LLVMFuzzerCustomMutator != nullptr
                 ? LLVMFuzzerCustomMutator(data, size, input.size(),
                                           static_cast<unsigned int>(random_source()))
                 : LLVMFuzzerMutate(data, size, input.size());
    }
    input.resize(size);
    std::ofstream(last, std::ios::binary)
        .write(input.data(), static_cast<std::streamsize>(input.size()));
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
    if (pool.size() < seeds + 500) {
      pool.push_back(std::move(input));
    } else {
      pool[seeds + random_source() % 500] = std::move(input);
    }
  }
  fs::remove(last);
  std::printf("%d mutated inputs run\n", count);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--write-seeds") == 0) return WriteSeedsTo(argv[2]);
  if (argc == 4 && std::strcmp(argv[1], "--mutate") == 0) {
    return Mutate(std::atoi(argv[2]), static_cast<unsigned int>(std::atoi(argv[3])));
  }
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
