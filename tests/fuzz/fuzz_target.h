#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

// What a fuzz target is made of. Each program of tests/fuzz defines TestOne() and WriteSeeds(), and
// runs either under libFuzzer (preset fuzz) or over its corpus (as a unit test).
namespace records::fuzz {

// Runs one input. Returns when all promises held; else it ends the process through FUZZ_EXPECT or a
// sanitizer.
void TestOne(absl::string_view input);

// Gives small inputs that the real code made, each under a name of its own: where fuzzing begins.
using SeedSink = std::function<void(absl::string_view name, absl::string_view bytes)>;
void WriteSeeds(const SeedSink& sink);

// Says what broke and ends the process, so that libFuzzer keeps the input.
[[noreturn]] void Broken(const char* file, int line, absl::string_view what);

// A promise of the code under test.
#define FUZZ_EXPECT(condition, ...)                  \
  ((condition)                                       \
       ? static_cast<void>(0)                        \
       : ::records::fuzz::Broken(__FILE__, __LINE__, \
                                 ::absl::StrCat(#condition, " " __VA_OPT__(, ) __VA_ARGS__)))

// Takes the parts of an input off its front. What is not there is zero or empty: every input means
// something.
//
// A view: the bytes must outlive it.
class Input {
 public:
  explicit Input(absl::string_view bytes) : rest_(bytes) {}

  uint8_t Byte() { return static_cast<uint8_t>(Number(1)); }
  // A big-endian number of so many bytes, at most 8.
  uint64_t Number(size_t bytes) {
    uint64_t number = 0;
    for (const char byte : Bytes(bytes)) number = number << 8 | static_cast<uint8_t>(byte);
    return number;
  }
  absl::string_view Bytes(size_t count) {
    const absl::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  // Bytes that are preceded by their number (2 bytes).
  absl::string_view Chunk() { return Bytes(Number(2)); }
  absl::string_view Rest() { return Bytes(rest_.size()); }
  bool empty() const { return rest_.empty(); }

 private:
  absl::string_view rest_;
};

// What Input::Chunk() takes. REQUIRES: less than 64 KiB.
inline std::string Chunk(absl::string_view bytes) {
  std::string chunk;
  chunk.push_back(static_cast<char>(bytes.size() >> 8));
  chunk.push_back(static_cast<char>(bytes.size()));
  return absl::StrCat(chunk, bytes);
}

// One byte, for seeds.
inline std::string Byte(int number) { return std::string(1, static_cast<char>(number)); }

// A file in memory, for code that takes a path. One for each use at a time.
class MemoryFile {
 public:
  MemoryFile();
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void Write(absl::string_view content);
  const std::string& path() const { return path_; }

 private:
  int file_;
  std::string path_;
};

}  // namespace records::fuzz
