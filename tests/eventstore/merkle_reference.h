#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/merkle.h"

namespace records::eventstore {

// The recursive definitions of RFC 6962 section 2.1, word for word, over leaves in memory.
class MerkleReference {
 public:
  explicit MerkleReference(std::vector<Hash> leaves) : leaves_(std::move(leaves)) {}

  // Leaves "leaf 0" to "leaf count-1".
  static MerkleReference OfCount(size_t count) {
    std::vector<Hash> leaves;
    for (size_t i = 0; i < count; ++i) leaves.push_back(HashLeaf(absl::StrCat("leaf ", i)));
    return MerkleReference(std::move(leaves));
  }

  const std::vector<Hash>& leaves() const { return leaves_; }

  Hash Root(size_t size) { return size == 0 ? EmptyRoot() : TreeHash(0, size); }

  // MTH(D[begin:end]).
  const Hash& TreeHash(size_t begin, size_t end) {
    if (end - begin == 1) return leaves_[begin];
    const auto found = known_.find({begin, end});
    if (found != known_.end()) return found->second;
    const size_t k = LargestPowerBelow(end - begin);
    const Hash hash = HashNode(TreeHash(begin, begin + k), TreeHash(begin + k, end));
    return known_.emplace(std::make_pair(begin, end), hash).first->second;
  }

  // PATH(m, D[begin:end]).
  std::vector<Hash> Path(size_t m, size_t begin, size_t end) {
    if (end - begin == 1) return {};
    const size_t k = LargestPowerBelow(end - begin);
    std::vector<Hash> path;
    if (m < k) {
      path = Path(m, begin, begin + k);
      path.push_back(TreeHash(begin + k, end));
    } else {
      path = Path(m - k, begin + k, end);
      path.push_back(TreeHash(begin, begin + k));
    }
    return path;
  }

  // SUBPROOF(m, D[begin:end], b).
  std::vector<Hash> Subproof(size_t m, size_t begin, size_t end, bool b) {
    if (m == end - begin) return b ? std::vector<Hash>() : std::vector<Hash>{TreeHash(begin, end)};
    const size_t k = LargestPowerBelow(end - begin);
    std::vector<Hash> proof;
    if (m <= k) {
      proof = Subproof(m, begin, begin + k, b);
      proof.push_back(TreeHash(begin + k, end));
    } else {
      proof = Subproof(m - k, begin + k, end, false);
      proof.push_back(TreeHash(begin, begin + k));
    }
    return proof;
  }

 private:
  static size_t LargestPowerBelow(size_t n) {
    size_t k = 1;
    while (2 * k < n) k *= 2;
    return k;
  }

  std::vector<Hash> leaves_;
  std::map<std::pair<size_t, size_t>, Hash> known_;
};

// Perfect subtrees of the reference.
class ReferenceSource final : public NodeSource {
 public:
  explicit ReferenceSource(MerkleReference& reference) : reference_(reference) {}

  absl::StatusOr<Hash> Node(uint32_t level, uint64_t index) override {
    if ((index + 1) << level > reference_.leaves().size()) {
      return absl::OutOfRangeError("no such node");
    }
    return reference_.TreeHash(index << level, (index + 1) << level);
  }

 private:
  MerkleReference& reference_;
};

}  // namespace records::eventstore
