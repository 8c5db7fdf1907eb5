#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/recordsctl/verify/note_reader.h"

// Anchors: the small files beside a database that say how far it had come (FORMAT.md, Anchor file).
namespace records::tools::verify {

struct AnchorReading {
  std::string payload;
  uint64_t generation = 0;
  bool both_copies_valid = false;
};

// Reads the newest valid copy; writes nothing, and may be used beside a running server.
// kNotFound: no such file. kPermissionDenied: it may not be read. kDataLoss: neither copy is valid.
absl::StatusOr<AnchorReading> ReadAnchor(const std::string& path);

struct LogAnchor {
  std::string store;  // 16 bytes
  uint64_t key_store_sequence = 0;
  TreeHead erasures;  // of the erasure ledger; no tree, but of the same form
  std::vector<TreeHead> trees;
};
// kDataLoss: not the anchor of a log.
absl::StatusOr<LogAnchor> ParseLogAnchor(absl::string_view payload);

struct KeyStoreAnchor {
  std::string store;  // 16 bytes
  uint64_t sequence = 0;
  std::string hash;  // 32 bytes
  TreeHead erasures;
};
// kDataLoss: not the anchor of a key store.
absl::StatusOr<KeyStoreAnchor> ParseKeyStoreAnchor(absl::string_view payload);

// Reads a file of at most `bytes_max`. kNotFound, kPermissionDenied, kUnavailable;
// kResourceExhausted: it is longer.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t bytes_max);

}  // namespace records::tools::verify
