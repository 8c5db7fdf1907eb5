#include "eventstore/anchor.h"

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/eventstore/memory_anchor_files.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

const char kPath[] = "store/anchor";
constexpr size_t kSlotSize = 12288;

class AnchorTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(Anchor::Create(files_, kPath, "first").ok()); }

  std::unique_ptr<Anchor> Open() { return *Anchor::Open(files_, kPath); }
  std::string Payload() { return Anchor::Read(files_, kPath)->payload; }
  absl::StatusCode ReadCode() { return Anchor::Read(files_, kPath).status().code(); }

  // Inverts a byte of the file.
  void Damage(size_t offset) {
    std::string content = files_.Get(kPath);
    content[offset] = static_cast<char>(~content[offset]);
    files_.Set(kPath, content);
  }

  MemoryAnchorFiles files_;
};

TEST_F(AnchorTest, GivesBackWhatWasCreated) {
  const AnchorReading reading = *Anchor::Read(files_, kPath);
  EXPECT_EQ(reading.payload, "first");
  EXPECT_TRUE(reading.both_copies_valid);
  EXPECT_EQ(files_.Get(kPath).size(), 2 * kSlotSize);
}

TEST_F(AnchorTest, GivesBackTheLastWriteOfAnySize) {
  std::unique_ptr<Anchor> anchor = Open();
  for (const size_t size : {size_t{0}, size_t{1}, size_t{4039}, size_t{4040}, size_t{4041},
                            kAnchorPayloadMax - 1, kAnchorPayloadMax, size_t{3}}) {
    const std::string payload(size, static_cast<char>('a' + size % 26));
    ASSERT_TRUE(anchor->Write(payload).ok());
    EXPECT_EQ(Payload(), payload);
    EXPECT_EQ(anchor->reading().payload, payload);
    EXPECT_EQ(Open()->reading().payload, payload);
  }
  EXPECT_EQ(files_.Get(kPath).size(), 2 * kSlotSize);
}

TEST_F(AnchorTest, WritesAlternateAndEachIsSynced) {
  std::unique_ptr<Anchor> anchor = Open();
  for (int i = 0; i < 6; ++i) {
    const std::string before = files_.Get(kPath);
    const uint64_t generation = anchor->reading().generation;
    const int syncs = files_.syncs();
    ASSERT_TRUE(anchor->Write(absl::StrCat("payload ", i)).ok());
    EXPECT_EQ(files_.syncs(), syncs + 1);
    EXPECT_EQ(anchor->reading().generation, generation + 1);
    const std::string after = files_.Get(kPath);
    const size_t untouched = generation % 2 * kSlotSize;
    EXPECT_EQ(before.substr(untouched, kSlotSize), after.substr(untouched, kSlotSize));
    EXPECT_NE(before.substr(kSlotSize - untouched, kSlotSize),
              after.substr(kSlotSize - untouched, kSlotSize));
  }
}

TEST_F(AnchorTest, AWriteTornAnywhereLeavesTheOneBeforeOrIsWhole) {
  const std::string pristine = files_.Get(kPath);
  const std::string payload(5000, 'p');
  for (size_t kept = 0; kept <= 5100; kept += kept < 80 ? 1 : 97) {
    files_.Set(kPath, pristine);
    {
      std::unique_ptr<Anchor> anchor = Open();
      const size_t slot = (anchor->reading().generation + 1) % 2 * kSlotSize;
      files_.FailNextSync(absl::UnknownError("power"));
      EXPECT_FALSE(anchor->Write(payload).ok());
      files_.Crash(kPath, [&](size_t offset) { return offset < slot + kept; });
    }
    const AnchorReading reading = *Anchor::Read(files_, kPath);
    EXPECT_EQ(reading.payload, kept < 5056 ? "first" : payload) << kept;
    std::unique_ptr<Anchor> anchor = Open();
    ASSERT_TRUE(anchor->Write("next").ok());
    EXPECT_EQ(Payload(), "next");
  }
}

