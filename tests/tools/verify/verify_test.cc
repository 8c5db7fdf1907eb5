#include "tools/recordsctl/verify/verify.h"

#include <gmock/gmock.h>

#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "tests/tools/verify/store_fixture.h"

// What the offline verifier finds in events and tables, each kind of damage planted by a raw write.
namespace records::tools::verify {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using VerifyTest = StoreTest;
using records::log::v1::Event;

constexpr Ledger kEvents = Ledger::kEvents;

// The row of `streams` that leads to a sequence of partition kFull of events.
std::string StreamRowOf(RawLog& log, uint64_t sequence) {
  std::string value;
  WriteBigEndian(sequence, 8, &value);
  for (const std::string& key : log.Keys("streams")) {
    const bool is_there = PartitionOf(key, kPartitions) == kFull && key[kStreamPrefixSize - 1] == 0;
    if (is_there && log.Get("streams", key) == value) return key;
  }
  ADD_FAILURE() << "no row for " << sequence;
  return "";
}

TEST_F(VerifyTest, WholeStoreIsClean) {
  options_.checkpoint_file = folder_ / "kept.note";
  options_.verifier_key = verifier_key_;
  WriteWhole(*options_.checkpoint_file, early_checkpoint_);
  const Report report = MustRun();
  EXPECT_TRUE(report.is_clean()) << RenderText(report);
  EXPECT_EQ(report.CountOf(Ledger::kEvents), kFullEvents + 2);
  EXPECT_EQ(report.CountOf(Ledger::kAccess), 3u);
  EXPECT_EQ(report.anchored_events, kFullEvents + 5);
  ASSERT_EQ(report.checkpoints.size(), 2u);
  EXPECT_EQ(report.checkpoints[1].size, kFullEvents / 2);
  EXPECT_EQ(report.checkpoints[1].signed_by, "the given key");
  EXPECT_TRUE(report.has_key_store);
  EXPECT_EQ(report.keys, 1u);
  EXPECT_THAT(RenderText(report), HasSubstr("clean: 602 events and 3 access traces"));
}

TEST_F(VerifyTest, JsonSaysWhatWasVerified) {
  const nlohmann::json json = nlohmann::json::parse(RenderJson(MustRun()));
  EXPECT_EQ(json["result"], "clean");
  EXPECT_EQ(json["events"], kFullEvents + 2);
  EXPECT_EQ(json["accessTraces"], 3);
  EXPECT_EQ(json["partitions"], kPartitions);
  EXPECT_EQ(json["trees"][kFull]["size"], kFullEvents);
  EXPECT_EQ(json["checkpoints"][0]["signedBy"], "checkpoint.key");
  EXPECT_TRUE(json["findings"].empty());
}

TEST_F(VerifyTest, SortingInTemporaryFilesFindsTheSame) {
  options_.sort_memory_bytes = 1024;
  EXPECT_TRUE(MustRun().is_clean());
  RawLog(LogFolder()).ChangeEvent(9, [](Event& event) { event.set_id(std::string(16, 'd')); });
  RawLog(LogFolder()).ChangeEvent(500, [](Event& event) { event.set_id(std::string(16, 'd')); });
  ExpectFinding(MustRun(), Code::kDuplicateId, At(kEvents, kFull, 500));
}

TEST_F(VerifyTest, NothingInTheFolderIsWritten) {
  const auto state = [this] {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(Data())) {
      if (entry.is_regular_file()) files[entry.path()] = ReadWhole(entry.path());
    }
    return files;
  };
  const auto before = state();
  MustRun();
  EXPECT_EQ(state(), before);
}

// Damage from here on.

// CR-3.5.1a
TEST_F(VerifyTest, ChangedEventInATileIsNamed) {
  RawLog(LogFolder()).ChangeEvent(100, [](Event& event) { event.set_facts("fAcTs"); });
  const Report report = MustRun();
  ExpectFinding(report, Code::kTileDiffers, At(kEvents, kFull, 100));
  ExpectFinding(report, Code::kRootDiffers, At(kEvents, kFull));
  EXPECT_THAT(RenderText(report), HasSubstr("\nDAMAGED"));
  EXPECT_THAT(RenderText(report), EndsWith(" into another one.\n"));
}

TEST_F(VerifyTest, ChangedEventBehindTheLastTileIsNamedByItsRange) {
  RawLog(LogFolder()).ChangeEvent(590, [](Event& event) { event.set_facts("fAcTs"); });
  const Report report = MustRun();
  ExpectFinding(report, Code::kRootDiffers, At(kEvents, kFull));
  EXPECT_THAT(RenderText(report), HasSubstr("the change is among sequences 513 to 600"));
}

