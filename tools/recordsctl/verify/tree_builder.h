#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/recordsctl/verify/format.h"

namespace records::tools::verify {

// Where a tile of a tree stands (FORMAT.md, Trees).
struct TileName {
  uint32_t level = 0;
  uint64_t index = 0;
};

// Builds the Merkle tree of RFC 6962 from its leaves, in order, and hands out each tile that it
// completes. Keeps one hash for each level and the tiles under way: memory does not grow with the
// tree.
//
// Not thread-safe.
class TreeBuilder {
 public:
  using OnTile = std::function<void(const TileName& name, absl::string_view bytes)>;

  explicit TreeBuilder(OnTile on_tile) : on_tile_(std::move(on_tile)) {}

  void Add(const Hash& leaf);

  uint64_t size() const { return size_; }
  Hash Root() const;

 private:
  void AddToTile(size_t level, const Hash& node);

  const OnTile on_tile_;
  uint64_t size_ = 0;
  // The roots of the complete subtrees that make up the tree, by height; valid where size_ has the
  // bit.
  std::vector<Hash> peaks_;
  struct OpenTile {
    uint64_t index = 0;
    std::string bytes;
  };
  std::vector<OpenTile> tiles_;
};

}  // namespace records::tools::verify
