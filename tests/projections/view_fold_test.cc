#include "projections/view_fold.h"

#include <random>

#include "eventstore/memory_storage.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "projections/view_rows.h"
#include "tests/projections/fake_log.h"
#include "tests/projections/note_projection.h"
#include "tests/seed.h"

namespace records::projections {
namespace {

using eventstore::MemoryStorage;
using eventstore::Position;
using eventstore::RootId;
using eventstore::Storage;
using eventstore::StoreId;

StoreId TestStore(uint8_t number) { return StoreId({number, 1}); }

class ViewFoldTest : public testing::Test {
 protected:
  std::unique_ptr<ViewFold> Open(FoldOptions options = {}) {
    auto fold = ViewFold::Create(log_, notes_, storage_, options);
    EXPECT_TRUE(fold.ok()) << fold.status();
    return *std::move(fold);
  }
  static void FoldAll(ViewFold& fold) {
    while (true) {
      const auto progress = fold.FoldBatch();
      ASSERT_TRUE(progress.ok()) << progress.status();
      if (progress->events == 0) return;
    }
  }
  std::vector<std::string> FreshRows() {
    MemoryStorage fresh(kNoteTables);
    auto fold = ViewFold::Create(log_, notes_, fresh, {});
    FoldAll(**fold);
    return AllRows(fresh, kNoteTables);
  }
  std::string Note(const RootId& root) {
    return storage_.Get(ViewTable(0), root.bytes())->value_or("");
  }

