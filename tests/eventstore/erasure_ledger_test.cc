#include "eventstore/erasure_ledger.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "eventstore/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/eventstore/memory_anchor_files.h"

namespace records::eventstore {
namespace {

using ::testing::HasSubstr;

constexpr char kPath[] = "erasure.ledger";

template <typename Id>
Id IdOf(uint8_t byte) {
  IdBytes bytes;
  bytes.fill(byte);
  return Id(bytes);
}

Ed25519PrivateKey KeyOf(char byte) {
  return *Ed25519PrivateKey::FromSeed(SecretBytes::CopyOf(std::string(32, byte)));
}

class ErasureLedgerTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<ErasureLedger>> Open(std::vector<KnownErasureHead> known = {}) {
    return ErasureLedger::Open(files_, kPath, store_, KeyOf('\x22'), known);
  }
  absl::StatusOr<ErasureLedgerContent> Read(std::vector<KnownErasureHead> known = {}) {
    return ReadErasureLedger(files_, kPath, store_, KeyOf('\x22').public_key(), known);
  }
  // A ledger of subjects 1 .. count; its head.
  ErasureHead Fill(int count) {
    auto ledger = *Open();
    for (int i = 1; i <= count; ++i) {
      EXPECT_TRUE(ledger->Append(IdOf<SubjectId>(i), IdOf<RootId>(i + 100), day_).ok());
    }
    return ledger->head();
  }

