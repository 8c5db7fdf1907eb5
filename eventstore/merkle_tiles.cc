#include "eventstore/merkle_tiles.h"

#include <algorithm>

#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

// A proof needs a tile or two per tile level; this bounds what a restore keeps.
constexpr size_t kMaxRememberedTiles = 64;

Hash HashAt(absl::string_view tile, uint64_t i) {
  Hash hash;
  std::copy_n(tile.begin() + i * kDigestSize, kDigestSize, hash.begin());
  return hash;
}

// Folds a power of two of hashes, level by level.
Hash FoldPerfect(std::vector<Hash> hashes) {
  while (hashes.size() > 1) {
    for (size_t i = 0; i < hashes.size() / 2; ++i) {
      hashes[i] = HashNode(hashes[2 * i], hashes[2 * i + 1]);
    }
    hashes.resize(hashes.size() / 2);
  }
  return hashes.front();
}

}  // namespace

TileSource::TileSource(const TileWriter& writer, ReadTile read_tile)
    : size_(writer.size()), read_tile_(std::move(read_tile)), filling_(writer.filling_) {}

bool TileSource::IsComplete(const TileId& id) const {
  const uint32_t top = kTileHeight * (id.level + 1);
  return top < 64 && id.index < size_ >> top;
}

absl::StatusOr<absl::string_view> TileSource::LoadTile(const TileId& id) {
  const auto found = tiles_.find(id);
  if (found != tiles_.end()) return absl::string_view(found->second);
  ASSIGN_OR_RETURN(std::string bytes, read_tile_(id));
  if (bytes.size() != kTileSize) {
    return absl::DataLossError("a stored tile of the tree has another size");
  }
  if (tiles_.size() >= kMaxRememberedTiles) tiles_.clear();
  return absl::string_view(tiles_.emplace(id, std::move(bytes)).first->second);
}

absl::StatusOr<Hash> TileSource::HashInTile(const TileId& id, uint64_t first, uint64_t count) {
  ASSIGN_OR_RETURN(const absl::string_view tile, LoadTile(id));
  std::vector<Hash> hashes;
  hashes.reserve(count);
  for (uint64_t i = first; i < first + count; ++i) hashes.push_back(HashAt(tile, i));
  return FoldPerfect(std::move(hashes));
}

absl::StatusOr<Hash> TileSource::EdgeNode(uint32_t tile_level, uint64_t index) {
  if (tile_level < filling_.size()) return HashAt(filling_[tile_level], index % kTileWidth);
  if (tile_level == 0) return read_leaf_(index);
  return HashInTile({tile_level - 1, index}, 0, kTileWidth);
}

absl::StatusOr<Hash> TileSource::Node(uint32_t level, uint64_t index) {
  if (level >= 64 || index >= size_ >> level) {
    return absl::OutOfRangeError("the tree has no such node");
  }
  const uint32_t tile_level = level / kTileHeight;
  const uint32_t height = level % kTileHeight;
  const uint64_t first = index << height;
  const uint64_t count = uint64_t{1} << height;
  const TileId tile{tile_level, first / kTileWidth};
  if (IsComplete(tile)) return HashInTile(tile, first % kTileWidth, count);
  std::vector<Hash> hashes;
  hashes.reserve(count);
  for (uint64_t i = first; i < first + count; ++i) {
    ASSIGN_OR_RETURN(const Hash hash, EdgeNode(tile_level, i));
    hashes.push_back(hash);
  }
  return FoldPerfect(std::move(hashes));
}

absl::StatusOr<TileWriter> TileWriter::Restore(TileSource& source) {
  TileWriter writer;
  ASSIGN_OR_RETURN(writer.frontier_, RebuildFrontier(source, source.size()));
  for (uint32_t level = 0; level < 64 && source.size() >> level != 0; level += kTileHeight) {
    const uint64_t end = source.size() >> level;
    std::string bytes;
    for (uint64_t i = end - end % kTileWidth; i < end; ++i) {
      ASSIGN_OR_RETURN(const Hash node, source.Node(level, i));
      bytes.append(node.begin(), node.end());
    }
    writer.filling_.push_back(std::move(bytes));
  }
  return writer;
}

std::vector<Tile> TileWriter::Append(const Hash& leaf) {
  std::vector<Tile> completed;
  frontier_.Append(leaf, [this, &completed](uint32_t level, uint64_t index, const Hash& hash) {
    if (level % kTileHeight != 0) return;
    const uint32_t tile_level = level / kTileHeight;
    if (filling_.size() <= tile_level) filling_.resize(tile_level + 1);
    std::string& bytes = filling_[tile_level];
    bytes.append(hash.begin(), hash.end());
    if (bytes.size() < kTileSize) return;
    completed.push_back({{tile_level, index / kTileWidth}, std::exchange(bytes, {})});
  });
  return completed;
}

}  // namespace records::eventstore