TEST_F(VerifyTest, EventThatDoesNotParseIsNamed) {
  {
    RawLog log(LogFolder());
    std::string value = log.Get("events", EventKey(kFull, 100));
    value[1] = '\x7f';
    log.Put("events", EventKey(kFull, 100), value);
  }
  ExpectFinding(MustRun(), Code::kEventUnreadable, At(kEvents, kFull, 100));
}

TEST_F(VerifyTest, RemovedEventIsNamed) {
  RawLog(LogFolder()).Delete("events", EventKey(kFull, 77));
  const Report report = MustRun();
  ExpectFinding(report, Code::kSequenceGap, At(kEvents, kFull, 77));
  ExpectFinding(report, Code::kIndexRowExtra, At(kEvents, kFull, 77));
}

TEST_F(VerifyTest, RemovedTraceIsNamed) {
  RawLog(LogFolder()).Delete("access", EventKey(3, 3));
  const Report report = MustRun();
  ExpectFinding(report, Code::kShorterThanAnchor, At(Ledger::kAccess, 3));
  ExpectFinding(report, Code::kShorterThanCheckpoint, At(Ledger::kAccess, 3));
}

TEST_F(VerifyTest, SwappedEventsAreNamed) {
  {
    RawLog log(LogFolder());
    const std::string first = log.Get("events", EventKey(kFull, 10));
    log.Put("events", EventKey(kFull, 10), log.Get("events", EventKey(kFull, 20)));
    log.Put("events", EventKey(kFull, 20), first);
  }
  const Report report = MustRun();
  ExpectFinding(report, Code::kEventMisplaced, At(kEvents, kFull, 10));
  ExpectFinding(report, Code::kEventMisplaced, At(kEvents, kFull, 20));
}

TEST_F(VerifyTest, EventOfAnotherPartitionIsNamed) {
  RawLog(LogFolder()).ChangeEvent(5, [](Event& event) {
    event.mutable_stream()->set_root(std::string(eventstore::testing_support::RootIn(2).bytes()));
  });
  ExpectFinding(MustRun(), Code::kEventMisplaced, At(kEvents, kFull, 5));
}

TEST_F(VerifyTest, RevisionGapIsNamed) {
  RawLog(LogFolder()).ChangeEvent(600, [](Event& event) {
    event.set_revision(event.revision() + 1);
  });
  ExpectFinding(MustRun(), Code::kRevisionGap, At(kEvents, kFull, 600));
}

TEST_F(VerifyTest, ClockThatGoesBackwardsIsNamed) {
  RawLog(LogFolder()).ChangeEvent(300, [](Event& event) {
    event.set_recorded_at_us(event.recorded_at_us() - 3'000'000);
  });
  ExpectFinding(MustRun(), Code::kClockBackwards, At(kEvents, kFull, 300));
}

TEST_F(VerifyTest, DayThatGoesBackwardsIsNamed) {
  RawLog(LogFolder()).ChangeEvent(300, [](Event& event) {
    constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;
    event.set_time_precision(records::log::v1::TIME_PRECISION_DAY);
    event.set_occurred_at_us(0);
    event.set_recorded_at_us(event.recorded_at_us() / kDayUs * kDayUs - kDayUs);
  });
  ExpectFinding(MustRun(), Code::kClockBackwards, At(kEvents, kFull, 300));
}

TEST_F(VerifyTest, RevisionsInAnotherOrderThanTheLogAreNamed) {
  {
    RawLog log(LogFolder());
    uint64_t first = 0;
    // Events 1 and 3 are of one stream.
    log.ChangeEvent(1, [&first](Event& event) {
      first = event.revision();
      event.set_revision(first + 1);
    });
    log.ChangeEvent(3, [&first](Event& event) { event.set_revision(first); });
  }
  const Report report = MustRun();
  ExpectFinding(report, Code::kRevisionGap, At(kEvents, kFull, 1));
  EXPECT_THAT(RenderText(report), HasSubstr("stands before revision 0"));
}

TEST_F(VerifyTest, EventOfAnotherRequestWithinAnAppendIsNamed) {
  RawLog(LogFolder()).ChangeEvent(9, [](Event& event) {
    event.mutable_append()->set_digest(std::string(32, 'd'));
  });
  ExpectFinding(MustRun(), Code::kAppendIncomplete, At(kEvents, kFull, 7));
}

TEST_F(VerifyTest, BrokenAppendIsNamed) {
  RawLog(LogFolder()).ChangeEvent(9, [](Event& event) {
    event.mutable_append()->set_index(event.append().index() + 1);
  });
  ExpectFinding(MustRun(), Code::kAppendIncomplete, At(kEvents, kFull, 7));
}