// Crash after crash, with any set of unsynced bytes kept, an acknowledged payload is never lost.
TEST_F(AnchorTest, NoSequenceOfCrashesLosesWhatWasAcknowledged) {
  std::mt19937_64 generator(SeedOfRun());
  std::string acknowledged = "first";
  for (int round = 0; round < 300; ++round) {
    std::unique_ptr<Anchor> anchor = Open();
    for (uint64_t writes = generator() % 3; writes > 0; --writes) {
      acknowledged = absl::StrCat("payload ", generator());
      ASSERT_TRUE(anchor->Write(acknowledged).ok());
    }
    const std::string attempted = absl::StrCat("attempt ", generator());
    files_.FailNextSync(absl::UnknownError("power"));
    ASSERT_FALSE(anchor->Write(attempted).ok());
    const uint64_t kind = generator() % 3;
    files_.Crash(kPath, [&](size_t) { return kind == 0 || (kind == 1 && generator() % 2 == 0); });
    const absl::StatusOr<AnchorReading> reading = Anchor::Read(files_, kPath);
    ASSERT_TRUE(reading.ok()) << reading.status();
    ASSERT_TRUE(reading->payload == acknowledged || reading->payload == attempted);
    acknowledged = reading->payload;
  }
}

// The sync before failed, so what a reader sees is in memory only; the next life must not build on
// it.
TEST_F(AnchorTest, OpeningMakesDurableWhatItRead) {
  std::unique_ptr<Anchor> anchor = Open();
  files_.FailNextSync(absl::UnknownError("sync"));
  ASSERT_FALSE(anchor->Write("unsynced").ok());
  anchor = Open();
  ASSERT_EQ(anchor->reading().payload, "unsynced");
  files_.FailNextSync(absl::UnknownError("power"));
  ASSERT_FALSE(anchor->Write("torn").ok());
  bool keep = false;
  files_.Crash(kPath, [&keep](size_t) { return keep = !keep; });
  EXPECT_EQ(Payload(), "unsynced");
}

TEST_F(AnchorTest, AfterAFailureNothingMoreIsWritten) {
  for (const bool sync : {false, true}) {
    std::unique_ptr<Anchor> anchor = Open();
    if (sync) {
      files_.FailNextSync(absl::UnknownError("disk"));
    } else {
      files_.FailNextWrite(absl::ResourceExhaustedError("disk"));
    }
    const absl::Status status = anchor->Write("lost");
    EXPECT_EQ(status.message(), "disk");
    const std::string content = files_.Get(kPath);
    EXPECT_EQ(anchor->Write("more"), status);
    EXPECT_EQ(files_.Get(kPath), content);
    EXPECT_NE(anchor->reading().payload, "lost");
  }
}

TEST_F(AnchorTest, OneDamagedCopyIsSurvivedAndTold) {
  std::unique_ptr<Anchor> anchor = Open();
  ASSERT_TRUE(anchor->Write("second").ok());
  const std::string pristine = files_.Get(kPath);
  const size_t newest = anchor->reading().generation % 2 * kSlotSize;
  for (size_t byte = 0; byte < 62; ++byte) {
    files_.Set(kPath, pristine);
    Damage(newest + byte);
    const AnchorReading reading = *Anchor::Read(files_, kPath);
    EXPECT_EQ(reading.payload, "first");
    EXPECT_FALSE(reading.both_copies_valid);
    files_.Set(kPath, pristine);
    Damage(kSlotSize - newest + byte % 61);
    EXPECT_EQ(Payload(), "second");
  }
}

