#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eventstore/crypto.h"

// The Merkle tree of RFC 6962 section 2.1 over the stored bytes of events, unchanged: a tree of our
// own making would need a proof of its own.
//
// A node is named by {level, index}: it covers the leaves [index << level, (index + 1) << level),
// level 0 being the leaves. Only whole (perfect) subtrees are nodes; the ragged right edge is
// folded when asked.

namespace records::eventstore {

using Hash = Digest;

// More leaves than any log will have; keeps every shift in range.
inline constexpr uint64_t kMaxTreeSize = uint64_t{1} << 62;

// SHA-256(0x00 || data).
Hash HashLeaf(absl::string_view data);

// SHA-256(0x01 || left || right).
Hash HashNode(const Hash& left, const Hash& right);

// The root of the tree without leaves: SHA-256 of nothing.
Hash EmptyRoot();

// The right edge of a growing tree: the least that must be kept to append leaves and to know the
// root. One hash for each set bit of the size.
//
// A value type; const methods are thread-safe.
class Frontier {
 public:
  // The tree without leaves.
  Frontier() = default;

  // From the hashes of the perfect subtrees, largest first.
  // kInvalidArgument: not one for each set bit of `size`, or `size` over kMaxTreeSize.
  static absl::StatusOr<Frontier> FromNodes(uint64_t size, std::vector<Hash> nodes);

  // Reads what Serialise() wrote. kDataLoss: anything else.
  static absl::StatusOr<Frontier> Parse(absl::string_view bytes);

  // Returns the size (8 bytes, big-endian), then the nodes.
  std::string Serialise() const;

  // Adds the next leaf. REQUIRES: size() < kMaxTreeSize.
  void Append(const Hash& leaf) {
    Append(leaf, [](uint32_t, uint64_t, const Hash&) {});
  }

  // Adds the next leaf and calls `on_node(level, index, hash)` for it and for each node it
  // completes.
  template <typename OnNode>
  void Append(const Hash& leaf, OnNode on_node) {
    Hash hash = leaf;
    uint32_t level = 0;
    on_node(level, size_, hash);
    for (; (size_ >> level) & 1; ++level) {
      hash = HashNode(nodes_.back(), hash);
      nodes_.pop_back();
      on_node(level + 1, size_ >> (level + 1), hash);
    }
    nodes_.push_back(hash);
    ++size_;
  }

  uint64_t size() const { return size_; }

  // The root of the tree of size() leaves.
  Hash Root() const;

  // The hashes of the perfect subtrees, largest first.
  const std::vector<Hash>& nodes() const { return nodes_; }

  friend bool operator==(const Frontier&, const Frontier&) = default;

 private:
  uint64_t size_ = 0;
  std::vector<Hash> nodes_;
};

// Where the hashes of a tree are read from.
//
// An implementation says whether it is thread-safe.
class NodeSource {
 public:
  virtual ~NodeSource() = default;

  // Returns the hash of the perfect subtree {level, index}.
  // kOutOfRange: the tree has no such node. Other errors: the hash could not be read.
  virtual absl::StatusOr<Hash> Node(uint32_t level, uint64_t index) = 0;
};

// Returns the root of the first `size` leaves. Errors: those of `source`; kInvalidArgument: `size`
// over kMaxTreeSize.
absl::StatusOr<Hash> TreeRoot(NodeSource& source, uint64_t size);

// Returns the right edge of the first `size` leaves. Errors as for TreeRoot().
absl::StatusOr<Frontier> RebuildFrontier(NodeSource& source, uint64_t size);

// Returns the proof that leaf `index` is in the tree of `size` leaves (RFC 6962 section 2.1.1),
// from the leaf upwards. kInvalidArgument: `index` is not below `size`. Other errors: those of
// `source`.
absl::StatusOr<std::vector<Hash>> InclusionProof(NodeSource& source, uint64_t index, uint64_t size);

// Returns the proof that the tree of `old_size` leaves is a prefix of that of `new_size` leaves
// (RFC 6962 section 2.1.2). Empty when the sizes are equal. kInvalidArgument: `old_size` is 0 or
// above `new_size`. Other errors: those of `source`.
absl::StatusOr<std::vector<Hash>> ConsistencyProof(NodeSource& source, uint64_t old_size,
                                                   uint64_t new_size);

// OK when `proof` shows that the leaf with hash `leaf` has `index` in the tree of `size` leaves and
// `root`. Follows RFC 9162 section 2.1.3.2 and shares only HashNode() with the code that makes
// proofs. kInvalidArgument: `index` is not below `size`. kDataLoss: the proof does not show it.
absl::Status VerifyInclusion(const Hash& leaf, uint64_t index, uint64_t size,
                             absl::Span<const Hash> proof, const Hash& root);

// OK when `proof` shows that the tree of `old_size` leaves and `old_root` is a prefix of that of
// `new_size` leaves and `new_root`. Follows RFC 9162 section 2.1.4.2, as above. kInvalidArgument:
// `old_size` is 0 or above `new_size`. kDataLoss: the proof does not show it.
absl::Status VerifyConsistency(uint64_t old_size, uint64_t new_size, absl::Span<const Hash> proof,
                               const Hash& old_root, const Hash& new_root);

}  // namespace records::eventstore
