#include "projections/view.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "eventstore/byte_search.h"
#include "eventstore/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "projections/view_rows.h"
#include "tests/eventstore/temp_folder.h"
#include "tests/projections/fake_log.h"
#include "tests/projections/note_projection.h"

namespace records::projections {
namespace {

using eventstore::Position;
using eventstore::StoreId;

absl::Time Deadline() { return absl::Now() + absl::Seconds(60); }

class VersionTwo final : public Projection {
 public:
  std::string name() const override { return "notes"; }
  uint32_t version() const override { return 2; }
  std::vector<std::string> tables() const override { return {"notes"}; }
  absl::Status Apply(const eventstore::StoredEvent& event, ViewBatch& batch) const override {
    batch.Put(ViewTable(0), event.event.stream().root(), "two");
    return absl::OkStatus();
  }
};

class ViewTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<View>> TryOpen(const Projection& projection) {
    return View::Open(log_, projection,
                      {.folder = folder_ / "notes", .open_storage = RocksViewStorage(1 << 20)});
  }
  std::unique_ptr<View> Open() {
    auto view = TryOpen(notes_);
    EXPECT_TRUE(view.ok()) << view.status();
    return *std::move(view);
  }
  void Add(int events) {
    for (int i = 0; i < events; ++i) log_.Add(NoteEvent(TestRoot(i % 16, 1 + i % 5), "a"));
  }
  void CatchUp(View& view) {
    for (uint32_t i = 0; i < 16; ++i) {
      const Position head = log_.Head(eventstore::Ledger::kEvents, i);
      ASSERT_TRUE(view.live()->runner->WaitFor(head, Deadline()).ok());
    }
  }
  static std::vector<std::string> Rows(View& view) {
    return AllRows(*view.live()->storage, kNoteTables);
  }
  size_t Folders() {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "notes")) {
      count += entry.is_directory() ? 1 : 0;
    }
    return count;
  }

  eventstore::testing_support::TempFolder folder_;
  FakeLog log_{16, StoreId({1, 1})};
  NoteProjection notes_;
};

TEST_F(ViewTest, ARebuiltViewIsByteEqualToTheLiveOne) {
  Add(500);
  const auto view = Open();
  CatchUp(*view);
  const auto before = Rows(*view);
  ASSERT_TRUE(view->Rebuild(Deadline()).ok());
  EXPECT_EQ(view->live()->id.number, 2u);
  EXPECT_EQ(Rows(*view), before);
}