TEST_F(VerifyTest, RestrictedEventWithClearFactsIsNamed) {
  RawLog(LogFolder()).ChangeEvent(9, [](Event& event) {
    event.set_type("records.events.v1.Restricted");
  });
  const Report report = MustRun();
  ExpectFinding(report, Code::kEnvelope, At(kEvents, kFull, 9));
  EXPECT_THAT(RenderText(report), HasSubstr("has its facts in the clear"));
}

TEST_F(VerifyTest, SealedPartOfATellingSizeIsNamed) {
  RawLog(LogFolder()).ChangeEvent(9, [](Event& event) {
    records::log::v1::SealedPart& part = *event.add_sealed();
    part.set_key_reference(std::string(76, 'k'));
    part.set_nonce(std::string(12, 'n'));
    part.set_ciphertext(std::string(100, 'c'));
  });
  ExpectFinding(MustRun(), Code::kEnvelope, At(kEvents, kFull, 9));
}

TEST_F(VerifyTest, ExtraStreamRowIsNamed) {
  {
    RawLog log(LogFolder());
    std::string key = StreamRowOf(log, 600);
    ++key.back();
    log.Put("streams", key, std::string("\0\0\0\0\0\0\2\x59", 8));
  }
  ExpectFinding(MustRun(), Code::kIndexRowExtra, {kEvents, kFull, 601, "table streams"});
}

TEST_F(VerifyTest, MissingStreamRowIsNamed) {
  {
    RawLog log(LogFolder());
    log.Delete("streams", StreamRowOf(log, 44));
  }
  ExpectFinding(MustRun(), Code::kIndexRowMissing, {kEvents, kFull, 44, "table streams"});
}

TEST_F(VerifyTest, MissingRequestRowIsNamed) {
  {
    RawLog log(LogFolder());
    log.Delete("requests", log.Keys("requests").front());
  }
  const Report report = MustRun();
  EXPECT_EQ(report.findings.CountOf(Code::kIndexRowMissing), 1u) << RenderText(report);
  EXPECT_EQ(report.findings.count(), 1u);
}

TEST_F(VerifyTest, RequestRowThatLeadsElsewhereIsNamed) {
  {
    RawLog log(LogFolder());
    const std::vector<std::string> keys = log.Keys("requests");
    log.Put("requests", keys[0], log.Get("requests", keys[1]));
  }
  const Report report = MustRun();
  EXPECT_EQ(report.findings.CountOf(Code::kIndexRowWrong), 1u) << RenderText(report);
  EXPECT_EQ(report.findings.count(), 1u);
}

TEST_F(VerifyTest, ChangedTileIsToldFromAChangedEvent) {
  {
    RawLog log(LogFolder());
    const std::string key = log.Keys("tree").front();
    std::string tile = log.Get("tree", key);
    tile[32 * 41] ^= 1;
    log.Put("tree", key, tile);
  }
  const Report report = MustRun();
  ExpectFinding(report, Code::kTileDiffers, At(kEvents, kFull, 42));
  EXPECT_EQ(report.findings.count(), 1u) << RenderText(report);
}

TEST_F(VerifyTest, MissingAndExtraTilesAreNamed) {
  {
    RawLog log(LogFolder());
    const std::string key = log.Keys("tree").front();
    std::string other = key;
    other.back() = 9;
    log.Put("tree", other, log.Get("tree", key));
    log.Delete("tree", key);
  }
  const Report report = MustRun();
  ExpectFinding(report, Code::kTileMissing, At(kEvents, kFull));
  ExpectFinding(report, Code::kTileExtra, At(kEvents, kFull));
}

TEST_F(VerifyTest, RowsThatTheFormatDoesNotHaveAreNamed) {
  {
    RawLog log(LogFolder());
    log.Put("events", "x", "y");
    log.Put("events", EventKey(kPartitions, 1), "y");
    log.Put("default", "x", "y");
    log.Put("meta", "x", "y");
    log.Put("streams", "x", "y");
  }
  EXPECT_EQ(MustRun().findings.CountOf(Code::kUnexpectedRow), 5u);
}

TEST_F(VerifyTest, ManyFindingsOfOneKindAreCountedAndTheFirstKept) {
  {
    RawLog log(LogFolder());
    for (const std::string& key : log.Keys("streams")) log.Delete("streams", key);
  }
  options_.findings_kept_per_kind = 3;
  const Report report = MustRun();
  EXPECT_EQ(report.findings.count(), kFullEvents + 5);
  EXPECT_EQ(report.findings.Sorted().size(), 3u);
  EXPECT_THAT(RenderText(report), HasSubstr("and 602 more"));
}

}  // namespace
}  // namespace records::tools::verify
