#include "eventstore/disk_space.h"

#include <sys/statvfs.h>

#include <cerrno>

#include "absl/status/status.h"

namespace records::eventstore {

absl::StatusOr<uint64_t> FileSystemSpace::AvailableBytes() const {
  struct statvfs space {};
  if (statvfs(path_.c_str(), &space) != 0) {
    return absl::ErrnoToStatus(errno, "the free space of the data folder's disk is unknown");
  }
  return uint64_t{space.f_bavail} * space.f_frsize;
}

}  // namespace records::eventstore
