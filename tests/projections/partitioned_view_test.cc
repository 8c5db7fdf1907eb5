// A view shared out partition by partition: what is here answers once it has caught up, and what is
// let go of is gone. The log is a fake that can hide its head and be away.

#include "projections/partitioned_view.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "eventstore/byte_search.h"
#include "eventstore/memory_storage.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/eventstore/temp_folder.h"
#include "tests/projections/fake_log.h"
#include "tests/projections/note_projection.h"
#include "tests/seed.h"

namespace records::projections {
namespace {

using eventstore::Position;
using eventstore::StoreId;
using testing::HasSubstr;
using State = PartitionStatus::State;

absl::Time Deadline() { return absl::Now() + absl::Seconds(60); }

class PartitionedViewTest : public testing::Test {
 protected:
  std::unique_ptr<PartitionedView> Make(absl::Duration release_wait = absl::Seconds(30)) {
    return std::make_unique<PartitionedView>(
        log_, notes_,
        PartitionedViewOptions{.folder = folder_ / "notes",
                               .open_storage = RocksViewStorage(1 << 20),
                               .retry_wait = absl::Milliseconds(10),
                               .look_wait = absl::Milliseconds(2),
                               .release_wait = release_wait,
                               .on_letting_go = [this](uint32_t partition) {
                                 if (on_letting_go_) on_letting_go_(partition);
                               }});
  }

  void Add(int events, std::string type = "a") {
    for (int i = 0; i < events; ++i) {
      log_.Add(NoteEvent(TestRoot(number_ % 16, 1 + number_ % 5), type));
      ++number_;
    }
  }

  static void AcquireReady(PartitionedView& view, uint32_t partition) {
    ASSERT_TRUE(view.Acquire(partition).ok());
    const absl::Status ready = view.WaitUntilReady(partition, Deadline());
    ASSERT_TRUE(ready.ok()) << ready;
  }

  std::vector<std::string> Rows(PartitionedView& view, uint32_t partition) {
    const auto copy = view.Live(partition);
    EXPECT_TRUE(copy.ok()) << copy.status();
    const Position head = log_.Head(eventstore::Ledger::kEvents, partition);
    EXPECT_TRUE((*copy)->runner->WaitFor(head, Deadline()).ok());
    return AllRows(*(*copy)->storage, kNoteTables);
  }

  std::vector<std::string> FreshRows(uint32_t partition) {
    eventstore::MemoryStorage storage(kNoteTables);
    const auto fold = ViewFold::Create(log_, notes_, storage, {.partitions = {partition}});
    while ((*fold)->FoldBatch()->moved) {
    }
    return AllRows(storage, kNoteTables);
  }

  bool IsOnDisk(const std::string& partition) {
    return std::filesystem::exists(folder_ / absl::StrCat("notes/", partition));
  }

  static PartitionStatus StatusOf(const PartitionedView& view, uint32_t partition) {
    for (const PartitionStatus& status : view.GetStatus()) {
      if (status.partition == partition) return status;
    }
    ADD_FAILURE() << "partition " << partition << " is not held";
    return {};
  }