  MemoryAnchorFiles files_;
  const StoreId store_ = IdOf<StoreId>(0x11);
  const absl::Time day_ = absl::FromCivil(absl::CivilDay(2026, 11, 22), absl::UTCTimeZone());
};

// FORMAT.md, "Worked example of the erasure ledger". DP-E4
TEST_F(ErasureLedgerTest, TheWorkedExampleOfTheFormatIsWhatIsWritten) {
  auto ledger = *Open();
  ASSERT_TRUE(
      ledger->Append(IdOf<SubjectId>(0x33), IdOf<RootId>(0x44), day_ + absl::Hours(5)).ok());
  const std::string bytes = files_.Get(kPath);
  ASSERT_EQ(bytes.size(), kErasureHeaderSize + kErasureRecordSize);
  std::ifstream file(FORMAT_FILE);
  std::string format((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  format = format.substr(format.find("## Worked example of the erasure ledger"));
  format = format.substr(0, format.find("\n# "));
  format.erase(
      std::remove_if(format.begin(), format.end(), [](char c) { return c == ' ' || c == '\n'; }),
      format.end());
  EXPECT_THAT(format, HasSubstr(absl::StrCat(
                          "header", absl::BytesToHexString(bytes.substr(0, kErasureHeaderSize)))));
  EXPECT_THAT(format, HasSubstr(absl::StrCat(
                          "record", absl::BytesToHexString(bytes.substr(kErasureHeaderSize)))));
  EXPECT_THAT(format, HasSubstr(absl::StrCat(
                          "head1,", absl::BytesToHexString(AsBytes(ledger->head().hash)))));
}

TEST_F(ErasureLedgerTest, RecordsAreThereAfterOpeningAgain) {
  const ErasureHead head = Fill(3);
  auto ledger = *Open({{"log.anchor", head}});
  EXPECT_EQ(ledger->head(), head);
  EXPECT_EQ(ledger->head().size, 3u);
  ASSERT_EQ(ledger->Records().size(), 3u);
  EXPECT_EQ(ledger->Records()[1].subject, IdOf<SubjectId>(2));
  EXPECT_EQ(ledger->Records()[1].root, IdOf<RootId>(102));
  EXPECT_EQ(ledger->Records()[1].day, day_);
  EXPECT_EQ(ledger->Find(IdOf<SubjectId>(3))->index, 3u);
  EXPECT_FALSE(ledger->Find(IdOf<SubjectId>(4)).has_value());
}

TEST_F(ErasureLedgerTest, ASubjectHasOneRecordHoweverOftenItIsAppended) {
  auto ledger = *Open();
  const auto first = ledger->Append(IdOf<SubjectId>(1), IdOf<RootId>(2), day_);
  const auto again = ledger->Append(IdOf<SubjectId>(1), IdOf<RootId>(2), day_ + absl::Hours(48));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->index, first->index);
  EXPECT_EQ(again->day, day_);
  EXPECT_EQ(ledger->head().size, 1u);
}

TEST_F(ErasureLedgerTest, AnAppendIsOnTheDiskBeforeItIsAcknowledged) {
  auto ledger = *Open();
  ASSERT_TRUE(ledger->Append(IdOf<SubjectId>(1), IdOf<RootId>(2), day_).ok());
  const ErasureHead head = ledger->head();
  files_.Crash(kPath, [](size_t) { return false; });
  EXPECT_TRUE(Open({{"log.anchor", head}}).ok());
}

TEST_F(ErasureLedgerTest, AnUnfinishedAppendOfAnyLengthDoesNotCountAndIsOverwritten) {
  const ErasureHead two = Fill(2);
  const std::string before = files_.Get(kPath);
  (void)Fill(3);
  const std::string after = files_.Get(kPath);
  for (size_t size = before.size() + 1; size < after.size(); ++size) {
    files_.Set(kPath, after.substr(0, size));
    EXPECT_TRUE(Read({{"log.anchor", two}})->torn_tail);
    auto ledger = Open({{"log.anchor", two}});
    ASSERT_TRUE(ledger.ok()) << size << ": " << ledger.status();
    EXPECT_EQ((*ledger)->head(), two);
    ASSERT_TRUE((*ledger)->Append(IdOf<SubjectId>(3), IdOf<RootId>(103), day_).ok());
    EXPECT_EQ(files_.Get(kPath), after) << size;
  }
}

TEST_F(ErasureLedgerTest, AfterAPowerCutTheUnsyncedRecordMayBeThereInAnyPart) {
  const ErasureHead two = Fill(2);
  for (int seed = 0; seed < 64; ++seed) {
    MemoryAnchorFiles files;
    files.Set(kPath, files_.Get(kPath));
    auto ledger = *ErasureLedger::Open(files, kPath, store_, KeyOf('\x22'), {});
    files.FailNextSync(absl::UnavailableError("power"));
    ASSERT_FALSE(ledger->Append(IdOf<SubjectId>(9), IdOf<RootId>(9), day_).ok());
    files.Crash(kPath, [&](size_t offset) { return (offset * 2654435761u >> (seed % 24)) & 1; });
    auto opened = ErasureLedger::Open(files, kPath, store_, KeyOf('\x22'), {{"log.anchor", two}});
    ASSERT_TRUE(opened.ok()) << seed << ": " << opened.status();
    EXPECT_EQ((*opened)->head(), two);
  }
}

TEST_F(ErasureLedgerTest, AfterAFailedWriteTheNextOneIsOnTheDiskOnceItIsAcknowledged) {
  for (const uint8_t next : {1, 2}) {
    MemoryAnchorFiles files;
    const auto open = [&](std::vector<KnownErasureHead> known) {
      return ErasureLedger::Open(files, kPath, store_, KeyOf('\x22'), known);
    };
    auto ledger = *open({});
    files.FailNextSync(absl::UnavailableError("no sync"));
    EXPECT_EQ(ledger->Append(IdOf<SubjectId>(1), IdOf<RootId>(2), day_).status().code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(ledger->head().size, 0u);
    ASSERT_TRUE(ledger->Append(IdOf<SubjectId>(next), IdOf<RootId>(2), day_).ok());
    const ErasureHead head = ledger->head();
    files.Crash(kPath, [](size_t) { return false; });
    const auto opened = open({{"log.anchor", head}});
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ((*opened)->Records().back().subject, IdOf<SubjectId>(next));
  }
}

TEST_F(ErasureLedgerTest, ARecordThatReachedTheDiskUnacknowledgedCountsAtTheNextOpening) {
  auto ledger = *Open();
  files_.FailNextSync(absl::UnavailableError("no sync"));
  EXPECT_FALSE(ledger->Append(IdOf<SubjectId>(1), IdOf<RootId>(2), day_).ok());
  EXPECT_EQ((*Open())->head().size, 1u);
}

TEST_F(ErasureLedgerTest, AFileBehindAKnownHeadIsRefusedAndTheOneWhoKnowsIsNamed) {
  (void)Fill(2);
  const std::string old = files_.Get(kPath);
  const ErasureHead three = Fill(3);
  files_.Set(kPath, old);
  const auto opened = Open({{"log.anchor", {}}, {"keys.anchor", three}});
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("keys.anchor knows of 3"));
  EXPECT_EQ(files_.Get(kPath), old);
}

TEST_F(ErasureLedgerTest, AMissingFileIsRefusedWhenAHeadIsKnownAndMadeOtherwise) {
  MemoryAnchorFiles empty;
  const ErasureHead three = Fill(3);
  const auto opened =
      ErasureLedger::Open(empty, kPath, store_, KeyOf('\x22'), {{"checkpoint.latest", three}});
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("is missing"));
  EXPECT_TRUE(ReadErasureLedger(empty, kPath, store_, "", {}).ok());
  EXPECT_TRUE(ErasureLedger::Open(empty, kPath, store_, KeyOf('\x22'), {}).ok());
}

TEST_F(ErasureLedgerTest, AnotherHistoryOfTheSameLengthIsRefused) {
  const ErasureHead head = Fill(2);
  MemoryAnchorFiles other;
  auto ledger = *ErasureLedger::Open(other, kPath, store_, KeyOf('\x22'), {});
  ASSERT_TRUE(ledger->Append(IdOf<SubjectId>(7), IdOf<RootId>(7), day_).ok());
  ASSERT_TRUE(ledger->Append(IdOf<SubjectId>(8), IdOf<RootId>(8), day_).ok());
  files_.Set(kPath, other.Get(kPath));
  EXPECT_THAT(std::string(Open({{"log.anchor", head}}).status().message()),
              HasSubstr("another record 2 than log.anchor says"));
}

TEST_F(ErasureLedgerTest, EachFlippedByteIsSeen) {
  const ErasureHead head = Fill(3);
  const std::string bytes = files_.Get(kPath);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    files_.Set(kPath, damaged);
    EXPECT_EQ(Read({{"log.anchor", head}}).status().code(), absl::StatusCode::kDataLoss) << i;
  }
}

TEST_F(ErasureLedgerTest, TheLedgerOfAnotherLogOrKeyIsRefused) {
  (void)Fill(1);
  EXPECT_THAT(std::string(ReadErasureLedger(files_, kPath, IdOf<StoreId>(0x12),
                                            KeyOf('\x22').public_key(), {})
                              .status()
                              .message()),
              HasSubstr("belongs to another log"));
  EXPECT_THAT(std::string(ReadErasureLedger(files_, kPath, store_, KeyOf('\x23').public_key(), {})
                              .status()
                              .message()),
              HasSubstr("signed with another key"));
}

TEST_F(ErasureLedgerTest, RecordsThatWereLeftOutOrMovedAreSeen) {
  (void)Fill(4);
  const std::string bytes = files_.Get(kPath);
  std::string without_second = bytes;
  without_second.erase(kErasureHeaderSize + kErasureRecordSize, kErasureRecordSize);
  files_.Set(kPath, without_second);
  EXPECT_THAT(std::string(Read().status().message()), HasSubstr("altered at record 2"));
}

}  // namespace
}  // namespace records::eventstore