// Both are held against each other at the same event, wherever the log has come to.
TEST_F(ViewTest, BeforeASwitchTheRowsOfBothCopiesAreCompared) {
  Add(500);
  const auto view = Open();
  EXPECT_FALSE(view->GetStatus().comparison.has_value());
  std::thread writer([&] {
    for (int i = 0; i < 10'000; ++i) {
      Add(1);
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < 6; ++i) {
    const absl::Status switched = i % 2 == 0 ? view->Rebuild(Deadline()) : view->Undo(Deadline());
    EXPECT_TRUE(switched.ok()) << switched;
    const auto comparison = view->GetStatus().comparison.value_or(RowComparison{});
    EXPECT_TRUE(comparison.problem.ok()) << comparison.problem;
    EXPECT_GE(comparison.rows, 80u);
    EXPECT_EQ(comparison.different, 0u);
  }
  writer.join();
}

TEST_F(ViewTest, RowsThatDifferAreCountedAndTheFoldOfTheLogAnswers) {
  Add(500);
  const auto view = Open();
  CatchUp(*view);
  const auto rows = Rows(*view);
  eventstore::StorageBatch damage;
  damage.Put(ViewTable(0), std::string(TestRoot(1, 1).bytes()), "changed");
  damage.Delete(ViewTable(0), std::string(TestRoot(2, 2).bytes()));
  damage.Put(ViewTable(0), std::string(TestRoot(3, 77).bytes()), "of no event");
  ASSERT_TRUE(
      view->live()->storage->Write(damage, eventstore::Storage::Durability::kUnsynced).ok());
  ASSERT_TRUE(view->Rebuild(Deadline()).ok());
  EXPECT_EQ(view->GetStatus().comparison->different, 3u);
  EXPECT_EQ(view->GetStatus().comparison->rows, rows.size() - 16 + 1);  // without checkpoints
  EXPECT_EQ(Rows(*view), rows);
}

TEST_F(ViewTest, ACopyThatDoesNotGoOnIsReplacedWithoutAComparison) {
  Add(500);
  const auto view = Open();
  CatchUp(*view);
  view->live()->runner->Stop();
  Add(10);
  ASSERT_TRUE(view->Rebuild(Deadline()).ok());
  EXPECT_TRUE(absl::IsUnavailable(view->GetStatus().comparison->problem));
  CatchUp(*view);
}

TEST_F(ViewTest, AParkedRootThatANewCopyFoldsIsNoDifferenceOfTheirs) {
  Add(50);
  log_.Add(NoteEvent(TestRoot(1, 1), "bad"));
  const auto view = Open();
  CatchUp(*view);
  notes_.mended = true;
  ASSERT_TRUE(view->Rebuild(Deadline()).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(view->GetStatus().comparison->problem));
}

TEST_F(ViewTest, AViewThatIsStoppedWhileCopiesAreComparedSwitchesNoMore) {
  Add(20'000);
  const auto view = Open();
  CatchUp(*view);
  // From the first question on, which comes when the new copy has begun to fold.
  const absl::Status rebuilt = view->Rebuild(Deadline(), [&](const SwitchProgress& progress) {
    if (progress.events_done == progress.events_total) view->Stop();
    return true;
  });
  EXPECT_TRUE(absl::IsUnavailable(rebuilt)) << rebuilt;
  EXPECT_EQ(ReadMarker(folder_ / "notes").value()->live.number, 1u);
}

TEST_F(ViewTest, ASwitchEndsNoQuestionAndOutlastsARestart) {
  Add(50);
  {
    const auto view = Open();
    CatchUp(*view);
    const auto question = view->live();
    ASSERT_TRUE(view->Rebuild(Deadline()).ok());
    EXPECT_NE(question, view->live());
    EXPECT_TRUE(question->storage->Get(ViewTable(0), TestRoot(1, 2).bytes())->has_value());
  }
  const auto view = Open();
  EXPECT_EQ(view->live()->id.number, 2u);
  EXPECT_EQ(Folders(), 2u);
}

TEST_F(ViewTest, ARebuildCanBeUndoneAndTheOldCopyCatchesUpFirst) {
  Add(50);
  const auto view = Open();
  ASSERT_TRUE(view->Rebuild(Deadline()).ok());
  Add(50);
  CatchUp(*view);
  const auto rows = Rows(*view);
  ASSERT_TRUE(view->Undo(Deadline()).ok());
  EXPECT_EQ(view->live()->id.number, 1u);
  EXPECT_EQ(Rows(*view), rows);
  ASSERT_TRUE(view->DropPrevious().ok());
  EXPECT_EQ(Folders(), 1u);
  EXPECT_TRUE(absl::IsNotFound(view->Undo(Deadline())));
}

TEST_F(ViewTest, ManyRebuildsWhileTheLogGrowsKeepTwoCopies) {
  Add(50);
  const auto view = Open();
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) Add(10);
  });
  absl::Status rebuilt;
  for (int i = 0; i < 4; ++i) rebuilt.Update(view->Rebuild(Deadline()));
  writer.join();
  ASSERT_TRUE(rebuilt.ok()) << rebuilt;
  CatchUp(*view);
  EXPECT_EQ(Folders(), 2u);
  const auto rows = Rows(*view);
  ASSERT_TRUE(view->Undo(Deadline()).ok());
  EXPECT_EQ(Rows(*view), rows);
}