  eventstore::testing_support::TempFolder folder_;
  FakeLog log_{16, StoreId({1, 1})};
  NoteProjection notes_;
  uint32_t number_ = 0;
  std::function<void(uint32_t)> on_letting_go_;
};

TEST_F(PartitionedViewTest, APartitionThatIsAcquiredAnswersAndFollows) {
  Add(320);
  const auto view = Make();
  AcquireReady(*view, 3);
  EXPECT_EQ(Rows(*view, 3), FreshRows(3));
  Add(160);
  EXPECT_EQ(Rows(*view, 3), FreshRows(3));
  EXPECT_EQ(StatusOf(*view, 3).state, State::kReady);
  EXPECT_TRUE(IsOnDisk("p03"));
}

TEST_F(PartitionedViewTest, WhatIsNotHereSaysSo) {
  const auto view = Make();
  const auto copy = view->Live(5);
  EXPECT_TRUE(absl::IsUnavailable(copy.status()));
  EXPECT_THAT(std::string(copy.status().message()), HasSubstr("VIEW_NOT_HERE"));
  EXPECT_TRUE(absl::IsUnavailable(view->WaitUntilReady(5, Deadline())));
  EXPECT_TRUE(absl::IsInvalidArgument(view->Acquire(16)));
  EXPECT_TRUE(view->Release(5).ok());
}

// A marker that is missing because its event is still to come may cost a life.
TEST_F(PartitionedViewTest, APartitionThatHasNotCaughtUpDoesNotAnswer) {
  Add(32);
  notes_.unavailable = true;
  const auto view = Make();
  ASSERT_TRUE(view->Acquire(1).ok());
  while (StatusOf(*view, 1).state != State::kCatchingUp) std::this_thread::yield();
  const auto copy = view->Live(1);
  EXPECT_TRUE(absl::IsUnavailable(copy.status()));
  EXPECT_THAT(std::string(copy.status().message()), HasSubstr("VIEW_CATCHING_UP"));
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(view->WaitUntilReady(1, absl::Now() + absl::Milliseconds(20))));
  notes_.unavailable = false;
  EXPECT_TRUE(view->WaitUntilReady(1, Deadline()).ok());
  EXPECT_EQ(Rows(*view, 1), FreshRows(1));
}

TEST_F(PartitionedViewTest, ALogThatCannotBeAskedForItsHeadIsAskedAgain) {
  Add(32);
  log_.set_head_error(absl::UnavailableError("no broker"));
  const auto view = Make();
  ASSERT_TRUE(view->Acquire(1).ok());
  while (StatusOf(*view, 1).state != State::kFailed) std::this_thread::yield();
  EXPECT_FALSE(view->Live(1).ok());
  log_.set_head_error(absl::OkStatus());
  EXPECT_TRUE(view->WaitUntilReady(1, Deadline()).ok());
}

TEST_F(PartitionedViewTest, WhatIsLetGoOfIsGoneFromTheDiskAndComesBackWhole) {
  Add(320);
  const auto view = Make();
  AcquireReady(*view, 3);
  AcquireReady(*view, 4);
  ASSERT_TRUE(view->Release(3).ok());
  EXPECT_FALSE(IsOnDisk("p03"));
  EXPECT_FALSE(view->Live(3).ok());
  EXPECT_TRUE(view->Live(4).ok());
  Add(160);
  AcquireReady(*view, 3);
  EXPECT_EQ(Rows(*view, 3), FreshRows(3));
}

TEST_F(PartitionedViewTest, WhatIsSuspendedIsKeptUpAndAnswersOnceItHasComeToTheHeadOfToday) {
  Add(320);
  const auto view = Make();
  AcquireReady(*view, 3);
  view->Suspend(3);
  view->Suspend(9);
  EXPECT_THAT(std::string(view->Live(3).status().message()), HasSubstr("VIEW_NOT_HERE"));
  EXPECT_TRUE(IsOnDisk("p03"));
  log_.set_head_error(absl::UnavailableError("no broker"));
  Add(160);
  ASSERT_TRUE(view->Acquire(3).ok());
  while (StatusOf(*view, 3).error.ok()) std::this_thread::yield();
  EXPECT_FALSE(view->Live(3).ok());
  log_.set_head_error(absl::OkStatus());
  EXPECT_TRUE(view->WaitUntilReady(3, Deadline()).ok());
  EXPECT_EQ(StatusOf(*view, 3).target.sequence, 30u);
  EXPECT_EQ(StatusOf(*view, 3).folded_anew, 0u);
  EXPECT_EQ(Rows(*view, 3), FreshRows(3));
  view->Suspend(3);
  EXPECT_TRUE(absl::IsUnavailable(view->WaitUntilReady(3, Deadline())));
  EXPECT_TRUE(view->KeepOnly({}).ok());
  EXPECT_FALSE(IsOnDisk("p03"));
}

TEST_F(PartitionedViewTest, AQuestionUnderWayIsWaitedForBeforeTheRowsGo) {
  Add(320);
  const auto view = Make();
  AcquireReady(*view, 3);
  auto copy = *view->Live(3);
  std::atomic<bool> told = false;
  on_letting_go_ = [&told](uint32_t partition) { told = partition == 3; };
  std::thread release([&] { EXPECT_TRUE(view->Release(3).ok()); });
  while (!told) std::this_thread::yield();
  EXPECT_FALSE(view->Live(3).ok());
  EXPECT_TRUE(IsOnDisk("p03"));
  EXPECT_TRUE(copy->storage->Get(ViewTable(0), TestRoot(3, 1).bytes()).ok());
  copy.reset();
  release.join();
  EXPECT_FALSE(IsOnDisk("p03"));
}

TEST_F(PartitionedViewTest, WhoHoldsACopyForTooLongIsNamedAndHoldsUpNothing) {
  Add(320);
  const auto view = Make(absl::Milliseconds(10));
  AcquireReady(*view, 3);
  auto copy = *view->Live(3);
  EXPECT_TRUE(absl::IsDeadlineExceeded(view->Release(3)));
  EXPECT_FALSE(IsOnDisk("p03"));
  copy.reset();
  AcquireReady(*view, 3);
  EXPECT_EQ(Rows(*view, 3), FreshRows(3));
}

TEST_F(PartitionedViewTest, ARestartGoesOnFromItsOwnDisk) {
  Add(320);
  std::vector<std::string> rows;
  {
    const auto view = Make();
    for (const uint32_t partition : {2, 3, 4}) AcquireReady(*view, partition);
    rows = Rows(*view, 3);
  }
  const auto view = Make();
  ASSERT_TRUE(view->KeepOnly({3}).ok());
  EXPECT_TRUE(IsOnDisk("p03"));
  EXPECT_FALSE(IsOnDisk("p02") || IsOnDisk("p04"));
  AcquireReady(*view, 3);
  EXPECT_EQ(StatusOf(*view, 3).view.runner.events_folded, 0u);
  EXPECT_EQ(Rows(*view, 3), rows);
}

TEST_F(PartitionedViewTest, WhatIsDamagedOrOfAnotherPastIsFoldedAnew) {
  Add(320);
  { AcquireReady(*Make(), 3); }
  std::ofstream(folder_ / "notes/p03/LIVE") << "nothing";
  {
    const auto view = Make();
    AcquireReady(*view, 3);
    EXPECT_EQ(StatusOf(*view, 3).folded_anew, 1u);
    EXPECT_EQ(Rows(*view, 3), FreshRows(3));
  }
  log_.ChangePast({3, 5});
  const auto view = Make();
  AcquireReady(*view, 3);
  EXPECT_EQ(StatusOf(*view, 3).folded_anew, 1u);
  EXPECT_EQ(Rows(*view, 3), FreshRows(3));
}

TEST_F(PartitionedViewTest, APartitionWhoseLogIsDamagedEndsAnsweringUntilItIsMended) {
  Add(320);
  const auto view = Make();
  AcquireReady(*view, 3);
  log_.Damage(Position{3, 21});
  Add(16);
  // It tries again, and fails again.
  const absl::Time deadline = Deadline();
  while (!absl::StrContains(view->Live(3).status().message(), "VIEW_FAILED")) {
    ASSERT_LT(absl::Now(), deadline);
    std::this_thread::yield();
  }
  log_.Damage(std::nullopt);
  EXPECT_TRUE(view->WaitUntilReady(3, Deadline()).ok());
  EXPECT_EQ(Rows(*view, 3), FreshRows(3));
  EXPECT_EQ(StatusOf(*view, 3).folded_anew, 0u);
}

TEST_F(PartitionedViewTest, IsFoldedAnewBesideItselfAndSwitchedBack) {
  Add(320);
  const auto view = Make();
  AcquireReady(*view, 3);
  AcquireReady(*view, 4);
  const auto rows = Rows(*view, 3);
  const absl::Status rebuilt = view->Rebuild(std::nullopt, Deadline());
  ASSERT_TRUE(rebuilt.ok()) << rebuilt;
  EXPECT_EQ((*view->Live(3))->id.number, 2u);
  EXPECT_EQ((*view->Live(4))->id.number, 2u);
  EXPECT_EQ(Rows(*view, 3), rows);
  ASSERT_TRUE(view->Undo(4, Deadline()).ok());
  EXPECT_EQ((*view->Live(3))->id.number, 2u);
  EXPECT_EQ((*view->Live(4))->id.number, 1u);
  EXPECT_TRUE(absl::IsUnavailable(view->Rebuild(9, Deadline())));
}

TEST_F(PartitionedViewTest, AnUndoOfAllPassesWhatHasNothingToGoBackTo) {
  Add(320);
  const auto view = Make();
  AcquireReady(*view, 3);
  AcquireReady(*view, 4);
  EXPECT_TRUE(absl::IsNotFound(view->Undo(std::nullopt, Deadline())));
  std::vector<uint32_t> asked;
  const auto go_on = [&](uint32_t partition, const SwitchProgress&) {
    asked.push_back(partition);
    return true;
  };
  ASSERT_TRUE(view->Rebuild(3, Deadline(), go_on).ok());
  EXPECT_THAT(asked, testing::Each(3u));
  EXPECT_TRUE(StatusOf(*view, 3).view.can_undo);
  EXPECT_FALSE(StatusOf(*view, 4).view.can_undo);
  EXPECT_TRUE(view->Undo(std::nullopt, Deadline()).ok());
  EXPECT_EQ((*view->Live(3))->id.number, 1u);
  EXPECT_EQ((*view->Live(4))->id.number, 1u);
}

TEST_F(PartitionedViewTest, LettingGoEndsARebuildThatIsUnderWay) {
  Add(320);
  const auto view = Make();
  AcquireReady(*view, 3);
  notes_.unavailable = true;  // the new copy does not go on
  absl::Status rebuilt;
  std::thread rebuild([&] { rebuilt = view->Rebuild(3, Deadline()); });
  while (!IsOnDisk("p03/g2/CURRENT")) std::this_thread::yield();
  EXPECT_TRUE(view->Release(3).ok());
  rebuild.join();
  EXPECT_TRUE(absl::IsUnavailable(rebuilt)) << rebuilt;
  EXPECT_FALSE(IsOnDisk("p03"));
}

// DP-E4, C8
TEST_F(PartitionedViewTest, WhoIsErasedLeavesTheFilesByItselfAlsoWhereTheirRootIsParked) {
  const std::string words = "q7Zr-not-to-be-found-0123456789ab-any-more-Vx2";
  const auto is_in_files = [&] {
    const auto found = eventstore::SearchFiles({.paths = {folder_ / "notes"}, .skipped_names = {}},
                                               std::vector<absl::string_view>{words});
    return !found.ok() || !found->found_in.empty();
  };
  const auto view = Make();
  AcquireReady(*view, 3);
  log_.Add(NoteEvent(TestRoot(3, 1), words));
  log_.Add(NoteEvent(TestRoot(3, 1), "bad"));
  ASSERT_TRUE(view->WaitUntilReady(3, Deadline()).ok());
  ASSERT_TRUE((*view->Live(3))->runner->WaitFor({3, 2}, Deadline()).ok());
  ASSERT_TRUE(view->Rebuild(3, Deadline()).ok());  // the copy before has it too
  EXPECT_EQ(view->ParkedRoots().size(), 1u);
  EXPECT_TRUE(is_in_files());
  log_.Add(NoteEvent(TestRoot(3, 1), "end"));
  ASSERT_TRUE((*view->Live(3))->runner->WaitFor({3, 3}, Deadline()).ok());
  EXPECT_TRUE(view->ParkedRoots().empty());
  const absl::Time patience = Deadline();
  while (is_in_files() && absl::Now() < patience) std::this_thread::yield();
  EXPECT_FALSE(is_in_files());
  EXPECT_FALSE(StatusOf(*view, 3).view.can_undo);
}

TEST_F(PartitionedViewTest, ParkedRootsAreNamedAndReplayed) {
  const eventstore::RootId root = TestRoot(3, 1);
  log_.Add(NoteEvent(root, "bad"));
  const auto view = Make();
  AcquireReady(*view, 3);
  ASSERT_EQ(view->ParkedRoots().size(), 1u);
  EXPECT_EQ(view->ParkedRoots()[0].root, root);
  notes_.mended = true;
  EXPECT_TRUE(view->Replay(3, root).ok());
  EXPECT_TRUE(view->ParkedRoots().empty());
  EXPECT_TRUE(absl::IsUnavailable(view->Replay(4, root)));
}

// Partitions come and go at random while events come and questions are asked.
TEST_F(PartitionedViewTest, ManyHandOversEndWithEachPartitionAsAFreshFold) {
  std::mt19937_64 random(SeedOfRun());
  const auto view = Make();
  std::atomic<bool> stop = false;
  std::thread asks([&] {
    for (uint32_t i = 0; !stop; ++i) {
      if (auto copy = view->Live(i % 4); copy.ok()) {
        EXPECT_TRUE((*copy)->storage->Get(ViewTable(0), TestRoot(0, 1).bytes()).ok());
      }
      view->GetStatus();
    }
  });
  for (int i = 0; i < 40; ++i) {
    Add(32);
    const uint32_t partition = random() % 4;
    switch (random() % 3) {
      case 0:
        EXPECT_TRUE(view->Acquire(partition).ok());
        break;
      case 1:
        EXPECT_TRUE(view->Release(partition).ok());
        break;
      default:
        view->Suspend(partition);
    }
  }
  stop = true;
  asks.join();
  for (uint32_t partition = 0; partition < 4; ++partition) {
    AcquireReady(*view, partition);
    EXPECT_EQ(Rows(*view, partition), FreshRows(partition));
  }
}

}  // namespace
}  // namespace records::projections
