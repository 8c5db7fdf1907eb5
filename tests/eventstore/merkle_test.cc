#include "eventstore/merkle.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/eventstore/merkle_reference.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr size_t kAllSizesTo = 300;

std::string Hex(const Hash& hash) { return absl::BytesToHexString(AsBytes(hash)); }

std::vector<std::string> Hex(const std::vector<Hash>& hashes) {
  std::vector<std::string> hex;
  for (const Hash& hash : hashes) hex.push_back(Hex(hash));
  return hex;
}

// The vectors of github.com/transparency-dev/merkle, testonly/constants.go.
const char* const kLeafInputs[] = {"",
                                   "00",
                                   "10",
                                   "2021",
                                   "3031",
                                   "40414243",
                                   "5051525354555657",
                                   "606162636465666768696a6b6c6d6e6f"};
const char* const kRoots[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                              "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                              "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                              "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                              "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                              "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                              "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                              "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                              "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
const char kLeaf1[] = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const char kLeaf2[] = "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7";
const char kLeaf3[] = "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7";
const char kLeaf4[] = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const char kLeaf6[] = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";
const char kNode23[] = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const char kNode45[] = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const char kNode67[] = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const char kNode4567[] = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const char kLeaves4To6[] = "837dbb152e9b079010717e84e865da4ebc0fa198a806d59d31bf15accef22d0e";

MerkleReference VectorTree() {
  std::vector<Hash> leaves;
  for (const char* input : kLeafInputs) leaves.push_back(HashLeaf(absl::HexStringToBytes(input)));
  return MerkleReference(std::move(leaves));
}

class MerkleVectorTest : public testing::Test {
 protected:
  std::vector<std::string> Inclusion(uint64_t index, uint64_t size) {
    return Hex(*InclusionProof(source_, index, size));
  }
  std::vector<std::string> Consistency(uint64_t old_size, uint64_t new_size) {
    return Hex(*ConsistencyProof(source_, old_size, new_size));
  }

  MerkleReference tree_ = VectorTree();
  ReferenceSource source_{tree_};
};

TEST(MerkleTest, LeavesAndNodesHashAsTheStandardSays) {
  EXPECT_EQ(Hex(HashLeaf("L123456")),
            "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56");
  // The published vector hashes "N123" and "N456", which are no digests.
  EXPECT_EQ(Hex(Sha256({"\x01", "N123", "N456"})),
            "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb");
  EXPECT_EQ(Hex(EmptyRoot()), kRoots[0]);
}

TEST_F(MerkleVectorTest, RootsOfAllSizesMatch) {
  Frontier frontier;
  EXPECT_EQ(Hex(frontier.Root()), kRoots[0]);
  for (size_t size = 1; size <= 8; ++size) {
    frontier.Append(tree_.leaves()[size - 1]);
    EXPECT_EQ(Hex(frontier.Root()), kRoots[size]);
    EXPECT_EQ(Hex(*TreeRoot(source_, size)), kRoots[size]);
  }
  EXPECT_EQ(Hex(*TreeRoot(source_, 0)), kRoots[0]);
}

TEST_F(MerkleVectorTest, InclusionProofsMatch) {
  EXPECT_THAT(Inclusion(0, 8), ElementsAre(kLeaf1, kNode23, kNode4567));
  EXPECT_THAT(Inclusion(5, 8), ElementsAre(kLeaf4, kNode67, kRoots[4]));
  EXPECT_THAT(Inclusion(2, 3), ElementsAre(kRoots[2]));
  EXPECT_THAT(Inclusion(1, 5), ElementsAre(kRoots[1], kNode23, kLeaf4));
  EXPECT_THAT(Inclusion(0, 1), IsEmpty());
}

TEST_F(MerkleVectorTest, ConsistencyProofsMatch) {
  EXPECT_THAT(Consistency(1, 1), IsEmpty());
  EXPECT_THAT(Consistency(1, 8), ElementsAre(kLeaf1, kNode23, kNode4567));
  EXPECT_THAT(Consistency(6, 8), ElementsAre(kNode45, kNode67, kRoots[4]));
  EXPECT_THAT(Consistency(2, 5), ElementsAre(kNode23, kLeaf4));
  EXPECT_THAT(Consistency(6, 7), ElementsAre(kNode45, kLeaf6, kRoots[4]));
  EXPECT_THAT(Consistency(3, 7), ElementsAre(kLeaf2, kLeaf3, kRoots[2], kLeaves4To6));
  EXPECT_THAT(Consistency(4, 8), ElementsAre(kNode4567));
}

TEST(MerkleTest, EveryInclusionProofEqualsTheReferenceAndVerifies) {
  MerkleReference tree = MerkleReference::OfCount(kAllSizesTo);
  ReferenceSource source(tree);
  for (size_t size = 1; size <= kAllSizesTo; ++size) {
    for (size_t index = 0; index < size; ++index) {
      const std::vector<Hash> proof = *InclusionProof(source, index, size);
      ASSERT_EQ(proof, tree.Path(index, 0, size)) << index << " of " << size;
      ASSERT_TRUE(VerifyInclusion(tree.leaves()[index], index, size, proof, tree.Root(size)).ok());
    }
  }
}

TEST(MerkleTest, EveryConsistencyProofEqualsTheReferenceAndVerifies) {
  MerkleReference tree = MerkleReference::OfCount(kAllSizesTo);
  ReferenceSource source(tree);
  for (size_t size = 1; size <= kAllSizesTo; ++size) {
    for (size_t old_size = 1; old_size <= size; ++old_size) {
      const std::vector<Hash> proof = *ConsistencyProof(source, old_size, size);
      ASSERT_EQ(proof, tree.Subproof(old_size, 0, size, true)) << old_size << " to " << size;
      ASSERT_TRUE(
          VerifyConsistency(old_size, size, proof, tree.Root(old_size), tree.Root(size)).ok());
    }
  }
}

// Proofs that must be refused: each element changed in a bit, cut, extended at either end, one left
// out, neighbours swapped.
std::vector<std::vector<Hash>> Damaged(const std::vector<Hash>& proof, const Hash& root,
                                       std::mt19937_64& generator) {
  std::vector<std::vector<Hash>> damaged;
  for (size_t i = 0; i < proof.size(); ++i) {
    std::vector<Hash> changed = proof;
    const uint64_t bit = generator() % 256;
    changed[i][bit / 8] = static_cast<uint8_t>(changed[i][bit / 8] ^ (1 << (bit % 8)));
    damaged.push_back(changed);
    std::vector<Hash> shorter = proof;
    shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i));
    damaged.push_back(shorter);
    if (i == 0) continue;
    std::vector<Hash> swapped = proof;
    std::swap(swapped[i - 1], swapped[i]);
    damaged.push_back(swapped);
  }
  for (const Hash& extra : {root, Hash{}, EmptyRoot()}) {
    damaged.push_back(proof);
    damaged.back().push_back(extra);
    damaged.push_back(proof);
    damaged.back().insert(damaged.back().begin(), extra);
  }
  return damaged;
}