  FakeLog log_{16, TestStore(1)};
  NoteProjection notes_;
  MemoryStorage storage_{kNoteTables};
};

TEST_F(ViewFoldTest, EventsOfARootAreFoldedInOrder) {
  const RootId root = TestRoot(3, 1);
  for (const char* type : {"a", "b", "c"}) log_.Add(NoteEvent(root, type));
  const auto fold = Open();
  const auto progress = fold->FoldBatch();
  ASSERT_TRUE(progress.ok());
  EXPECT_EQ(progress->events, 3u);
  EXPECT_EQ(progress->roots.at(root).sequence, 3u);
  EXPECT_EQ(Note(root), "a1;b2;c3;");
  EXPECT_EQ(fold->Applied(3).sequence, 3u);
}

TEST_F(ViewFoldTest, AViewGoesOnWhereItStood) {
  const RootId root = TestRoot(3, 1);
  log_.Add(NoteEvent(root, "a"));
  FoldAll(*Open());
  log_.Add(NoteEvent(root, "b"));
  const auto fold = Open();
  EXPECT_EQ(fold->Applied(3).sequence, 1u);
  FoldAll(*fold);
  EXPECT_EQ(Note(root), "a1;b2;");
}

TEST_F(ViewFoldTest, OnePartitionDoesNotStarveTheOthers) {
  for (int i = 0; i < 1000; ++i) log_.Add(NoteEvent(TestRoot(0, 1), "a"));
  log_.Add(NoteEvent(TestRoot(5, 1), "a"));
  const auto fold = Open({.batch_events = 500});
  ASSERT_TRUE(fold->FoldBatch().ok());
  EXPECT_EQ(fold->Applied(5).sequence, 1u);
  EXPECT_EQ(fold->Applied(0).sequence, 499u);
}

TEST_F(ViewFoldTest, AfterACrashBetweenBatchesTheViewIsTheFoldOfAPrefixAndCatchesUp) {
  std::mt19937 random(SeedOfRun());
  for (int round = 0; round < 20; ++round) {
    auto fold = Open({.batch_events = 1 + random() % 40});
    for (int i = 0; i < 100; ++i) {
      const uint8_t partition = random() % 16;
      log_.Add(NoteEvent(TestRoot(partition, random() % 3), std::string(1, 'a' + random() % 26)));
      if (random() % 20 == 0) {
        ASSERT_TRUE(fold->FoldBatch().ok());
      }
    }
    FoldAll(*fold);
    fold.reset();
    storage_.Crash(random() % (storage_.unsynced_batches() + 1));
  }
  FoldAll(*Open({.batch_events = 7}));
  EXPECT_EQ(AllRows(storage_, kNoteTables), FreshRows());
}

TEST_F(ViewFoldTest, EachCrashPointLeavesRowsThatTheirCheckpointTells) {
  for (int i = 0; i < 12; ++i) log_.Add(NoteEvent(TestRoot(0, 1), "a"));
  for (size_t kept = 0; kept <= 4; ++kept) {
    MemoryStorage storage(kNoteTables);
    FoldAll(**ViewFold::Create(log_, notes_, storage, {.batch_events = 3}));
    storage.Crash(kept);
    const auto fold = ViewFold::Create(log_, notes_, storage, {});
    ASSERT_TRUE(fold.ok());
    EXPECT_EQ((*fold)->Applied(0).sequence, 3 * kept);
    const std::string note = storage.Get(ViewTable(0), TestRoot(0, 1).bytes())->value_or("");
    EXPECT_EQ(std::count(note.begin(), note.end(), ';'), static_cast<int>(3 * kept));
  }
}

// Error paths.

TEST_F(ViewFoldTest, AnEventThatCannotBeFoldedParksItsRootAndNoOther) {
  const RootId bad = TestRoot(3, 1), good = TestRoot(3, 2);
  log_.Add(NoteEvent(bad, "a"));
  log_.Add(NoteEvent(bad, "bad"));
  log_.Add(NoteEvent(good, "b"));
  log_.Add(NoteEvent(bad, "c"));
  const auto fold = Open();
  const auto progress = fold->FoldBatch();
  ASSERT_TRUE(progress.ok());
  ASSERT_EQ(progress->parked.size(), 1u);
  EXPECT_EQ(progress->parked[0].first, (Position{3, 2}));
  EXPECT_EQ(fold->Applied(3).sequence, 4u);
  EXPECT_EQ(Note(bad), "a1;");
  EXPECT_EQ(Note(good), "b3;");
  EXPECT_TRUE(absl::IsUnavailable(CheckNotParked(storage_, bad)));
  EXPECT_TRUE(CheckNotParked(storage_, good).ok());
}

TEST_F(ViewFoldTest, AParkedRootStaysParkedAfterARestartAndReplaysInOrderWhenMended) {
  const RootId bad = TestRoot(3, 1);
  for (const char* type : {"a", "bad", "c"}) log_.Add(NoteEvent(bad, type));
  FoldAll(*Open());
  log_.Add(NoteEvent(bad, "d"));
  const auto fold = Open();
  EXPECT_EQ(fold->parked().at(bad), (Position{3, 2}));
  FoldAll(*fold);
  EXPECT_TRUE(absl::IsInvalidArgument(fold->Replay(bad)));
  EXPECT_TRUE(absl::IsUnavailable(CheckNotParked(storage_, bad)));
  EXPECT_EQ(Note(bad), "a1;");
  notes_.mended = true;
  EXPECT_TRUE(fold->Replay(bad).ok());
  EXPECT_TRUE(CheckNotParked(storage_, bad).ok());
  EXPECT_EQ(Note(bad), "a1;bad2;c3;d4;");
  log_.Add(NoteEvent(bad, "e"));
  FoldAll(*fold);
  EXPECT_EQ(AllRows(storage_, kNoteTables), FreshRows());
}

TEST_F(ViewFoldTest, AReplayOfManyEventsLeavesWhatTheViewHasNotReachedToTheFold) {
  const RootId bad = TestRoot(3, 1);
  log_.Add(NoteEvent(bad, "bad"));
  for (int i = 0; i < 700; ++i) log_.Add(NoteEvent(bad, "a"));
  const auto fold = Open();
  FoldAll(*fold);
  for (int i = 0; i < 10; ++i) log_.Add(NoteEvent(bad, "b"));
  notes_.mended = true;
  EXPECT_TRUE(fold->Replay(bad).ok());
  EXPECT_THAT(Note(bad), testing::EndsWith("a701;"));
  FoldAll(*fold);
  EXPECT_EQ(AllRows(storage_, kNoteTables), FreshRows());
}

TEST_F(ViewFoldTest, AReplayThatMeetsASecondBadEventKeepsWhatItFolded) {
  const RootId bad = TestRoot(3, 1);
  for (int i = 0; i < 300; ++i) log_.Add(NoteEvent(bad, i == 0 ? "bad" : "a"));
  const auto fold = Open();
  FoldAll(*fold);
  EXPECT_TRUE(absl::IsNotFound(fold->Replay(TestRoot(3, 9))));
  EXPECT_TRUE(absl::IsInvalidArgument(fold->Replay(bad)));
  EXPECT_EQ(fold->parked().at(bad), (Position{3, 1}));
}

TEST_F(ViewFoldTest, WhatIsUnavailableIsTriedAgainAndParksNothing) {
  const RootId root = TestRoot(3, 1);
  log_.Add(NoteEvent(root, "a"));
  const auto fold = Open();
  notes_.unavailable = true;
  auto progress = fold->FoldBatch();
  ASSERT_TRUE(progress.ok());
  EXPECT_TRUE(absl::IsUnavailable(progress->stalled));
  EXPECT_EQ(fold->Applied(3).sequence, 0u);
  notes_.unavailable = false;
  FoldAll(*fold);
  EXPECT_EQ(Note(root), "a1;");
  EXPECT_TRUE(fold->parked().empty());
}

TEST_F(ViewFoldTest, ADamagedPartitionStopsThereAndTheOthersGoOn) {
  for (int i = 0; i < 3; ++i) log_.Add(NoteEvent(TestRoot(1, 1), "a"));
  log_.Add(NoteEvent(TestRoot(2, 1), "b"));
  log_.Damage(eventstore::Position{1, 2});
  const auto fold = Open();
  const auto progress = fold->FoldBatch();
  ASSERT_TRUE(progress.ok());
  EXPECT_TRUE(absl::IsDataLoss(progress->stalled));
  FoldAll(*fold);
  EXPECT_EQ(fold->Applied(1).sequence, 1u);
  EXPECT_EQ(Note(TestRoot(2, 1)), "b1;");
}

TEST_F(ViewFoldTest, WithoutRoomTheSameBatchIsWrittenLater) {
  int refusals = 2;
  storage_.set_before_write(
      [&] { return refusals-- > 0 ? absl::ResourceExhaustedError("full") : absl::OkStatus(); });
  log_.Add(NoteEvent(TestRoot(1, 1), "a"));
  const auto fold = Open();
  EXPECT_TRUE(absl::IsResourceExhausted(fold->FoldBatch().status()));
  EXPECT_TRUE(absl::IsResourceExhausted(fold->FoldBatch().status()));
  EXPECT_EQ(fold->Applied(1).sequence, 0u);
  const auto progress = fold->FoldBatch();
  ASSERT_TRUE(progress.ok());
  EXPECT_EQ(progress->events, 1u);
  EXPECT_EQ(Note(TestRoot(1, 1)), "a1;");
}

TEST_F(ViewFoldTest, AFailedWriteIsFinal) {
  storage_.set_before_write([] { return absl::InternalError("broken"); });
  log_.Add(NoteEvent(TestRoot(1, 1), "a"));
  const auto fold = Open();
  EXPECT_TRUE(absl::IsInternal(fold->FoldBatch().status()));
  storage_.set_before_write(nullptr);
  EXPECT_TRUE(absl::IsInternal(fold->FoldBatch().status()));
  EXPECT_EQ(Note(TestRoot(1, 1)), "");
}

TEST_F(ViewFoldTest, ACheckpointThatTheLogDoesNotConfirmIsRefusedAndNamed) {
  for (int i = 0; i < 3; ++i) log_.Add(NoteEvent(TestRoot(1, 1), "a"));
  FoldAll(*Open());
  FakeLog other(16, TestStore(2));
  const auto of_other = ViewFold::Create(other, notes_, storage_, {});
  EXPECT_TRUE(absl::IsFailedPrecondition(of_other.status()));
  EXPECT_THAT(of_other.status().message(), testing::HasSubstr("view notes, partition 1"));
  log_.ChangePast({1, 2});
  EXPECT_TRUE(absl::IsDataLoss(ViewFold::Create(log_, notes_, storage_, {}).status()));
  log_.LoseEnd(1, 2);
  EXPECT_TRUE(absl::IsOutOfRange(ViewFold::Create(log_, notes_, storage_, {}).status()));
}

TEST_F(ViewFoldTest, DamagedRunnerRowsAreRefused) {
  eventstore::StorageBatch batch;
  batch.Put(kRunnerTable, CheckpointKey(1), "short");
  ASSERT_TRUE(storage_.Write(batch, Storage::Durability::kSynced).ok());
  EXPECT_TRUE(absl::IsDataLoss(ViewFold::Create(log_, notes_, storage_, {}).status()));
}

TEST(ViewBatchTest, ReadsSeeEarlierWritesOfTheBatch) {
  MemoryStorage storage(kNoteTables);
  eventstore::StorageBatch stored;
  for (const char* key : {"k1", "k2", "k3", "x"}) stored.Put(ViewTable(0), key, "stored");
  ASSERT_TRUE(storage.Write(stored, Storage::Durability::kSynced).ok());
  ViewBatch batch(storage);
  batch.Put(ViewTable(0), "k2", "kept");
  batch.Put(ViewTable(0), "k4", "kept");
  batch.Keep();
  batch.Delete(ViewTable(0), "k1");
  batch.Put(ViewTable(0), "k0", "pending");
  const auto scan = [&] {
    std::string seen;
    EXPECT_TRUE(batch
                    .ScanPrefix(ViewTable(0), "k",
                                [&](auto key, auto value) {
                                  absl::StrAppend(&seen, key, "=", value, " ");
                                  return true;
                                })
                    .ok());
    return seen;
  };
  EXPECT_EQ(scan(), "k0=pending k2=kept k3=stored k4=kept ");
  EXPECT_EQ(*batch.Get(ViewTable(0), "k1"), std::nullopt);
  batch.Discard();
  EXPECT_EQ(scan(), "k1=stored k2=kept k3=stored k4=kept ");
  EXPECT_EQ(*batch.Get(ViewTable(0), "k1"), "stored");
}

// A batch that ends at a head finds the head's root with the log, and the next batch goes on.
TEST_F(ViewFoldTest, EventsThatComeDuringABatchAreOfTheNext) {
  const RootId root = TestRoot(3, 1);
  log_.Add(NoteEvent(root, "a"));
  const auto fold = Open();
  ASSERT_EQ(fold->FoldBatch()->events, 1u);
  log_.Add(NoteEvent(root, "b"));
  const auto progress = fold->FoldBatch();
  ASSERT_TRUE(progress.ok());
  EXPECT_EQ(progress->events, 1u);
  EXPECT_TRUE(progress->moved);
  EXPECT_FALSE(fold->FoldBatch()->moved);
  EXPECT_EQ(Note(root), "a1;b2;");
}

}  // namespace
}  // namespace records::projections