TEST_F(AnchorTest, BothDamagedIsDataLoss) {
  Damage(10);
  EXPECT_EQ(ReadCode(), absl::StatusCode::kOk);
  Damage(kSlotSize + 57);
  EXPECT_EQ(ReadCode(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Anchor::Open(files_, kPath).status().code(), absl::StatusCode::kDataLoss);
  for (const size_t size : {0, 1, 55, 4096}) {
    files_.Set(kPath, std::string(size, '\0'));
    EXPECT_EQ(ReadCode(), absl::StatusCode::kDataLoss);
  }
}

TEST_F(AnchorTest, ACutFileKeepsTheFirstCopy) {
  files_.Set(kPath, files_.Get(kPath).substr(0, kSlotSize));
  EXPECT_EQ(Payload(), "first");
}

TEST_F(AnchorTest, CopiesInEachOthersPlaceAreRefused) {
  const std::string content = files_.Get(kPath);
  files_.Set(kPath, content.substr(kSlotSize) + content.substr(0, kSlotSize));
  EXPECT_EQ(ReadCode(), absl::StatusCode::kDataLoss);
}

TEST_F(AnchorTest, AnotherFormatVersionIsRefusedRatherThanSkipped) {
  std::string content = files_.Get(kPath);
  content[11] = 2;
  const Digest checksum =
      Sha256({absl::string_view(content).substr(0, 24), absl::string_view("first")});
  content.replace(24, kDigestSize, std::string(AsBytes(checksum)));
  files_.Set(kPath, content);
  EXPECT_EQ(ReadCode(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(AnchorTest, AnAbsentFileIsNotFoundAndAPresentOneIsNotReplaced) {
  EXPECT_EQ(Anchor::Read(files_, "elsewhere").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Anchor::Open(files_, "elsewhere").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Anchor::Create(files_, kPath, "other").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Payload(), "first");
  files_.FailNextCreate(absl::ResourceExhaustedError("disk"));
  EXPECT_EQ(Anchor::Create(files_, "new", "x").code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(AnchorTest, TooLongPayloadsAreRefusedAndChangeNothing) {
  const std::string too_long(kAnchorPayloadMax + 1, 'x');
  std::unique_ptr<Anchor> anchor = Open();
  EXPECT_EQ(anchor->Write(too_long).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Payload(), "first");
  EXPECT_TRUE(anchor->Write("fits").ok());
  EXPECT_EQ(Anchor::Create(files_, "new", too_long).code(), absl::StatusCode::kInvalidArgument);
}

LogAnchor ExampleLogAnchor(size_t trees) {
  SeededRandom random(trees);
  LogAnchor anchor;
  anchor.store = *StoreId::Generate(random);
  for (size_t i = 0; i < trees; ++i) {
    anchor.trees.push_back(i % 3 == 0 ? TreeHead() : TreeHead{i, HashLeaf(absl::StrCat(i))});
  }
  anchor.key_store_sequence = 42;
  anchor.erasure_ledger_size = 7;
  anchor.erasure_ledger_head = HashLeaf("ledger");
  return anchor;
}

TEST(LogAnchorTest, ReadsBackUpToTheLargestNumberOfTrees) {
  for (const size_t trees : {size_t{1}, size_t{16}, size_t{32}, kLogAnchorTreesMax}) {
    const LogAnchor anchor = ExampleLogAnchor(trees);
    const std::string payload = *EncodeLogAnchor(anchor);
    EXPECT_LE(payload.size(), kAnchorPayloadMax);
    EXPECT_EQ(*DecodeLogAnchor(payload), anchor);
  }
}

TEST(LogAnchorTest, WhatIsNoAnchorIsNotEncoded) {
  EXPECT_FALSE(EncodeLogAnchor(ExampleLogAnchor(0)).ok());
  EXPECT_FALSE(EncodeLogAnchor(ExampleLogAnchor(kLogAnchorTreesMax + 1)).ok());
  LogAnchor anchor = ExampleLogAnchor(2);
  anchor.store = StoreId();
  EXPECT_FALSE(EncodeLogAnchor(anchor).ok());
  anchor = ExampleLogAnchor(2);
  anchor.trees[1] = {0, HashLeaf("x")};
  EXPECT_FALSE(EncodeLogAnchor(anchor).ok());
  anchor.trees[1] = {kMaxTreeSize + 1, HashLeaf("x")};
  EXPECT_FALSE(EncodeLogAnchor(anchor).ok());
}

TEST(LogAnchorTest, DamagedPayloadsAndOtherVersionsAreRefused) {
  const std::string payload = *EncodeLogAnchor(ExampleLogAnchor(16));
  for (size_t size = 0; size < payload.size(); ++size) {
    EXPECT_EQ(DecodeLogAnchor(payload.substr(0, size)).status().code(),
              absl::StatusCode::kDataLoss);
  }
  EXPECT_FALSE(DecodeLogAnchor(payload + "x").ok());
  std::string newer = payload;
  newer[3] = 2;
  EXPECT_EQ(DecodeLogAnchor(newer).status().code(), absl::StatusCode::kFailedPrecondition);
}

// Whatever decodes, encodes to the same bytes.
TEST(LogAnchorTest, NoTwoPayloadsMeanTheSame) {
  std::mt19937_64 generator(SeedOfRun());
  const std::string good = *EncodeLogAnchor(ExampleLogAnchor(3));
  for (int i = 0; i < 20'000; ++i) {
    std::string payload = good;
    for (uint64_t change = generator() % 3; change > 0; --change) {
      payload[generator() % payload.size()] = static_cast<char>(generator());
    }
    if (generator() % 4 == 0) payload.resize(generator() % 400, '\0');
    const absl::StatusOr<LogAnchor> anchor = DecodeLogAnchor(payload);
    if (anchor.ok()) {
      ASSERT_EQ(*EncodeLogAnchor(*anchor), payload);
    }
  }
}

}  // namespace
}  // namespace records::eventstore
