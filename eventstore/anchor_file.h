#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace records::eventstore {

// An open file that is overwritten in place: the port between an anchor and the disk.
//
// Not thread-safe. Closed at destruction.
class AnchorFile {
 public:
  virtual ~AnchorFile() = default;

  // Returns up to `size` bytes from `offset` on; fewer only at the end of the file.
  [[nodiscard]] virtual absl::StatusOr<std::string> Read(uint64_t offset, size_t size) = 0;

  // Writes all of `bytes` at `offset`; not durable before Sync(). On an error any part may be
  // written.
  [[nodiscard]] virtual absl::Status Write(uint64_t offset, absl::string_view bytes) = 0;

  // OK means that all written bytes are on the disk. After an error what is there is unknown.
  [[nodiscard]] virtual absl::Status Sync() = 0;
};

// Where anchor files are.
//
// Thread-safe. Must outlive the files that it opened.
class AnchorFiles {
 public:
  enum class Access { kReadOnly, kReadWrite };

  virtual ~AnchorFiles() = default;

  // kNotFound: there is no such file.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<AnchorFile>> Open(const std::string& path,
                                                                         Access access) = 0;

  // Creates a file with `content`, readable by its owner only (0600). OK means that file and name
  // are on the disk; after a crash the file is there as a whole or not at all. kAlreadyExists: it
  // is not touched.
  [[nodiscard]] virtual absl::Status Create(const std::string& path, absl::string_view content) = 0;
};

// Returns the files of the machine. Lives as long as the process.
AnchorFiles& PosixAnchorFiles();

}  // namespace records::eventstore
