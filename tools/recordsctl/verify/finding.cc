#include "tools/recordsctl/verify/finding.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace records::tools::verify {
namespace {

constexpr std::pair<Code, const char*> kNames[] = {
    {Code::kEnvelope, "ENVELOPE"},
    {Code::kUnexpectedRow, "UNEXPECTED_ROW"},
    {Code::kIndexRowExtra, "INDEX_ROW_EXTRA"},
    {Code::kIndexRowMissing, "INDEX_ROW_MISSING"},
    {Code::kIndexRowWrong, "INDEX_ROW_WRONG"},
    {Code::kTileExtra, "TILE_EXTRA"},
    {Code::kTileMissing, "TILE_MISSING"},
    {Code::kTileDiffers, "TILE_DIFFERS"},
    {Code::kDuplicateId, "DUPLICATE_ID"},
    {Code::kClockBackwards, "CLOCK_BACKWARDS"},
    {Code::kRevisionGap, "REVISION_GAP"},
    {Code::kAppendIncomplete, "APPEND_INCOMPLETE"},
    {Code::kEventMisplaced, "EVENT_MISPLACED"},
    {Code::kEventUnreadable, "EVENT_UNREADABLE"},
    {Code::kSequenceGap, "SEQUENCE_GAP"},
    {Code::kKeyStore, "KEY_STORE"},
    {Code::kErasureLedger, "ERASURE_LEDGER"},
    {Code::kMeta, "META"},
    {Code::kAnchorBehind, "ANCHOR_BEHIND"},
    {Code::kAnchorDamaged, "ANCHOR_DAMAGED"},
    {Code::kCheckpointDamaged, "CHECKPOINT_DAMAGED"},
    {Code::kSignature, "SIGNATURE"},
    {Code::kOtherLog, "OTHER_LOG"},
    {Code::kRootDiffers, "ROOT_DIFFERS"},
    {Code::kShorterThanAnchor, "SHORTER_THAN_ANCHOR"},
    {Code::kShorterThanCheckpoint, "SHORTER_THAN_CHECKPOINT"},
    {Code::kFileDamaged, "FILE_DAMAGED"},
    {Code::kBackupManifest, "BACKUP_MANIFEST"},
};

}  // namespace

const char* NameOf(Code code) {
  for (const auto& [known, name] : kNames) {
    if (known == code) return name;
  }
  return "UNKNOWN";
}

std::string Describe(const Place& place) {
  std::vector<std::string> parts;
  if (!place.file.empty()) parts.push_back(place.file);
  if (place.ledger && place.partition) {
    parts.push_back(absl::StrCat("partition ", *place.partition, " of ", NameOf(*place.ledger)));
  } else if (place.ledger) {
    parts.push_back(NameOf(*place.ledger));
  }
  if (place.sequence) parts.push_back(absl::StrCat("sequence ", *place.sequence));
  return absl::StrJoin(parts, ", ");
}

void Findings::Add(Code code, Place place, std::string message) {
  ++count_;
  ++counts_[code];
  std::vector<Finding>& kept = kept_[code];
  if (kept.size() < kept_per_code_) kept.push_back({code, std::move(place), std::move(message)});
}

uint64_t Findings::omitted() const {
  uint64_t kept = 0;
  for (const auto& [code, findings] : kept_) kept += findings.size();
  return count_ - kept;
}

uint64_t Findings::CountOf(Code code) const {
  const auto found = counts_.find(code);
  return found == counts_.end() ? 0 : found->second;
}

std::vector<Finding> Findings::Sorted() const {
  std::vector<Finding> sorted;
  for (const auto& [code, findings] : kept_) {
    sorted.insert(sorted.end(), findings.rbegin(), findings.rend());
  }
  return sorted;
}

}  // namespace records::tools::verify