TEST_F(ViewTest, ANewVersionFoldsBesideTheOldWhichAnOldProgramStillOpens) {
  Add(50);
  CatchUp(*Open());
  const VersionTwo two;
  {
    const auto view = *TryOpen(two);
    CatchUp(*view);
    EXPECT_EQ(view->live()->id, (GenerationId{2, 2}));
    EXPECT_EQ(*view->live()->storage->Get(ViewTable(0), TestRoot(1, 2).bytes()), "two");
  }
  {
    const auto view = Open();
    EXPECT_EQ(view->live()->id, (GenerationId{1, 1}));
  }
  EXPECT_EQ((*TryOpen(two))->live()->id, (GenerationId{2, 2}));
}

// Each copy but the first is held up at one event.
class HeldUpProjection final : public Projection {
 public:
  std::string name() const override { return "notes"; }
  uint32_t version() const override { return 1; }
  std::vector<std::string> tables() const override { return {"notes"}; }
  absl::Status Apply(const eventstore::StoredEvent& event, ViewBatch&) const override {
    const std::thread::id here = std::this_thread::get_id();
    if (event.position.sequence == 1 && first_ == std::thread::id()) first_ = here;
    if (event.position.sequence == held_up_at && here != first_) go_on.WaitForNotification();
    return absl::OkStatus();
  }

  const uint64_t held_up_at = 21;
  mutable absl::Notification go_on;

 private:
  mutable std::atomic<std::thread::id> first_{};
};

TEST_F(ViewTest, WhatWasReadIsInTheCopyThatAnswersNext) {
  const HeldUpProjection notes;
  FakeLog log(1, StoreId({1, 1}));
  const auto add = [&] { return log.Add(NoteEvent(TestRoot(0, 1), "a")); };
  for (int i = 0; i < 20; ++i) add();
  const auto view = *View::Open(
      log, notes, {.folder = folder_ / "held", .open_storage = RocksViewStorage(1 << 20)});
  Position last{0, 20};
  ASSERT_TRUE(view->WaitFor(last, Deadline()).ok());
  int asked = 0;
  const absl::Status rebuilt = view->Rebuild(Deadline(), [&](const SwitchProgress&) {
    if (++asked > 1) {
      if (!notes.go_on.HasBeenNotified()) notes.go_on.Notify();
      return true;
    }
    while (view->GetStatus().switching->events_done < 20) std::this_thread::yield();
    // Somebody sees one more, which the next copy has not.
    last = add();
    EXPECT_TRUE(view->WaitFor(last, Deadline()).ok());
    return true;
  });
  ASSERT_TRUE(rebuilt.ok()) << rebuilt;
  EXPECT_GE(view->live()->runner->AppliedPosition(0).sequence, last.sequence);
  if (!notes.go_on.HasBeenNotified()) notes.go_on.Notify();
}

TEST_F(ViewTest, WhoWaitsForTheirOwnWriteWaitsOnInTheNextCopy) {
  Add(50);
  const auto view = Open();
  CatchUp(*view);
  Position last = log_.Head(eventstore::Ledger::kEvents, 3);
  last.sequence += 1;
  absl::Status reached;
  std::thread waiter([&] { reached = view->WaitFor(last, Deadline()); });
  ASSERT_TRUE(view->Rebuild(Deadline()).ok());
  log_.Add(NoteEvent(TestRoot(3, 1), "a"));
  waiter.join();
  EXPECT_TRUE(reached.ok()) << reached;
}

TEST_F(ViewTest, AFollowerIsToldWhenAnotherCopyAnswers) {
  Add(50);
  const auto view = Open();
  const auto copy = view->live();
  absl::Notification told;
  const auto subscription = copy->runner->Subscribe(TestRoot(1, 1), [&](Position) {
    if (copy->runner->GetStatus().state == RunnerStatus::State::kStopped) told.Notify();
  });
  CatchUp(*view);
  ASSERT_TRUE(view->Rebuild(Deadline()).ok());
  EXPECT_TRUE(told.HasBeenNotified());
}

