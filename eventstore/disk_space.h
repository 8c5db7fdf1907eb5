#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace records::eventstore {

// How much room the disk of a store has.
//
// Thread-safe.
class DiskSpace {
 public:
  virtual ~DiskSpace() = default;

  // Bytes that this process may still write there. Errors: the disk cannot be asked.
  [[nodiscard]] virtual absl::StatusOr<uint64_t> AvailableBytes() const = 0;
};

// Asks the file system (statvfs).
class FileSystemSpace final : public DiskSpace {
 public:
  explicit FileSystemSpace(std::string path) : path_(std::move(path)) {}
  absl::StatusOr<uint64_t> AvailableBytes() const override;

 private:
  const std::string path_;
};

}  // namespace records::eventstore
