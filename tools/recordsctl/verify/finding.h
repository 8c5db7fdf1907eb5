#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/recordsctl/verify/format.h"

namespace records::tools::verify {

// What kind of damage it is, the least important first. The names are part of the JSON output.
enum class Code {
  kEnvelope,       // an event that the server would not have written
  kUnexpectedRow,  // a row that the format does not have
  kIndexRowExtra,  // a row of streams or requests without an event
  kIndexRowMissing,
  kIndexRowWrong,
  kTileExtra,
  kTileMissing,
  kTileDiffers,
  kDuplicateId,
  kClockBackwards,
  kRevisionGap,
  kAppendIncomplete,
  kEventMisplaced,  // position or partition is not that of its key
  kEventUnreadable,
  kSequenceGap,
  kKeyStore,
  kErasureLedger,  // altered, or behind what anchors and checkpoints know
  kMeta,
  kAnchorBehind,
  kAnchorDamaged,
  kCheckpointDamaged,
  kSignature,
  kOtherLog,
  kRootDiffers,
  kShorterThanAnchor,
  kShorterThanCheckpoint,
  kFileDamaged,
  kBackupManifest,  // a backup is not what its manifest says
};

const char* NameOf(Code code);

// Where it is; what does not apply is absent.
struct Place {
  std::optional<Ledger> ledger;
  std::optional<uint32_t> partition;
  std::optional<uint64_t> sequence;
  std::string file;  // file or table, from the data folder on
};

inline Place At(Ledger ledger, uint32_t partition) { return {ledger, partition, {}, {}}; }
inline Place At(Ledger ledger, uint32_t partition, uint64_t sequence) {
  return {ledger, partition, sequence, {}};
}
inline Place In(std::string file) { return {{}, {}, {}, std::move(file)}; }

// "partition 3 of events, sequence 17".
std::string Describe(const Place& place);

struct Finding {
  Code code;
  Place place;
  std::string message;  // what it is and what it means; never a key, an id of a person or a payload
};

// Keeps the first findings of each kind, and counts all.
//
// Not thread-safe.
class Findings {
 public:
  explicit Findings(size_t kept_per_code) : kept_per_code_(kept_per_code) {}

  void Add(Code code, Place place, std::string message);

  bool empty() const { return count_ == 0; }
  uint64_t count() const { return count_; }
  uint64_t omitted() const;
  uint64_t CountOf(Code code) const;
  // The most important last.
  std::vector<Finding> Sorted() const;

 private:
  size_t kept_per_code_;
  uint64_t count_ = 0;
  std::map<Code, uint64_t> counts_;
  std::map<Code, std::vector<Finding>> kept_;
};

}  // namespace records::tools::verify
