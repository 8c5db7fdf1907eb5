#include "eventstore/merkle.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "eventstore/internal/big_endian.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

constexpr size_t kSizeBytes = sizeof(uint64_t);

absl::Status CheckTreeSize(uint64_t size) {
  if (size > kMaxTreeSize) return absl::InvalidArgumentError("no tree is that large");
  return absl::OkStatus();
}

// Folds perfect subtrees, largest first, into the root of what they cover together.
Hash FoldRight(absl::Span<const Hash> nodes) {
  Hash root = nodes.back();
  for (size_t i = nodes.size() - 1; i > 0; --i) root = HashNode(nodes[i - 1], root);
  return root;
}

// Returns the perfect subtrees that cover [begin, end), largest first.
// REQUIRES: begin < end, and begin is a multiple of the largest power of two not above end - begin.
absl::StatusOr<std::vector<Hash>> Cover(NodeSource& source, uint64_t begin, uint64_t end) {
  std::vector<Hash> nodes;
  while (begin < end) {
    const uint64_t width = std::bit_floor(end - begin);
    const auto level = static_cast<uint32_t>(std::countr_zero(width));
    ASSIGN_OR_RETURN(const Hash node, source.Node(level, begin >> level));
    nodes.push_back(node);
    begin += width;
  }
  return nodes;
}

// Returns MTH(D[begin:end]) of RFC 6962 section 2.1. REQUIRES: as for Cover().
absl::StatusOr<Hash> RangeHash(NodeSource& source, uint64_t begin, uint64_t end) {
  ASSIGN_OR_RETURN(const std::vector<Hash> nodes, Cover(source, begin, end));
  return FoldRight(nodes);
}

// Where RFC 6962 splits a tree of two leaves or more: the largest power of two below its size.
uint64_t Split(uint64_t size) { return std::bit_floor(size - 1); }

}  // namespace

Hash HashLeaf(absl::string_view data) { return Sha256({absl::string_view("\0", 1), data}); }

Hash HashNode(const Hash& left, const Hash& right) {
  return Sha256({absl::string_view("\1", 1), AsBytes(left), AsBytes(right)});
}

Hash EmptyRoot() { return Sha256(""); }

absl::StatusOr<Frontier> Frontier::FromNodes(uint64_t size, std::vector<Hash> nodes) {
  RETURN_IF_ERROR(CheckTreeSize(size));
  if (nodes.size() != static_cast<size_t>(std::popcount(size))) {
    return absl::InvalidArgumentError("the right edge has one hash for each set bit of the size");
  }
  Frontier frontier;
  frontier.size_ = size;
  frontier.nodes_ = std::move(nodes);
  return frontier;
}

absl::StatusOr<Frontier> Frontier::Parse(absl::string_view bytes) {
  if (bytes.size() < kSizeBytes)
    return absl::DataLossError("the right edge of a tree is cut short");
  const auto size = internal::TakeBigEndian<uint64_t>(bytes);
  const auto count = static_cast<size_t>(std::popcount(size));
  if (size > kMaxTreeSize || bytes.size() != count * kDigestSize) {
    return absl::DataLossError("the right edge of a tree has another length than its size says");
  }
  std::vector<Hash> nodes(count);
  for (size_t i = 0; i < count; ++i) {
    const absl::string_view node = bytes.substr(i * kDigestSize, kDigestSize);
    std::copy(node.begin(), node.end(), nodes[i].begin());
  }
  return FromNodes(size, std::move(nodes));
}

std::string Frontier::Serialise() const {
  std::string bytes;
  bytes.reserve(kSizeBytes + nodes_.size() * kDigestSize);
  internal::AppendBigEndian(bytes, size_);
  for (const Hash& node : nodes_) bytes.append(node.begin(), node.end());
  return bytes;
}

Hash Frontier::Root() const { return nodes_.empty() ? EmptyRoot() : FoldRight(nodes_); }

absl::StatusOr<Hash> TreeRoot(NodeSource& source, uint64_t size) {
  ASSIGN_OR_RETURN(const Frontier frontier, RebuildFrontier(source, size));
  return frontier.Root();
}

absl::StatusOr<Frontier> RebuildFrontier(NodeSource& source, uint64_t size) {
  RETURN_IF_ERROR(CheckTreeSize(size));
  ASSIGN_OR_RETURN(std::vector<Hash> nodes, Cover(source, 0, size));
  return Frontier::FromNodes(size, std::move(nodes));
}

absl::StatusOr<std::vector<Hash>> InclusionProof(NodeSource& source, uint64_t index,
                                                 uint64_t size) {
  RETURN_IF_ERROR(CheckTreeSize(size));
  if (index >= size) return absl::InvalidArgumentError("the tree has no such leaf");
  std::vector<Hash> proof;
  uint64_t begin = 0;
  uint64_t end = size;
  while (end - begin > 1) {
    const uint64_t middle = begin + Split(end - begin);
    if (index < middle) {
      ASSIGN_OR_RETURN(const Hash right, RangeHash(source, middle, end));
      proof.push_back(right);
      end = middle;
    } else {
      ASSIGN_OR_RETURN(const Hash left, RangeHash(source, begin, middle));
      proof.push_back(left);
      begin = middle;
    }
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

absl::StatusOr<std::vector<Hash>> ConsistencyProof(NodeSource& source, uint64_t old_size,
                                                   uint64_t new_size) {
  RETURN_IF_ERROR(CheckTreeSize(new_size));
  if (old_size == 0 || old_size > new_size) {
    return absl::InvalidArgumentError("consistency is from 1 or more leaves to as many or more");
  }
  std::vector<Hash> proof;
  uint64_t begin = 0;
  uint64_t end = new_size;
  while (end != old_size) {
    const uint64_t middle = begin + Split(end - begin);
    if (old_size <= middle) {
      ASSIGN_OR_RETURN(const Hash right, RangeHash(source, middle, end));
      proof.push_back(right);
      end = middle;
    } else {
      ASSIGN_OR_RETURN(const Hash left, RangeHash(source, begin, middle));
      proof.push_back(left);
      begin = middle;
    }
  }
  // The old tree itself is known to the verifier; a part of it is not.
  if (begin != 0) {
    ASSIGN_OR_RETURN(const Hash part, RangeHash(source, begin, end));
    proof.push_back(part);
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

}  // namespace records::eventstore