TEST_F(ViewTest, TheStatusSaysWhatAnswersAndWhetherItCanBeUndone) {
  Add(160);
  const auto view = Open();
  CatchUp(*view);
  ViewStatus status = view->GetStatus();
  EXPECT_EQ(status.live, (GenerationId{1, 1}));
  EXPECT_FALSE(status.can_undo);
  EXPECT_FALSE(status.switching.has_value());
  EXPECT_EQ(status.events_done, 160u);
  EXPECT_EQ(status.events_total, 160u);
  bool told = false;
  const absl::Status rebuilt = view->Rebuild(Deadline(), [&](const SwitchProgress& progress) {
    EXPECT_EQ(progress.next, (GenerationId{2, 1}));
    EXPECT_LE(progress.events_done, progress.events_total);
    status = view->GetStatus();
    EXPECT_TRUE(status.switching.has_value());
    EXPECT_EQ(status.live, (GenerationId{1, 1}));
    return told = true;
  });
  ASSERT_TRUE(rebuilt.ok()) << rebuilt;
  EXPECT_TRUE(told);
  status = view->GetStatus();
  EXPECT_EQ(status.live, (GenerationId{2, 1}));
  EXPECT_TRUE(status.can_undo);
  EXPECT_FALSE(status.switching.has_value());
}

// What lies in the files of the view's folder, or below it.
bool IsInFiles(const std::filesystem::path& folder, const std::string& words) {
  const auto found = eventstore::SearchFiles({.paths = {folder.string()}, .skipped_names = {}},
                                             std::vector<absl::string_view>{words});
  EXPECT_TRUE(found.ok()) << found.status();
  return found.ok() && !found->found_in.empty();
}

// DP-E4, C8
TEST_F(ViewTest, TheBytesOfAnEndedRootLeaveTheFilesAndTheCopyBeforeWithThem) {
  const std::string words = "q7Zr-not-to-be-found-0123456789ab-any-more-Vx2";
  const auto view = Open();
  log_.Add(NoteEvent(TestRoot(1, 1), words));
  Add(50);
  CatchUp(*view);
  ASSERT_TRUE(view->Rebuild(Deadline()).ok());
  EXPECT_TRUE(IsInFiles(folder_ / "notes/g1", words));
  EXPECT_TRUE(IsInFiles(folder_ / "notes/g2", words));
  ASSERT_TRUE(view->CleanEnded().ok());  // nothing is ended
  EXPECT_TRUE(view->GetStatus().can_undo);
  log_.Add(NoteEvent(TestRoot(1, 1), "end"));
  CatchUp(*view);
  EXPECT_EQ(view->GetStatus().runner.ended_roots, 1u);
  ASSERT_TRUE(view->CleanEnded().ok());
  EXPECT_FALSE(IsInFiles(folder_ / "notes", words));
  EXPECT_EQ(Folders(), 1u);
  // A copy that is folded later has put and deleted the rows again.
  ASSERT_TRUE(view->Rebuild(Deadline()).ok());
  EXPECT_FALSE(IsInFiles(folder_ / "notes", words));
  EXPECT_TRUE(view->GetStatus().can_undo);
  EXPECT_TRUE(view->CleanEnded().ok());
  EXPECT_TRUE(view->GetStatus().can_undo);
}

TEST_F(ViewTest, WhatACrashKeptFromTheFilesIsRewrittenAfterTheStart) {
  const std::string words = "q7Zr-not-to-be-found-0123456789ab-any-more-Vx2";
  {
    const auto view = Open();
    log_.Add(NoteEvent(TestRoot(1, 1), words));
    CatchUp(*view);
    ASSERT_TRUE(view->live()->storage->Compact(ViewTable(0)).ok());  // out of the write-ahead log
    log_.Add(NoteEvent(TestRoot(1, 1), "end"));
    CatchUp(*view);
  }
  const auto view = Open();
  EXPECT_TRUE(IsInFiles(folder_ / "notes", words));
  ASSERT_TRUE(view->CleanEnded().ok());
  EXPECT_FALSE(IsInFiles(folder_ / "notes", words));
}

// Error paths.

