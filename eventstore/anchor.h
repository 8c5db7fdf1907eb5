#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/anchor_file.h"
#include "eventstore/ids.h"
#include "eventstore/limits.h"
#include "eventstore/merkle.h"

namespace records::eventstore {

// Longest payload of an anchor.
inline constexpr size_t kAnchorPayloadMax = 8192;

// What an anchor file says.
struct AnchorReading {
  std::string payload;
  // Counts the writes.
  uint64_t generation = 0;
  // False when the other copy is damaged, as after a crash in the midst of a write.
  bool both_copies_valid = false;
};

// A small file outside the database that says how far the database had come, so that a start can
// tell when the database has lost something: two copies, written in turn, so that a torn write
// leaves the other.
//
// Each copy lies in 12 KiB of its own: magic, format version, payload length, generation, SHA-256
// of all of it, payload. Generation g lies in copy g mod 2.
//
// Not thread-safe; one process at a time may write. After a failed Write() the outcome is unknown:
// every later one fails, and the process should end (a later sync could report success for what is
// not there).
class Anchor {
 public:
  // Creates the file with `payload` in both copies. OK means that it is on the disk.
  // kAlreadyExists: it is not touched. kInvalidArgument: `payload` is too long.
  static absl::Status Create(AnchorFiles& files, const std::string& path,
                             absl::string_view payload);

  // Reads the newest valid copy and writes nothing.
  // kNotFound: no file. kDataLoss: neither copy is valid. kFailedPrecondition: a copy of a format
  // version that this program does not know.
  static absl::StatusOr<AnchorReading> Read(AnchorFiles& files, const std::string& path);

  // Opens the file for writing. Writes the newest copy again, byte for byte, and syncs it: what was
  // read may have been in the kernel's memory only, since a sync of the process before that failed.
  // Errors: as for Read(), and those of writing. `files` must outlive the anchor.
  static absl::StatusOr<std::unique_ptr<Anchor>> Open(AnchorFiles& files, const std::string& path);

  // Replaces the payload. OK means that it is on the disk.
  // kInvalidArgument: `payload` is too long; nothing was written. Any other error: outcome unknown.
  absl::Status Write(absl::string_view payload);

  // What was read at Open() or written since.
  const AnchorReading& reading() const { return reading_; }

 private:
  Anchor(std::unique_ptr<AnchorFile> file, AnchorReading reading)
      : file_(std::move(file)), reading_(std::move(reading)) {}

  absl::Status WriteCopy(uint64_t generation, absl::string_view payload);

  std::unique_ptr<AnchorFile> file_;
  AnchorReading reading_;
  // Not OK once a write has failed.
  absl::Status state_;
};

// How far a tree had come.
struct TreeHead {
  uint64_t size = 0;
  Hash root = EmptyRoot();

  friend bool operator==(const TreeHead&, const TreeHead&) = default;
};

// Format version of LogAnchor that this program writes; it reads no other.
inline constexpr uint32_t kLogAnchorVersion = 1;

// Events and access traces have a tree for each partition.
inline constexpr size_t kLogAnchorTreesMax = 2 * size_t{kPartitionsMax};

// What the anchor of the log says.
struct LogAnchor {
  StoreId store;
  // In the order that the log gives them.
  std::vector<TreeHead> trees;
  // How far the key store had come: a log never outlives a newer key store.
  uint64_t key_store_sequence = 0;
  // How far the erasure ledger had come; the head is the ledger's own hash.
  uint64_t erasure_ledger_size = 0;
  Digest erasure_ledger_head{};

  friend bool operator==(const LogAnchor&, const LogAnchor&) = default;
};

// Returns the payload. kInvalidArgument: a nil store, no tree or too many, a size that is no
// tree's, or an empty tree with another root than EmptyRoot().
absl::StatusOr<std::string> EncodeLogAnchor(const LogAnchor& anchor);

// Reads a payload. kFailedPrecondition: another format version. kDataLoss: anything else that
// EncodeLogAnchor() does not return.
absl::StatusOr<LogAnchor> DecodeLogAnchor(absl::string_view payload);

}  // namespace records::eventstore
