#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace records::eventstore {

// Needles are looked for by pieces of this size, so that one which a file format cuts in two, as a
// write-ahead log does at its blocks, is found all the same.
inline constexpr size_t kSearchPieceSize = 12;

// What was searched, and where something was found.
struct ByteSearchResult {
  uint64_t files = 0;
  uint64_t bytes = 0;
  std::vector<std::string> found_in;  // paths, each once
};

struct ByteSearchOptions {
  std::vector<std::string> paths;  // files and folders, with all below; an absent one holds nothing
  // Files whose name begins with one of these are not read.
  std::vector<std::string> skipped_names;
};

// Reads every file and looks for any piece of any needle. Files that come while it reads are read
// too; one that goes is no longer searched. Needles must hold random bytes and at least one piece;
// what is left over behind the last whole piece is not looked for.
//   kInvalidArgument  a needle is too short
//   kUnavailable      a file cannot be read: nothing can be said then
absl::StatusOr<ByteSearchResult> SearchFiles(const ByteSearchOptions& options,
                                             absl::Span<const absl::string_view> needles);

}  // namespace records::eventstore