TEST_F(ViewTest, OneAtATimeSwitchesAndTheOthersAreToldSo) {
  Add(50);
  const auto view = Open();
  CatchUp(*view);
  std::vector<absl::Status> others;
  const absl::Status rebuilt = view->Rebuild(Deadline(), [&](const SwitchProgress&) {
    others = {view->Rebuild(Deadline()), view->Undo(Deadline()), view->DropPrevious()};
    return true;
  });
  EXPECT_TRUE(rebuilt.ok()) << rebuilt;
  for (const absl::Status& other : others) EXPECT_TRUE(absl::IsAborted(other)) << other;
  EXPECT_TRUE(view->Undo(Deadline()).ok());
}

TEST_F(ViewTest, ARebuildThatIsGivenUpChangesNothing) {
  Add(50);
  const auto view = Open();
  CatchUp(*view);
  EXPECT_TRUE(absl::IsCancelled(view->Rebuild(Deadline(), [](const auto&) { return false; })));
  EXPECT_EQ(view->live()->id.number, 1u);
  EXPECT_EQ(Folders(), 1u);
  Add(50);
  CatchUp(*view);
  EXPECT_TRUE(view->Rebuild(Deadline()).ok());
}

TEST_F(ViewTest, TheCopyToGoBackToIsWaitedForWhileAQuestionHoldsIt) {
  Add(50);
  const auto view = Open();
  auto question = view->live();
  ASSERT_TRUE(view->Rebuild(Deadline()).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(view->Undo(absl::Now() + absl::Milliseconds(1))));
  const absl::Status undone = view->Undo(Deadline(), [&](const SwitchProgress&) {
    question.reset();
    return true;
  });
  EXPECT_TRUE(undone.ok()) << undone;
  EXPECT_EQ(view->live()->id.number, 1u);
}

TEST_F(ViewTest, WhatARebuildLeftThatACrashCutShortIsRemovedAtTheStart) {
  Add(50);
  CatchUp(*Open());
  std::filesystem::copy(folder_ / "notes/g1", folder_ / "notes/g2",
                        std::filesystem::copy_options::recursive);
  const auto view = Open();
  EXPECT_EQ(view->live()->id.number, 1u);
  EXPECT_EQ(Folders(), 1u);
  CatchUp(*view);
  ASSERT_TRUE(view->Rebuild(Deadline()).ok());
  EXPECT_EQ(view->live()->id.number, 2u);
}

TEST_F(ViewTest, ARebuildThatCannotBeFinishedChangesNothing) {
  Add(50);
  const auto view = Open();
  CatchUp(*view);
  notes_.unavailable = true;
  EXPECT_TRUE(absl::IsDeadlineExceeded(view->Rebuild(absl::Now() + absl::Milliseconds(20))));
  EXPECT_EQ(view->live()->id.number, 1u);
  EXPECT_EQ(Folders(), 1u);
}

TEST_F(ViewTest, ARebuildThatParksWhatWasNotParkedIsRefused) {
  notes_.mended = true;
  log_.Add(NoteEvent(TestRoot(1, 1), "bad"));
  const auto view = Open();
  CatchUp(*view);
  notes_.mended = false;
  EXPECT_TRUE(absl::IsFailedPrecondition(view->Rebuild(Deadline())));
  EXPECT_EQ(view->live()->id.number, 1u);
  notes_.mended = true;
  EXPECT_TRUE(view->Rebuild(Deadline()).ok());
}

TEST_F(ViewTest, ADamagedMarkerIsRefused) {
  { const auto view = Open(); }
  for (const char* content :
       {"", "records view 1\n", "records view 1\nlive 0 1\nend\n", "records view 1\nlive 1 1\n",
        "records view 1\nlive 1 1\nprevious\n"}) {
    std::ofstream(folder_ / "notes/LIVE") << content;
    EXPECT_TRUE(absl::IsDataLoss(TryOpen(notes_).status())) << content;
  }
}

TEST_F(ViewTest, AViewOfAnotherLogIsRefused) {
  Add(50);
  CatchUp(*Open());
  FakeLog other(16, StoreId({2, 2}));
  const auto view = View::Open(
      other, notes_, {.folder = folder_ / "notes", .open_storage = RocksViewStorage(1 << 20)});
  EXPECT_TRUE(absl::IsFailedPrecondition(view.status()));
}

}  // namespace
}  // namespace records::projections
