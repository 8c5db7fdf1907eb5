#include "tests/fuzz/fuzz_target.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "google/protobuf/stubs/logging.h"

namespace records::fuzz {

void Broken(const char* file, int line, absl::string_view what) {
  std::fprintf(stderr, "%s:%d: a promise is broken: %.*s\n", file, line,
               static_cast<int>(what.size()), what.data());
  std::abort();
}

MemoryFile::MemoryFile() : file_(memfd_create("fuzz", MFD_CLOEXEC)) {
  FUZZ_EXPECT(file_ >= 0);
  path_ = absl::StrCat("/proc/self/fd/", file_);
}

MemoryFile::~MemoryFile() { close(file_); }

void MemoryFile::Write(absl::string_view content) {
  FUZZ_EXPECT(ftruncate(file_, 0) == 0);
  const ssize_t written = pwrite(file_, content.data(), content.size(), 0);
  FUZZ_EXPECT(written == static_cast<ssize_t>(content.size()));
}

}  // namespace records::fuzz

// The one entry of libFuzzer.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Protobuf says on standard error what it could not parse: here that is most of what it sees.
  static auto* const silent = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(silent);
  records::fuzz::TestOne({reinterpret_cast<const char*>(data), size});
  return 0;
}
