#include <gtest/gtest.h>

#include <random>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tools/recordsctl/verify/event_decoder.h"
#include "tools/recordsctl/verify/hashes.h"
#include "tools/recordsctl/verify/note_reader.h"
#include "tools/recordsctl/verify/record_sorter.h"
#include "tools/recordsctl/verify/tree_builder.h"

// The verifier's own decoders against the worked example of eventstore/FORMAT.md and RFC 6962.
namespace records::tools::verify {
namespace {

std::string FromHex(absl::string_view hex) {
  return absl::HexStringToBytes(absl::StrReplaceAll(hex, {{" ", ""}}));
}

std::string FirstEvent() {
  return FromHex(absl::StrCat(
      "0a10 11111111111111111111111111111111 1224 0a056e6f727468 1209637573746f6d657273",
      "1a10 00000000000000050000000000000001 3213 7265636f7264732e6576656e74732e76312e41",
      "38 808081b184e99103 2a46 0a20", std::string(64, 'a'), "1220", std::string(64, 'b'),
      "20 02 22 04 08 05 10 01 40 8089fbb184e99103"));
}

std::string SecondEvent() {
  return FromHex(absl::StrCat(
      "0a10 22222222222222222222222222222222 1224 0a056e6f727468 1209637573746f6d657273",
      "1a10 00000000000000050000000000000001 3213 7265636f7264732e6576656e74732e76312e42",
      "38 818081b184e99103 2a48 0a20", std::string(64, 'a'), "1220", std::string(64, 'b'),
      "18 01 20 02 18 01 22 04 08 05 10 02 40 8089fbb184e99103"));
}

std::string Hex(const Hash& hash) { return absl::BytesToHexString(AsView(hash)); }

TreeBuilder PlainTree() {
  return TreeBuilder([](const TileName&, absl::string_view) {});
}

TEST(FormatTest, EventsOfTheWorkedExampleDecode) {
  const std::string bytes = SecondEvent();
  ASSERT_EQ(bytes.size(), 177u);
  const absl::StatusOr<DecodedEvent> event = DecodeEvent(bytes);
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->id, std::string(16, '\x22'));
  EXPECT_EQ(event->organisation, "north");
  EXPECT_EQ(event->collection, "customers");
  EXPECT_EQ(PartitionOf(event->root, 16), 5u);
  EXPECT_EQ(event->revision, 1u);
  EXPECT_EQ(event->partition, 5u);
  EXPECT_EQ(event->sequence, 2u);
  EXPECT_EQ(event->index, 1u);
  EXPECT_EQ(event->count, 2u);
  EXPECT_EQ(event->type, "records.events.v1.B");
  EXPECT_EQ(event->recorded_at_us, 1'767'225'602'000'000);
  EXPECT_EQ(event->occurred_at_us, 1'767'225'600'000'001);
}

TEST(FormatTest, RootOfTheWorkedExampleIsThatOfTheFormat) {
  EXPECT_EQ(Hex(LeafHash(FirstEvent())),
            "d97bdedf8b0ad1c3a9464214b98d41b5dbf8f52076c40e463dbcec487ce600fe");
  TreeBuilder tree = PlainTree();
  tree.Add(LeafHash(FirstEvent()));
  tree.Add(LeafHash(SecondEvent()));
  EXPECT_EQ(Hex(tree.Root()), "7c3cee698ae33004723dc6f90c7f67125a153ef40678ad8fe6643b9a7b9ad827");
}

TEST(FormatTest, CheckpointOfTheWorkedExampleIsThatOfTheFormat) {
  TreeBuilder tree = PlainTree();
  for (const char* ledger : {"events", "access"}) {
    for (int partition = 0; partition < 16; ++partition) {
      const bool has_events = ledger == std::string("events") && partition == 5;
      tree.Add(
          LeafHash(absl::StrCat(ledger, "/", partition,
                                has_events ? " 2 fDzuaYrjMARyPcb5DH9nEloVPvQGeK2P5mQ7mnua2Cc="
                                           : " 0 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")));
    }
  }
  EXPECT_EQ(EncodeBase64(AsView(tree.Root())), "k+IieRIwCfKI5cgWw3XjO01xYXv8ummNtcnc1SwaSrs=");
}

// The definition of RFC 6962, section 2.1, word by word.
Hash DefinedRoot(absl::Span<const Hash> leaves) {
  if (leaves.empty()) return EmptyRoot();
  if (leaves.size() == 1) return leaves[0];
  size_t split = 1;
  while (split * 2 < leaves.size()) split *= 2;
  return NodeHash(DefinedRoot(leaves.subspan(0, split)), DefinedRoot(leaves.subspan(split)));
}

TEST(FormatTest, RootsOfAllSizesAreThoseOfTheDefinition) {
  std::vector<Hash> leaves;
  TreeBuilder tree = PlainTree();
  for (int size = 0; size <= 600; ++size) {
    ASSERT_EQ(tree.Root(), DefinedRoot(leaves)) << size;
    leaves.push_back(LeafHash(absl::StrCat(size)));
    tree.Add(leaves.back());
  }
}

TEST(FormatTest, TilesHoldTheNodesOfTheirLevel) {
  std::map<std::pair<uint32_t, uint64_t>, std::string> tiles;
  TreeBuilder tree([&tiles](const TileName& name, absl::string_view bytes) {
    tiles[{name.level, name.index}] = std::string(bytes);
  });
  std::vector<Hash> leaves;
  for (int i = 0; i < 65536; ++i) {
    leaves.push_back(LeafHash(absl::StrCat(i)));
    tree.Add(leaves.back());
  }
  ASSERT_EQ(tiles.size(), 257u);
  const absl::Span<const Hash> all = leaves;
  EXPECT_EQ((tiles[{1, 0}].substr(32 * 9, 32)), AsView(DefinedRoot(all.subspan(9 * 256, 256))));
  EXPECT_EQ((tiles[{0, 7}].substr(32, 32)), AsView(leaves[7 * 256 + 1]));
}

TEST(FormatTest, SorterGivesBackAllRecordsInOrderFromMemoryAndFiles) {
  constexpr int kRecords = 5000;
  std::mt19937_64 random(11);
  for (const size_t memory : {size_t{1} << 20, size_t{300}}) {
    RecordSorter<8> sorter(memory);
    std::vector<RecordSorter<8>::Record> expected;
    for (int i = 0; i < kRecords; ++i) {
      RecordSorter<8>::Record record;
      for (uint8_t& byte : record) byte = static_cast<uint8_t>(random() % 5);
      expected.push_back(record);
      ASSERT_TRUE(sorter.Add(record).ok());
    }
    std::sort(expected.begin(), expected.end());
    ASSERT_TRUE(sorter.Finish().ok());
    RecordSorter<8>::Record record{};
    bool found = true;
    for (const auto& next : expected) {
      ASSERT_TRUE(sorter.Next(&record, &found).ok());
      ASSERT_TRUE(found && record == next);
    }
    ASSERT_TRUE(sorter.Next(&record, &found).ok());
    EXPECT_FALSE(found);
  }
}

// What must be refused from here on.

TEST(FormatTest, EveryCutOfAnEventIsRefused) {
  const std::string bytes = FirstEvent();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeEvent(bytes.substr(0, size)).ok()) << size;
  }
}

TEST(FormatTest, FieldThatStandsThereTwiceIsRefused) {
  EXPECT_FALSE(DecodeEvent(FromHex("0a10 33333333333333333333333333333333") + FirstEvent()).ok());
}

TEST(FormatTest, CommittersFieldsInAnotherOrderAreRefused) {
  const std::string bytes = FirstEvent();
  const std::string recorded = bytes.substr(bytes.size() - 9);
  EXPECT_FALSE(DecodeEvent(recorded + bytes.substr(0, bytes.size() - 9)).ok());
}

TEST(FormatTest, RandomBytesNeverDecodeToMoreThanTheyHold) {
  constexpr uint32_t kSeed = 17;
  SCOPED_TRACE(absl::StrCat("seed ", kSeed));
  std::mt19937 random(kSeed);
  const std::string whole = SecondEvent();
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = whole;
    for (int k = 0; k < 3; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
    const absl::StatusOr<DecodedEvent> event = DecodeEvent(bytes);
    if (!event.ok()) continue;
    EXPECT_LE(event->id.size() + event->type.size(), bytes.size());
  }
}

TEST(FormatTest, KeyOfAVerifierMustFitItsKeyId) {
  const VerifierKey key = MakeVerifierKey("records/x", std::string(32, 'p'));
  const std::string text = absl::StrCat("records/x+", absl::BytesToHexString(key.id), "+",
                                        EncodeBase64(std::string("\x01") + std::string(32, 'p')));
  ASSERT_TRUE(ParseVerifierKey(text).ok());
  EXPECT_FALSE(ParseVerifierKey(absl::StrReplaceAll(text, {{"records/x", "records/y"}})).ok());
  EXPECT_FALSE(ParseVerifierKey("").ok());
}

}  // namespace
}  // namespace records::tools::verify
