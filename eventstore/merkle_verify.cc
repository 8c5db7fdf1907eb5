#include <bit>

#include "eventstore/merkle.h"

// Shares nothing with the code that makes proofs but HashNode(). Names follow RFC 9162 section 2.1.

namespace records::eventstore {
namespace {

absl::Status NotShown() { return absl::DataLossError("the proof does not show what it should"); }

bool IsOdd(uint64_t number) { return (number & 1) != 0; }

// Where a walk up the tree stands: a node, and the last node, of the level.
struct Walk {
  uint64_t node;
  uint64_t last;

  void Up() {
    node >>= 1;
    last >>= 1;
  }

  // Skips the levels where the node has no right neighbour and is not a right child itself.
  void UpToRightChild() {
    while (!IsOdd(node) && node != 0) Up();
  }
};

}  // namespace

absl::Status VerifyInclusion(const Hash& leaf, uint64_t index, uint64_t size,
                             absl::Span<const Hash> proof, const Hash& root) {
  if (index >= size) return absl::InvalidArgumentError("the tree has no such leaf");
  Walk walk{index, size - 1};
  Hash computed = leaf;
  for (const Hash& sibling : proof) {
    if (walk.last == 0) return NotShown();
    if (IsOdd(walk.node) || walk.node == walk.last) {
      computed = HashNode(sibling, computed);
      walk.UpToRightChild();
    } else {
      computed = HashNode(computed, sibling);
    }
    walk.Up();
  }
  if (walk.last != 0 || computed != root) return NotShown();
  return absl::OkStatus();
}

absl::Status VerifyConsistency(uint64_t old_size, uint64_t new_size, absl::Span<const Hash> proof,
                               const Hash& old_root, const Hash& new_root) {
  if (old_size == 0 || old_size > new_size) {
    return absl::InvalidArgumentError("consistency is from 1 or more leaves to as many or more");
  }
  if (old_size == new_size) {
    return proof.empty() && old_root == new_root ? absl::OkStatus() : NotShown();
  }
  if (proof.empty()) return NotShown();
  Walk walk{old_size - 1, new_size - 1};
  while (IsOdd(walk.node)) walk.Up();
  // An old tree that is perfect is its own first node, and the proof leaves it out.
  Hash start = old_root;
  if (!std::has_single_bit(old_size)) {
    start = proof.front();
    proof.remove_prefix(1);
  }
  Hash computed_old = start;
  Hash computed_new = start;
  for (const Hash& sibling : proof) {
    if (walk.last == 0) return NotShown();
    if (IsOdd(walk.node) || walk.node == walk.last) {
      computed_old = HashNode(sibling, computed_old);
      computed_new = HashNode(sibling, computed_new);
      walk.UpToRightChild();
    } else {
      computed_new = HashNode(computed_new, sibling);
    }
    walk.Up();
  }
  if (walk.last != 0 || computed_old != old_root || computed_new != new_root) return NotShown();
  return absl::OkStatus();
}

}  // namespace records::eventstore