TEST(MerkleTest, NoDamagedInclusionProofVerifies) {
  std::mt19937_64 generator(SeedOfRun());
  MerkleReference tree = MerkleReference::OfCount(80);
  for (size_t size = 1; size <= 70; ++size) {
    for (size_t index = 0; index < size; ++index) {
      const Hash& leaf = tree.leaves()[index];
      const std::vector<Hash> proof = tree.Path(index, 0, size);
      const Hash root = tree.Root(size);
      for (const std::vector<Hash>& damaged : Damaged(proof, root, generator)) {
        ASSERT_EQ(VerifyInclusion(leaf, index, size, damaged, root).code(),
                  absl::StatusCode::kDataLoss);
      }
      EXPECT_FALSE(VerifyInclusion(tree.leaves()[index + 1], index, size, proof, root).ok());
      EXPECT_FALSE(VerifyInclusion(leaf, index, size, proof, tree.Root(size + 1)).ok());
      EXPECT_FALSE(VerifyInclusion(leaf, index, size * 2, proof, root).ok());
      EXPECT_FALSE(VerifyInclusion(leaf, index ^ 1, size, proof, root).ok() && size > 1);
      EXPECT_FALSE(VerifyInclusion(leaf, size, size, proof, root).ok());
    }
  }
  EXPECT_EQ(VerifyInclusion(tree.leaves()[0], 0, 0, {}, EmptyRoot()).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(MerkleTest, NoDamagedConsistencyProofVerifies) {
  std::mt19937_64 generator(SeedOfRun());
  MerkleReference tree = MerkleReference::OfCount(80);
  for (size_t size = 1; size <= 70; ++size) {
    for (size_t old_size = 1; old_size <= size; ++old_size) {
      const std::vector<Hash> proof = tree.Subproof(old_size, 0, size, true);
      const Hash old_root = tree.Root(old_size);
      const Hash root = tree.Root(size);
      for (const std::vector<Hash>& damaged : Damaged(proof, root, generator)) {
        ASSERT_EQ(VerifyConsistency(old_size, size, damaged, old_root, root).code(),
                  absl::StatusCode::kDataLoss);
      }
      EXPECT_FALSE(VerifyConsistency(old_size, size, proof, old_root, tree.Root(size + 1)).ok());
      EXPECT_FALSE(VerifyConsistency(old_size, size, proof, tree.Root(old_size - 1), root).ok());
      EXPECT_FALSE(VerifyConsistency(old_size, size * 2, proof, old_root, root).ok());
      if (old_size == size) continue;
      EXPECT_FALSE(VerifyConsistency(old_size, size, proof, root, old_root).ok());
      EXPECT_FALSE(VerifyConsistency(size, old_size, proof, old_root, root).ok());
    }
  }
}

// Roots made so that the longer proof hashes to them: only the length gives it away.
TEST(MerkleTest, ProofsLongerThanTheTreeIsHighAreRefusedWhateverTheRoot) {
  MerkleReference tree = MerkleReference::OfCount(20);
  const Hash extra = HashLeaf("extra");
  for (size_t size = 1; size <= 20; ++size) {
    const Hash root = HashNode(extra, tree.Root(size));
    for (size_t index = 0; index < size; ++index) {
      std::vector<Hash> proof = tree.Path(index, 0, size);
      proof.push_back(extra);
      EXPECT_FALSE(VerifyInclusion(tree.leaves()[index], index, size, proof, root).ok());
    }
    for (size_t old_size = 1; old_size < size; ++old_size) {
      std::vector<Hash> proof = tree.Subproof(old_size, 0, size, true);
      proof.push_back(extra);
      const Hash old_root = HashNode(extra, tree.Root(old_size));
      EXPECT_FALSE(VerifyConsistency(old_size, size, proof, old_root, root).ok());
      EXPECT_FALSE(VerifyConsistency(old_size, size, proof, tree.Root(old_size), root).ok());
    }
  }
}

TEST(MerkleTest, ConsistencyFromNothingOrBackwardsIsRefused) {
  MerkleReference tree = MerkleReference::OfCount(8);
  ReferenceSource source(tree);
  EXPECT_EQ(ConsistencyProof(source, 0, 8).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ConsistencyProof(source, 8, 7).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(VerifyConsistency(0, 8, {}, EmptyRoot(), tree.Root(8)).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(VerifyConsistency(0, 0, {}, EmptyRoot(), EmptyRoot()).ok());
}

TEST(MerkleTest, EqualSizesNeedAnEmptyProofAndEqualRoots) {
  MerkleReference tree = MerkleReference::OfCount(8);
  EXPECT_TRUE(VerifyConsistency(8, 8, {}, tree.Root(8), tree.Root(8)).ok());
  EXPECT_FALSE(VerifyConsistency(8, 8, {}, tree.Root(8), tree.Root(7)).ok());
  EXPECT_FALSE(VerifyConsistency(8, 8, {tree.Root(8)}, tree.Root(8), tree.Root(8)).ok());
}

TEST(MerkleTest, ProofsOfWhatIsNotInTheTreeAreRefused) {
  MerkleReference tree = MerkleReference::OfCount(8);
  ReferenceSource source(tree);
  EXPECT_EQ(InclusionProof(source, 8, 8).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(InclusionProof(source, 0, 0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(InclusionProof(source, 0, 9).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_FALSE(InclusionProof(source, 0, kMaxTreeSize + 1).ok());
  EXPECT_FALSE(TreeRoot(source, kMaxTreeSize + 1).ok());
}

TEST(FrontierTest, ReadsBackAndCarriesOnAtEverySize) {
  MerkleReference tree = MerkleReference::OfCount(kAllSizesTo);
  ReferenceSource source(tree);
  Frontier frontier;
  for (size_t size = 0; size < kAllSizesTo; ++size) {
    ASSERT_EQ(frontier.Root(), tree.Root(size));
    absl::StatusOr<Frontier> parsed = Frontier::Parse(frontier.Serialise());
    ASSERT_TRUE(parsed.ok());
    ASSERT_EQ(*parsed, frontier);
    ASSERT_EQ(*RebuildFrontier(source, size), frontier);
    frontier = *parsed;
    frontier.Append(tree.leaves()[size]);
  }
}

TEST(FrontierTest, OtherBytesThanItWroteAreRefused) {
  Frontier frontier;
  for (int i = 0; i < 11; ++i) frontier.Append(HashLeaf("leaf"));
  const std::string bytes = frontier.Serialise();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(Frontier::Parse(bytes.substr(0, size)).status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_FALSE(Frontier::Parse(bytes + "x").ok());
  EXPECT_FALSE(Frontier::Parse(bytes + std::string(32, 'x')).ok());
  EXPECT_FALSE(Frontier::Parse("\x80" + std::string(7, '\0') + std::string(32, 'x')).ok());
  EXPECT_FALSE(Frontier::FromNodes(3, {Hash{}}).ok());
}

TEST(FrontierTest, EachCompletedNodeIsReportedOnce) {
  MerkleReference tree = MerkleReference::OfCount(64);
  ReferenceSource source(tree);
  Frontier frontier;
  size_t reported = 0;
  for (const Hash& leaf : tree.leaves()) {
    frontier.Append(leaf, [&](uint32_t level, uint64_t index, const Hash& hash) {
      EXPECT_EQ(*source.Node(level, index), hash);
      ++reported;
    });
  }
  EXPECT_EQ(reported, 127u);
}

}  // namespace
}  // namespace records::eventstore
