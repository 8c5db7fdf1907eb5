#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The calls of the kernel, past those that a FaultFileSystem stands in for. As in the C library:
// -1 and errno on an error.
namespace records::faults::system_calls {

inline int Open(int folder, const char* path, int flags, mode_t mode) {
  return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));
}
inline int Close(int file) { return static_cast<int>(syscall(SYS_close, file)); }
inline ssize_t Write(int file, const void* bytes, size_t size) {
  return syscall(SYS_write, file, bytes, size);
}
inline ssize_t WriteAt(int file, const void* bytes, size_t size, off_t at) {
  return syscall(SYS_pwrite64, file, bytes, size, at);
}
inline int Truncate(int file, off_t size) {
  return static_cast<int>(syscall(SYS_ftruncate, file, size));
}
inline int Sync(int file) { return static_cast<int>(syscall(SYS_fsync, file)); }
inline int Rename(const char* from, const char* to) {
  return static_cast<int>(syscall(SYS_rename, from, to));
}
inline int Link(const char* from, const char* to) {
  return static_cast<int>(syscall(SYS_link, from, to));
}
inline int Unlink(int folder, const char* path, int flags) {
  return static_cast<int>(syscall(SYS_unlinkat, folder, path, flags));
}
inline int MakeFolder(const char* path, mode_t mode) {
  return static_cast<int>(syscall(SYS_mkdir, path, mode));
}

}  // namespace records::faults::system_calls
