#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/merkle.h"

// How a tree is stored: complete tiles only. The tile {level, index} holds the 256 hashes of the
// tree's level 8 * level from index * 256 on, 32 bytes each. Once complete a tile never changes.
// What is not yet in a tile is computed from the tiles below and from the events.

namespace records::eventstore {

inline constexpr uint32_t kTileHeight = 8;
inline constexpr uint64_t kTileWidth = uint64_t{1} << kTileHeight;
inline constexpr size_t kTileSize = kTileWidth * kDigestSize;

struct TileId {
  uint32_t level = 0;
  uint64_t index = 0;

  friend auto operator<=>(const TileId&, const TileId&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const TileId& id) {
    return H::combine(std::move(state), id.level, id.index);
  }
};

// A complete tile, as it is stored: kTileSize bytes.
struct Tile {
  TileId id;
  std::string bytes;
};

class TileWriter;

// Reads the nodes of a tree of `size` leaves from its complete tiles and, beyond the last one, its
// leaves.
//
// Not thread-safe: it remembers some tiles, so make one for each question. Serves questions about
// any smaller tree as well.
class TileSource final : public NodeSource {
 public:
  // Returns the kTileSize bytes of a complete tile.
  using ReadTile = std::function<absl::StatusOr<std::string>(const TileId&)>;
  // Returns the hash of a leaf; called only for leaves that are in no complete tile.
  using ReadLeaf = std::function<absl::StatusOr<Hash>(uint64_t index)>;

  TileSource(uint64_t size, ReadTile read_tile, ReadLeaf read_leaf)
      : size_(size), read_tile_(std::move(read_tile)), read_leaf_(std::move(read_leaf)) {}

  // The tree that `writer` has now, of which it copies what is in no complete tile: needs no leaf,
  // and hashes far less than the other way does in a large tree.
  TileSource(const TileWriter& writer, ReadTile read_tile);

  // kOutOfRange: the tree has no such node. kDataLoss: a tile has another size. Other errors: those
  // of the callbacks.
  absl::StatusOr<Hash> Node(uint32_t level, uint64_t index) override;

  uint64_t size() const { return size_; }

 private:
  bool IsComplete(const TileId& id) const;
  // Returns the bytes of a tile, which live until the next call.
  absl::StatusOr<absl::string_view> LoadTile(const TileId& id);
  // Returns the hash over `count` (a power of two) hashes of a complete tile from `first` on.
  absl::StatusOr<Hash> HashInTile(const TileId& id, uint64_t first, uint64_t count);
  // As Node() for the level 8 * tile_level.
  absl::StatusOr<Hash> EdgeNode(uint32_t tile_level, uint64_t index);

  const uint64_t size_;
  const ReadTile read_tile_;
  const ReadLeaf read_leaf_;
  // For each tile level, the bytes of the tile that is not complete; none when they must be
  // computed.
  const std::vector<std::string> filling_;
  absl::flat_hash_map<TileId, std::string> tiles_;
};

// Grows a tree: takes leaves in order, knows the root at any time, and gives out each tile when it
// is full.
//
// A value type: a copy is a snapshot. Not thread-safe. Holds at most 255 hashes per tile level.
class TileWriter {
 public:
  // The tree without leaves.
  TileWriter() = default;

  // Carries on a tree whose `source.size()` leaves are stored. Errors: those of `source`.
  static absl::StatusOr<TileWriter> Restore(TileSource& source);

  // Adds the next leaf and returns the tiles that it completes, lowest first; mostly none.
  [[nodiscard]] std::vector<Tile> Append(const Hash& leaf);

  // The right edge of the tree so far.
  const Frontier& frontier() const { return frontier_; }
  uint64_t size() const { return frontier_.size(); }
  Hash Root() const { return frontier_.Root(); }

 private:
  friend class TileSource;

  Frontier frontier_;
  // For each tile level, the bytes of the tile that is filling.
  std::vector<std::string> filling_;
};

}  // namespace records::eventstore
