#include "projections/view.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/time/clock.h"
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
  EXPECT_TRUE(absl::IsFailedPrecondition(view->Undo(Deadline())));
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

// Error paths.

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
