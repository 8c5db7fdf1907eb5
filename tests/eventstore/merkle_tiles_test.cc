#include "eventstore/merkle_tiles.h"

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/eventstore/merkle_reference.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

constexpr size_t kLargestSize = 70'000;

using Tiles = std::map<TileId, std::string>;

// A tree of kLargestSize leaves with its tiles, shared by all tests: it takes a while to hash.
struct StoredTree {
  MerkleReference reference = MerkleReference::OfCount(kLargestSize);
  Tiles tiles;
  std::vector<Hash> roots;

  StoredTree() {
    TileWriter writer;
    roots.push_back(writer.Root());
    for (const Hash& leaf : reference.leaves()) {
      for (Tile& tile : writer.Append(leaf)) tiles.emplace(tile.id, std::move(tile.bytes));
      roots.push_back(writer.Root());
    }
  }

  TileSource Source(uint64_t size) {
    return TileSource(
        size,
        [this, size](const TileId& id) -> absl::StatusOr<std::string> {
          // Only tiles that were complete at that size may be asked for.
          if ((id.index + 1) << (8 * (id.level + 1)) > size) return absl::NotFoundError("tile");
          return tiles.at(id);
        },
        [this, size](uint64_t index) -> absl::StatusOr<Hash> {
          if (index < size - size % kTileWidth || index >= size) return absl::NotFoundError("leaf");
          return reference.leaves()[index];
        });
  }

  static StoredTree& Get() {
    static auto* const tree = new StoredTree;
    return *tree;
  }
};

std::vector<uint64_t> SampledSizes(std::mt19937_64& generator) {
  std::vector<uint64_t> sizes = {0,      1,      2,      255,    256,         257,
                                 511,    512,    513,    769,    65'535,      65'536,
                                 65'537, 65'792, 65'793, 69'999, kLargestSize};
  for (int i = 0; i < 40; ++i) sizes.push_back(generator() % (kLargestSize + 1));
  return sizes;
}

TEST(MerkleTilesTest, TilesHoldTheNodesOfTheirLevel) {
  StoredTree& tree = StoredTree::Get();
  EXPECT_EQ(tree.tiles.size(), kLargestSize / 256 + 1);
  for (const auto& [id, bytes] : tree.tiles) {
    ASSERT_EQ(bytes.size(), kTileSize);
    for (uint64_t i = 0; i < kTileWidth; i += 51) {
      const uint64_t begin = (id.index * kTileWidth + i) << (8 * id.level);
      const uint64_t end = (id.index * kTileWidth + i + 1) << (8 * id.level);
      ASSERT_EQ(bytes.substr(i * kDigestSize, kDigestSize),
                AsBytes(tree.reference.TreeHash(begin, end)));
    }
  }
}

TEST(MerkleTilesTest, RootsAndProofsFromTilesEqualTheReference) {
  std::mt19937_64 generator(SeedOfRun());
  StoredTree& tree = StoredTree::Get();
  for (const uint64_t size : SampledSizes(generator)) {
    SCOPED_TRACE(testing::Message() << "size " << size);
    TileSource source = tree.Source(size);
    ASSERT_EQ(*TreeRoot(source, size), tree.reference.Root(size));
    ASSERT_EQ(tree.roots[size], tree.reference.Root(size));
    if (size == 0) continue;
    for (int i = 0; i < 5; ++i) {
      // Also of smaller trees than the stored one.
      const uint64_t smaller = 1 + generator() % size;
      const uint64_t index = generator() % smaller;
      ASSERT_EQ(*InclusionProof(source, index, smaller), tree.reference.Path(index, 0, smaller));
      ASSERT_EQ(*ConsistencyProof(source, smaller, size),
                tree.reference.Subproof(smaller, 0, size, true));
    }
  }
}

