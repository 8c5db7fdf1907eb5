#pragma once

#include <set>
#include <string>
#include <vector>

#include "tools/recordsctl/verify/anchor_reader.h"
#include "tools/recordsctl/verify/finding.h"
#include "tools/recordsctl/verify/partition_walk.h"

// The trees that were computed, compared with what anchors and checkpoints say. Pure.
namespace records::tools::verify {

// Heads that somebody vouches for.
struct Claim {
  std::string source;  // "log.anchor", or the name of a file
  std::vector<TreeHead> trees;
  Code shorter = Code::kShorterThanAnchor;
  // What it means when the log does not reach it.
  std::string meaning;
};

// Adds the sizes of the claim to the marks of each tree.
void AddMarks(const Claim& claim, std::vector<std::set<uint64_t>>& marks);

// Each tree is at least as long as claimed, and its root there is the claimed one.
void CheckClaim(const Claim& claim, const std::vector<TreeResult>& trees, Findings& findings);

// Together the trees are at most one batch ahead of the anchor.
void CheckAhead(const LogAnchor& anchor, const std::vector<TreeResult>& trees, Findings& findings);

// The anchor is not older than a checkpoint that was signed after it.
void CheckAnchorReaches(const LogAnchor& anchor, const SignedCheckpoint& checkpoint,
                        Findings& findings);

}  // namespace records::tools::verify
