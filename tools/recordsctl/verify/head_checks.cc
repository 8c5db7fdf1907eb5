#include "tools/recordsctl/verify/head_checks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tools/recordsctl/verify/hashes.h"

namespace records::tools::verify {
namespace {

constexpr uint64_t kTileLeaves = kTileWidth;

// Where a change may lie when the root of the first `size` events is another.
std::string WhereChanged(const TreeResult& tree, uint64_t size) {
  if (!tree.tiles_are_equal) return "the TILE_DIFFERS of this partition say where";
  const uint64_t first = size / kTileLeaves * kTileLeaves + 1;
  if (first > size) return "the stored tiles were changed with the events";
  return absl::StrCat("the change is among sequences ", first, " to ", size,
                      ", or the stored tiles were changed with the events");
}

void CheckHead(const Claim& claim, const TreeHead& head, const TreeResult& tree,
               Findings& findings) {
  const Place place = At(tree.ledger, tree.partition);
  if (tree.size < head.size) {
    findings.Add(claim.shorter, place,
                 absl::StrCat("the log is shorter than ", claim.source, ": ", tree.size,
                              " events, not ", head.size, "; ", claim.meaning));
    return;
  }
  if (!tree.has_all_events) return;  // a SEQUENCE_GAP says so
  const auto mark = tree.marks.find(head.size);
  const Hash root = mark == tree.marks.end() ? EmptyRoot() : mark->second.root;
  if (root != head.root) {
    findings.Add(Code::kRootDiffers, place,
                 absl::StrCat("the first ", head.size, " events are not those that ", claim.source,
                              " vouches for: ", WhereChanged(tree, head.size)));
  } else if (mark != tree.marks.end() && !mark->second.ends_append) {
    findings.Add(Code::kAppendIncomplete, At(tree.ledger, tree.partition, head.size),
                 absl::StrCat(claim.source, " ends there, within an append"));
  }
}

}  // namespace

void AddMarks(const Claim& claim, std::vector<std::set<uint64_t>>& marks) {
  for (size_t i = 0; i < std::min(marks.size(), claim.trees.size()); ++i) {
    marks[i].insert(claim.trees[i].size);
  }
}

void CheckClaim(const Claim& claim, const std::vector<TreeResult>& trees, Findings& findings) {
  if (claim.trees.size() != trees.size()) {
    findings.Add(
        Code::kOtherLog, In(claim.source),
        absl::StrCat("it tells of ", claim.trees.size(), " trees; the log has ", trees.size()));
    return;
  }
  for (size_t i = 0; i < trees.size(); ++i) CheckHead(claim, claim.trees[i], trees[i], findings);
}

void CheckAhead(const LogAnchor& anchor, const std::vector<TreeResult>& trees, Findings& findings) {
  if (anchor.trees.size() != trees.size()) return;  // CheckClaim() says so
  uint64_t ahead = 0;
  for (size_t i = 0; i < trees.size(); ++i) {
    if (trees[i].size > anchor.trees[i].size) ahead += trees[i].size - anchor.trees[i].size;
  }
  if (ahead <= kBatchEventsMax) return;
  findings.Add(Code::kAnchorBehind, In("log.anchor"),
               absl::StrCat("the log holds ", ahead,
                            " events more than the anchor says, and a "
                            "batch at most ",
                            kBatchEventsMax,
                            ": the anchor is an old one, or the log was written by another"));
}

void CheckAnchorReaches(const LogAnchor& anchor, const SignedCheckpoint& checkpoint,
                        Findings& findings) {
  if (anchor.trees.size() != checkpoint.trees.size()) return;
  for (size_t i = 0; i < anchor.trees.size(); ++i) {
    if (anchor.trees[i].size >= checkpoint.trees[i].size) continue;
    const size_t half = anchor.trees.size() / 2;
    findings.Add(
        Code::kAnchorBehind,
        Place{i < half ? Ledger::kEvents : Ledger::kAccess,
              static_cast<uint32_t>(i % half),
              {},
              "log.anchor"},
        absl::StrCat("it says ", anchor.trees[i].size,
                     " events, checkpoint.latest, "
                     "signed after it, ",
                     checkpoint.trees[i].size, ": the anchor was put back to an older one"));
  }
}

}  // namespace records::tools::verify
