// The calls of the C library that change or read files, for test programs with a FaultFileSystem:
// it hears of those that are about its folder; all others go to the kernel as ever. Defined in the
// program, they come before the library's, also for RocksDB and libstdc++ (symbol interposition,
// ELF gABI).
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>

#include "tests/faults/fault_file_system.h"
#include "tests/faults/system_calls.h"

namespace {

using records::faults::FaultFileSystem;
namespace system_calls = records::faults::system_calls;

// What the file system says, or else what the kernel does.
template <typename Ask, typename Call>
auto Either(Ask ask, Call call) -> decltype(call()) {
  if (FaultFileSystem* const files = FaultFileSystem::Current()) {
    if (const FaultFileSystem::Outcome outcome = ask(*files)) {
      return static_cast<decltype(call())>(*outcome);
    }
  }
  return call();
}

int OpenFile(int folder, const char* path, int flags, mode_t mode) {
  return Either([&](FaultFileSystem& files) { return files.Open(folder, path, flags, mode); },
                [&] { return system_calls::Open(folder, path, flags, mode); });
}

mode_t ModeOf(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

FILE* OpenStream(const char* path, const char* mode) {
  int flags = O_RDONLY;
  const bool both = strchr(mode, '+') != nullptr;
  if (mode[0] == 'r' && both) flags = O_RDWR;
  if (mode[0] == 'w') flags = (both ? O_RDWR : O_WRONLY) | O_CREAT | O_TRUNC;
  if (mode[0] == 'a') flags = (both ? O_RDWR : O_WRONLY) | O_CREAT | O_APPEND;
  if (strchr(mode, 'e') != nullptr) flags |= O_CLOEXEC;
  if (strchr(mode, 'x') != nullptr) flags |= O_EXCL;
  const int file = OpenFile(AT_FDCWD, path, flags, 0666);
  return file < 0 ? nullptr : fdopen(file, mode);
}

// Whether a read of that file fails.
bool ReadFails(int file) {
  FaultFileSystem* const files = FaultFileSystem::Current();
  return files != nullptr && files->Read(file).has_value();
}

ssize_t WriteFile(int file, const void* bytes, size_t size) {
  return Either(
      [&](FaultFileSystem& files) { return files.Write(file, bytes, size, std::nullopt); },
      [&] { return system_calls::Write(file, bytes, size); });
}

ssize_t WriteFileAt(int file, const void* bytes, size_t size, off_t at) {
  return Either([&](FaultFileSystem& files) { return files.Write(file, bytes, size, at); },
                [&] { return system_calls::WriteAt(file, bytes, size, at); });
}

int SyncFile(int file) {
  return Either([&](FaultFileSystem& files) { return files.Sync(file); },
                [&] { return system_calls::Sync(file); });
}

int RemoveName(int folder, const char* path, int flags) {
  return Either(
      [&](FaultFileSystem& files) { return files.Delete(folder, path, flags == AT_REMOVEDIR); },
      [&] { return system_calls::Unlink(folder, path, flags); });
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  return OpenFile(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  return OpenFile(folder, path, flags, mode);
}

FILE* fopen(const char* path, const char* mode) { return OpenStream(path, mode); }
FILE* fopen64(const char* path, const char* mode) { return OpenStream(path, mode); }

int close(int file) {
  return Either([&](FaultFileSystem& files) { return files.Close(file); },
                [&] { return system_calls::Close(file); });
}

ssize_t read(int file, void* bytes, size_t size) {
  return ReadFails(file) ? -1 : syscall(SYS_read, file, bytes, size);
}
ssize_t pread(int file, void* bytes, size_t size, off_t at) {
  return ReadFails(file) ? -1 : syscall(SYS_pread64, file, bytes, size, at);
}
// RocksDB's way to read from the beginning to the end. What it looks at is the end of the file,
// which is not reached, and errno.
size_t fread_unlocked(void* bytes, size_t size, size_t count, FILE* file) {
  if (ReadFails(fileno_unlocked(file))) return 0;
  static const auto real =
      reinterpret_cast<decltype(&fread_unlocked)>(dlsym(RTLD_NEXT, "fread_unlocked"));
  return real(bytes, size, count, file);
}

ssize_t write(int file, const void* bytes, size_t size) { return WriteFile(file, bytes, size); }
ssize_t pwrite(int file, const void* bytes, size_t size, off_t at) {
  return WriteFileAt(file, bytes, size, at);
}

ssize_t writev(int file, const struct iovec* pieces, int count) {
  FaultFileSystem* const files = FaultFileSystem::Current();
  if (files == nullptr || !files->Tracks(file)) {
    return syscall(SYS_writev, file, pieces, count);
  }
  // One piece: a caller must go on after a short write anyway.
  for (int i = 0; i < count; ++i) {
    if (pieces[i].iov_len > 0) return WriteFile(file, pieces[i].iov_base, pieces[i].iov_len);
  }
  return 0;
}

// Callers copy by hand when the system cannot.
ssize_t sendfile(int to, int from, off_t* offset, size_t size) noexcept {
  FaultFileSystem* const files = FaultFileSystem::Current();
  if (files == nullptr || !files->Tracks(to)) return syscall(SYS_sendfile, to, from, offset, size);
  errno = EINVAL;
  return -1;
}
ssize_t copy_file_range(int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size,
                        unsigned int flags) {
  FaultFileSystem* const files = FaultFileSystem::Current();
  if (files == nullptr || !files->Tracks(to)) {
    return syscall(SYS_copy_file_range, from, from_offset, to, to_offset, size, flags);
  }
  errno = EINVAL;
  return -1;
}

int ftruncate(int file, off_t size) noexcept {
  return Either([&](FaultFileSystem& files) { return files.Truncate(file, size); },
                [&] { return system_calls::Truncate(file, size); });
}

int truncate(const char* path, off_t size) noexcept {
  const int file = OpenFile(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  if (file < 0) return -1;
  const int result = ftruncate(file, size);
  const int error = errno;
  close(file);
  errno = error;
  return result;
}

int fsync(int file) { return SyncFile(file); }
int fdatasync(int file) { return SyncFile(file); }

int sync_file_range(int file, off64_t from, off64_t size, unsigned int flags) {
  return Either(
      [&](FaultFileSystem& files) { return files.RangeSync(file, size); },
      [&] { return static_cast<int>(syscall(SYS_sync_file_range, file, from, size, flags)); });
}

int rename(const char* from, const char* to) noexcept {
  return Either([&](FaultFileSystem& files) { return files.Rename(from, to); },
                [&] { return system_calls::Rename(from, to); });
}

int link(const char* from, const char* to) noexcept {
  return Either([&](FaultFileSystem& files) { return files.Link(from, to); },
                [&] { return system_calls::Link(from, to); });
}

int unlink(const char* path) noexcept { return RemoveName(AT_FDCWD, path, 0); }
int rmdir(const char* path) noexcept { return RemoveName(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int folder, const char* path, int flags) noexcept {
  return RemoveName(folder, path, flags);
}
int remove(const char* path) noexcept {
  const int result = RemoveName(AT_FDCWD, path, 0);
  if (result == 0 || (errno != EISDIR && errno != EPERM)) return result;
  return RemoveName(AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdir(const char* path, mode_t mode) noexcept {
  return Either([&](FaultFileSystem& files) { return files.MakeFolder(path, mode); },
                [&] { return system_calls::MakeFolder(path, mode); });
}

// RocksDB waits a second after each error in the background, and here errors are the rule.
int usleep(useconds_t microseconds) {  // lint: allow(sleep) RocksDB's, cut short
  const timespec wait{0, static_cast<long>(std::min<useconds_t>(microseconds, 1'000)) * 1'000};
  return clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, nullptr);  // lint: allow(sleep) see above
}

}  // extern "C"
