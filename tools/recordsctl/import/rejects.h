#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "tools/recordsctl/import/nyc311.h"

namespace records::tools {

// The rows that were not taken, as CSV: lines, key, reason, what to do. What a row says is not
// copied: it may be personal.
//
// Thread-safe. The file is made at the first reject, for its owner only, and replaces an older one.
class RejectsFile {
 public:
  explicit RejectsFile(std::string path) : path_(std::move(path)) {}

  void Add(const RowReject& reject);

  // Closes the file; without a reject, removes the one of an earlier run. kUnavailable: it could
  // not be written.
  absl::Status Close();

  uint64_t count() const;
  const std::string& path() const { return path_; }

 private:
  void Open() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  mutable absl::Mutex mutex_;
  std::ofstream file_ ABSL_GUARDED_BY(mutex_);
  uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
};

// One field of CSV, quoted where it must be.
std::string CsvField(absl::string_view text);

}  // namespace records::tools
