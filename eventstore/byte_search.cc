#include "eventstore/byte_search.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadSize = size_t{1} << 20;
// New files come as the store writes; each round looks at those alone.
constexpr int kRoundsMax = 10;
constexpr size_t kFilterBits = size_t{1} << 16;

uint16_t FirstTwo(const char* bytes) {
  uint16_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// The pieces of all needles, and a filter over their first two bytes.
class Pieces {
 public:
  absl::Status Add(absl::string_view needle) {
    if (needle.size() < kSearchPieceSize) {
      return absl::InvalidArgumentError("too short to be searched for");
    }
    for (; needle.size() >= kSearchPieceSize; needle.remove_prefix(kSearchPieceSize)) {
      pieces_.emplace(needle.substr(0, kSearchPieceSize));
      filter_->set(FirstTwo(needle.data()));
    }
    return absl::OkStatus();
  }

  bool IsIn(absl::string_view bytes) const {
    for (size_t i = 0; i + kSearchPieceSize <= bytes.size(); ++i) {
      if (!filter_->test(FirstTwo(bytes.data() + i))) continue;
      if (pieces_.contains(bytes.substr(i, kSearchPieceSize))) return true;
    }
    return false;
  }

 private:
  absl::flat_hash_set<absl::string_view> pieces_;  // of the caller's needles
  std::unique_ptr<std::bitset<kFilterBits>> filter_ = std::make_unique<std::bitset<kFilterBits>>();
};

absl::Status Unreadable(const std::string& path) {
  return absl::UnavailableError(absl::StrCat("cannot read ", path, " to search it"));
}

class Descriptor {
 public:
  explicit Descriptor(const std::string& path)
      : number_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }

 private:
  const int number_;
};

// Whether a piece is in the file; adds to the counts.
absl::StatusOr<bool> SearchFile(const std::string& path, const Pieces& pieces,
                                ByteSearchResult& result) {
  const Descriptor file(path);
  if (file.get() < 0) {
    if (errno == ENOENT) return false;
    return Unreadable(path);
  }
  ++result.files;
  bool found = false;
  std::string window;
  std::string piece(kReadSize, '\0');
  while (true) {
    const ssize_t count = read(file.get(), piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Unreadable(path);
    if (count == 0) return found;
    result.bytes += static_cast<uint64_t>(count);
    window.append(piece, 0, static_cast<size_t>(count));
    found = found || pieces.IsIn(window);
    if (window.size() >= kSearchPieceSize) window.erase(0, window.size() - kSearchPieceSize + 1);
  }
}

bool IsSkipped(const fs::path& path, const std::vector<std::string>& skipped) {
  const std::string name = path.filename().string();
  return std::any_of(skipped.begin(), skipped.end(),
                     [&](const std::string& prefix) { return absl::StartsWith(name, prefix); });
}

// Files that are there now. One that goes meanwhile is no error.
absl::StatusOr<std::set<std::string>> ListFiles(const ByteSearchOptions& options) {
  std::set<std::string> files;
  for (const std::string& path : options.paths) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) continue;
    if (!fs::is_directory(status)) {
      files.insert(path);
      continue;
    }
    fs::recursive_directory_iterator entry(path, error);
    for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
      std::error_code gone;
      if (entry->is_regular_file(gone) && !IsSkipped(entry->path(), options.skipped_names)) {
        files.insert(entry->path().string());
      }
    }
    if (error) return Unreadable(path);
  }
  return files;
}

}  // namespace

absl::StatusOr<ByteSearchResult> SearchFiles(const ByteSearchOptions& options,
                                             absl::Span<const absl::string_view> needles) {
  Pieces pieces;
  for (const absl::string_view needle : needles) RETURN_IF_ERROR(pieces.Add(needle));
  ByteSearchResult result;
  std::set<std::string> searched;
  for (int round = 0; round < kRoundsMax; ++round) {
    ASSIGN_OR_RETURN(const std::set<std::string> files, ListFiles(options));
    bool came = false;
    for (const std::string& path : files) {
      if (!searched.insert(path).second) continue;
      came = true;
      ASSIGN_OR_RETURN(const bool found, SearchFile(path, pieces, result));
      if (found && fs::exists(path)) result.found_in.push_back(path);
    }
    if (!came) break;
  }
  return result;
}

}  // namespace records::eventstore