TEST(MerkleTilesTest, ARestoredWriterCarriesOnAsIfItHadNeverStopped) {
  std::mt19937_64 generator(SeedOfRun());
  StoredTree& tree = StoredTree::Get();
  for (const uint64_t size : SampledSizes(generator)) {
    SCOPED_TRACE(testing::Message() << "size " << size);
    TileSource source = tree.Source(size);
    absl::StatusOr<TileWriter> writer = TileWriter::Restore(source);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_EQ(writer->size(), size);
    for (uint64_t i = size; i < std::min<uint64_t>(size + 600, kLargestSize); ++i) {
      for (const Tile& tile : writer->Append(tree.reference.leaves()[i])) {
        ASSERT_EQ(tile.bytes, tree.tiles.at(tile.id));
      }
      ASSERT_EQ(writer->Root(), tree.roots[i + 1]);
    }
  }
}

TEST(MerkleTilesTest, ProofsBesideAWriterNeedNoLeaf) {
  std::mt19937_64 generator(SeedOfRun());
  StoredTree& tree = StoredTree::Get();
  const std::vector<uint64_t> sampled = SampledSizes(generator);
  const std::set<uint64_t> sizes(sampled.begin(), sampled.end());
  TileWriter writer;
  for (const uint64_t size : sizes) {
    SCOPED_TRACE(testing::Message() << "size " << size);
    while (writer.size() < size) {
      for (const Tile& tile : writer.Append(tree.reference.leaves()[writer.size()])) {
        ASSERT_EQ(tree.tiles.at(tile.id), tile.bytes);
      }
    }
    TileSource source(writer, [&tree](const TileId& id) {
      return absl::StatusOr<std::string>(tree.tiles.at(id));
    });
    ASSERT_EQ(*TreeRoot(source, size), tree.roots[size]);
    if (size == 0) continue;
    const uint64_t smaller = 1 + generator() % size;
    const uint64_t index = generator() % smaller;
    ASSERT_EQ(*InclusionProof(source, index, smaller), tree.reference.Path(index, 0, smaller));
    ASSERT_EQ(*InclusionProof(source, index, size), tree.reference.Path(index, 0, size));
    ASSERT_EQ(*ConsistencyProof(source, smaller, size),
              tree.reference.Subproof(smaller, 0, size, true));
    ASSERT_EQ(TileWriter::Restore(source)->Root(), tree.roots[size]);
  }
}

TEST(MerkleTilesTest, TheLeafThatFillsTwoLevelsGivesBothTiles) {
  StoredTree& tree = StoredTree::Get();
  TileSource source = tree.Source(65'535);
  TileWriter writer = *TileWriter::Restore(source);
  const std::vector<Tile> tiles = writer.Append(tree.reference.leaves()[65'535]);
  ASSERT_EQ(tiles.size(), 2u);
  EXPECT_EQ(tiles[0].id, (TileId{0, 255}));
  EXPECT_EQ(tiles[1].id, (TileId{1, 0}));
}

TEST(MerkleTilesTest, NodesOutsideTheTreeAreRefused) {
  TileSource source = StoredTree::Get().Source(600);
  EXPECT_TRUE(source.Node(0, 599).ok());
  EXPECT_EQ(source.Node(0, 600).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(source.Node(9, 1).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(source.Node(64, 0).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(source.Node(4'000'000'000, 0).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(MerkleTilesTest, AMissingOrShortTileIsReported) {
  const auto no_leaf = [](uint64_t) -> absl::StatusOr<Hash> { return Hash{}; };
  TileSource missing(
      512, [](const TileId&) { return absl::StatusOr<std::string>(absl::NotFoundError("tile")); },
      no_leaf);
  EXPECT_EQ(TreeRoot(missing, 512).status().code(), absl::StatusCode::kNotFound);
  TileSource cut(
      512, [](const TileId&) { return absl::StatusOr<std::string>(std::string(8191, 'x')); },
      no_leaf);
  EXPECT_EQ(TreeRoot(cut, 512).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(TileWriter::Restore(cut).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace records::eventstore
