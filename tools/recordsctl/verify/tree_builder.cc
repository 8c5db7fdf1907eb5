#include "tools/recordsctl/verify/tree_builder.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "tools/recordsctl/verify/hashes.h"

namespace records::tools::verify {
namespace {

constexpr size_t kTileHeight = 8;

}  // namespace

void TreeBuilder::Add(const Hash& leaf) {
  Hash node = leaf;
  size_t height = 0;
  AddToTile(0, node);
  for (; (size_ >> height & 1) != 0; ++height) {
    node = NodeHash(peaks_[height], node);
    if ((height + 1) % kTileHeight == 0) AddToTile((height + 1) / kTileHeight, node);
  }
  if (peaks_.size() <= height) peaks_.resize(height + 1);
  peaks_[height] = node;
  ++size_;
}

Hash TreeBuilder::Root() const {
  std::optional<Hash> root;
  for (size_t height = 0; height < peaks_.size(); ++height) {
    if ((size_ >> height & 1) == 0) continue;
    root = root.has_value() ? NodeHash(peaks_[height], *root) : peaks_[height];
  }
  return root.value_or(EmptyRoot());
}

void TreeBuilder::AddToTile(size_t level, const Hash& node) {
  if (tiles_.size() <= level) tiles_.resize(level + 1);
  OpenTile& tile = tiles_[level];
  absl::StrAppend(&tile.bytes, AsView(node));
  if (tile.bytes.size() < kTileSize) return;
  on_tile_({static_cast<uint32_t>(level), tile.index}, tile.bytes);
  ++tile.index;
  tile.bytes.clear();
}

}  // namespace records::tools::verify
