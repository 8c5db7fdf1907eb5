// The runner on the log of the product, in memory.
#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "eventstore/memory_storage.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "projections/runner.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/projections/note_projection.h"

namespace records::projections {
namespace {

using eventstore::EventLog;
using eventstore::Ledger;
using eventstore::MemoryStorage;
using eventstore::Position;
using eventstore::testing_support::AppendTo;
using eventstore::testing_support::MemoryLog;
using eventstore::testing_support::RootIn;
using eventstore::testing_support::Stream;

absl::Time Deadline() { return absl::Now() + absl::Seconds(60); }

class RunnerLogTest : public testing::Test {
 protected:
  static std::unique_ptr<Runner> Start(const EventLog& log, const NoteProjection& notes,
                                       eventstore::Storage& storage) {
    auto runner = Runner::Create(log, notes, storage, {.idle_wait = absl::Milliseconds(10)});
    EXPECT_TRUE(runner.ok()) << runner.status();
    (*runner)->Start();
    return *std::move(runner);
  }
  // Appends from several threads, each waiting for the view to contain its write.
  static int AppendAndAwait(EventLog& log, const Runner& runner, int threads, int appends) {
    std::atomic<int> seen = 0;
    std::vector<std::thread> writers;
    for (int writer = 0; writer < threads; ++writer) {
      writers.emplace_back([&, writer] {
        for (int i = 0; i < appends; ++i) {
          const auto root = RootIn(static_cast<uint32_t>(i % 4), static_cast<uint32_t>(writer + 1));
          const auto appended = log.AppendAndWait(AppendTo(Stream(root)));
          if (appended.ok() && runner.WaitFor(appended->first, Deadline()).ok()) ++seen;
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    return seen;
  }
};

TEST_F(RunnerLogTest, EveryWriterSeesItsWriteInTheViewWhichEqualsAFreshFold) {
  MemoryLog memory;
  EventLog& log = memory.Open();
  NoteProjection notes;
  MemoryStorage storage(kNoteTables), fresh(kNoteTables);
  {
    const auto runner = Start(log, notes, storage);
    EXPECT_EQ(AppendAndAwait(log, *runner, 4, 100), 400);
    EXPECT_EQ(runner->GetStatus().lag_events, 0u);
  }
  const auto fold = ViewFold::Create(log, notes, fresh, {});
  ASSERT_TRUE((*fold)->FoldBatch().ok());
  EXPECT_EQ(AllRows(storage, kNoteTables), AllRows(fresh, kNoteTables));
}

TEST_F(RunnerLogTest, AViewThatLostItsEndInACrashCatchesUpWithTheLogThatDidNot) {
  MemoryLog memory;
  NoteProjection notes;
  MemoryStorage storage(kNoteTables), fresh(kNoteTables);
  for (int round = 0; round < 3; ++round) {
    {
      EventLog& log = memory.Open();
      const auto runner = Start(log, notes, storage);
      EXPECT_EQ(AppendAndAwait(log, *runner, 2, 30), 60);
    }
    memory.log.reset();
    storage.Crash(storage.unsynced_batches() / 2);
  }
  EventLog& log = memory.Open();
  {
    const auto runner = Start(log, notes, storage);
    for (uint32_t i = 0; i < log.partition_count(); ++i) {
      EXPECT_TRUE(runner->WaitFor(log.Head(Ledger::kEvents, i), Deadline()).ok());
    }
  }
  const auto fold = ViewFold::Create(log, notes, fresh, {});
  ASSERT_TRUE((*fold)->FoldBatch().ok());
  EXPECT_EQ(AllRows(storage, kNoteTables), AllRows(fresh, kNoteTables));
}

// Error paths.

TEST_F(RunnerLogTest, AViewOfAnotherLogOrAheadOfItsOwnIsRefused) {
  MemoryLog memory, other, empty;
  NoteProjection notes;
  MemoryStorage storage(kNoteTables);
  EventLog& log = memory.Open();
  {
    const auto runner = Start(log, notes, storage);
    EXPECT_EQ(AppendAndAwait(log, *runner, 1, 8), 8);
  }
  EXPECT_TRUE(Runner::Create(log, notes, storage, {}).ok());
  other.options.random = &eventstore::SystemRandom();
  const auto of_other = Runner::Create(other.Open(), notes, storage, {});
  EXPECT_TRUE(absl::IsFailedPrecondition(of_other.status())) << of_other.status();
  EXPECT_THAT(of_other.status().message(), testing::HasSubstr("view notes"));
  // A log of the same name that has lost everything: the seed makes its id the same.
  EventLog& lost = empty.Open();
  ASSERT_EQ(lost.store_id(), log.store_id());
  EXPECT_TRUE(absl::IsOutOfRange(Runner::Create(lost, notes, storage, {}).status()));
}

}  // namespace
}  // namespace records::projections
