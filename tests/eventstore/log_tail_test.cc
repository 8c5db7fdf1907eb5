#include "eventstore/log_tail.h"

#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/disk_space.h"
#include "eventstore/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/eventstore/fake_tail.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_support::AppendOf;
using testing_support::AppendTo;
using testing_support::FakeTail;
using testing_support::Key;
using testing_support::MakeEvent;
using testing_support::RootIn;
using testing_support::Stream;
using testing_support::TestStart;
using testing_support::WithRequest;

// A disk that is as full as it is told.
class Space final : public DiskSpace {
 public:
  absl::StatusOr<uint64_t> AvailableBytes() const override { return available; }
  uint64_t available = uint64_t{1} << 40;
};

// A log in memory that does what it is told, so that the same appends make the same log.
struct SteppedMemoryLog {
  explicit SteppedMemoryLog(uint32_t partitions = 3, uint64_t seed = 42) : random(seed) {
    options.partition_count = partitions;
    options.clock = &clock;
    options.random = &random;
    options.disk_space = &space;
    Open();
  }

  void Open() {
    stepped = {};
    auto opened = OpenSteppedLogOn({&storage, &anchor_files, checkpoint_files.get()}, options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    stepped = *std::move(opened);
  }

  absl::StatusOr<Appended> TryAppend(Append append) {
    absl::StatusOr<Appended> outcome = absl::UnknownError("not told");
    stepped.log->AppendAsync(std::move(append),
                             [&](absl::StatusOr<Appended> told) { outcome = std::move(told); });
    stepped.steps->CommitOnce();
    stepped.steps->RunCallbacks();
    return outcome;
  }

  void DoAppend(Append append) {
    clock.Advance(absl::Milliseconds(700));
    const auto outcome = TryAppend(std::move(append));
    ASSERT_TRUE(outcome.ok()) << outcome.status();
  }

  EventLog& log() { return *stepped.log; }

  absl::StatusOr<AppendedTail> TakeTail(TailSource& source, TailOptions how = {}) {
    return AppendTail(source, log(), *stepped.writer, how);
  }

  // Every row of every table.
  std::vector<std::vector<std::pair<std::string, std::string>>> Rows() const {
    std::vector<std::vector<std::pair<std::string, std::string>>> tables;
    for (size_t table = 0; table < kLogTableCount; ++table) {
      auto& rows = tables.emplace_back();
      const auto cursor = storage.NewCursor(Table{table});
      for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
        rows.emplace_back(cursor->key(), cursor->value());
      }
      EXPECT_TRUE(cursor->status().ok());
    }
    return tables;
  }

  ManualClock clock{TestStart()};
  SeededRandom random;
  Space space;
  MemoryStorage storage{kLogTableCount};
  MemoryAnchorFiles anchor_files;
  std::unique_ptr<CheckpointFiles> checkpoint_files = MemoryCheckpointFiles();
  LogOptions options;
  SteppedLog stepped;
};

// Appends of one to five events to streams of few roots, most of them by a request.
std::vector<Append> RandomAppends(std::mt19937& random, uint32_t partitions, uint32_t count) {
  std::vector<Append> appends;
  for (uint32_t number = 0; number < count; ++number) {
    // Most of it in partition 0, so that its tree has whole tiles.
    const uint32_t partition = random() % 3 == 0 ? random() % partitions : 0;
    std::vector<NewEvent> events;
    const uint32_t size = random() % 4 == 0 ? 1 + random() % 5 : 1;
    for (uint32_t i = 0; i < size; ++i) {
      const RootId root = RootIn(partition, 1 + random() % 6);
      events.push_back(MakeEvent(
          Stream(root, random() % 3 == 0 ? "notes" : ""),
          {.facts = std::string(random() % 300, 'f'), .day_precision = random() % 5 == 0}));
    }
    Append append = AppendOf(std::move(events));
    if (random() % 4 != 0) append = WithRequest(std::move(append), number);
    appends.push_back(std::move(append));
  }
  return appends;
}

// The promise itself: whatever a log holds and wherever it is cut, what was restored and what came
// from the topic are together the log that was.
TEST(LogTailTest, RestoredAndTailAreTheLogThatWasToTheLastByteOfEachTable) {
  const bool full = std::getenv("RECORDS_FULL") != nullptr;
  std::mt19937 random(SeedOfRun());
  for (int round = 0; round < (full ? 400 : 20); ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    const uint32_t partitions = 1 + random() % 5;
    const std::vector<Append> appends = RandomAppends(random, partitions, 100 + random() % 900);
    SteppedMemoryLog original(partitions);
    SteppedMemoryLog restored(partitions);
    const size_t split = random() % (appends.size() + 1);
    for (size_t i = 0; i < appends.size(); ++i) {
      original.DoAppend(appends[i]);
      if (i < split) restored.DoAppend(appends[i]);
    }
    FakeTail tail(original.log(), 1 + random() % 300);
    const auto appended = restored.TakeTail(tail);
    ASSERT_TRUE(appended.ok()) << appended.status();
    EXPECT_TRUE(appended->was_published);
    // Events, heads of streams, requests, trees.
    ASSERT_EQ(restored.Rows(), original.Rows());
    restored.Open();  // as the next start: the anchor agrees
    for (uint32_t partition = 0; partition < partitions; ++partition) {
      const Position head = original.log().Head(Ledger::kEvents, partition);
      ASSERT_EQ(restored.log().Head(Ledger::kEvents, partition), head);
      ASSERT_EQ(restored.log().CheckpointAt(Ledger::kEvents, head)->root,
                original.log().CheckpointAt(Ledger::kEvents, head)->root);
    }
    // And both go on alike.
    restored.clock.Set(original.clock.Now());
    for (const Append& append : RandomAppends(random, partitions, 20)) {
      Append next = append;
      next.request_key.reset();
      original.DoAppend(next);
      restored.DoAppend(next);
    }
    ASSERT_EQ(restored.Rows(), original.Rows());
  }
}

// A log of 30 events in partition 0 and 5 in partition 1, and one restored from before the last 10.
class TailOfTenTest : public ::testing::Test {
 protected:
  TailOfTenTest() {
    for (uint32_t i = 0; i < 30; ++i) {
      Append append = WithRequest(AppendTo(Stream(RootIn(0, 1 + i % 4))), i);
      original_.DoAppend(append);
      if (i < 20) restored_.DoAppend(append);
    }
    restored_.clock.Set(original_.clock.Now());
    for (uint32_t i = 0; i < 5; ++i) {
      const Append append = WithRequest(AppendTo(Stream(RootIn(1))), 100 + i);
      original_.DoAppend(append);
      restored_.DoAppend(append);
    }
    tail_ = std::make_unique<FakeTail>(original_.log(), 7);
  }

  std::vector<TailEvent>& events() { return tail_->partitions[0]; }
  TailEvent& at(uint64_t sequence) { return events()[sequence - 1]; }

  // Changes the event at `sequence` and leaves all that is said beside it.
  void Change(uint64_t sequence, const std::function<void(records::log::v1::Event&)>& how) {
    records::log::v1::Event event;
    ASSERT_TRUE(event.ParseFromString(at(sequence).bytes));
    how(event);
    at(sequence).bytes = event.SerializeAsString();
  }

  void ExpectRefused(absl::StatusCode code, const std::string& name, const std::string& what) {
    const absl::Status status = restored_.TakeTail(*tail_).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), StartsWith(name));
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  }

  SteppedMemoryLog original_;
  SteppedMemoryLog restored_;
  std::unique_ptr<FakeTail> tail_;
};

TEST_F(TailOfTenTest, ARequestOfTheTailIsKnownAndGetsItsFirstOutcome) {
  std::vector<uint64_t> inspected;
  TailOptions how;
  how.inspect = [&](const StoredEvent& event) {
    inspected.push_back(event.position.sequence);
    return absl::OkStatus();
  };
  const auto appended = restored_.TakeTail(*tail_, how);
  ASSERT_TRUE(appended.ok()) << appended.status();
  EXPECT_EQ(appended->events, 10u);
  EXPECT_EQ(inspected, (std::vector<uint64_t>{21, 22, 23, 24, 25, 26, 27, 28, 29, 30}));
  ASSERT_TRUE(restored_.log().FindRequest(Key(25))->has_value());
  restored_.Open();
  restored_.clock.Set(original_.clock.Now());
  const auto again = restored_.TryAppend(WithRequest(AppendTo(Stream(RootIn(0, 2))), 25));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(again->first, (Position{0, 26}));
  const auto other = restored_.TryAppend(WithRequest(AppendTo(Stream(RootIn(0, 2))), 25, 8));
  EXPECT_EQ(other.status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(TailOfTenTest, ATopicThatHasNoMoreThanTheBackupAddsNothing) {
  SteppedMemoryLog older;
  for (uint32_t i = 0; i < 12; ++i) {
    Append append = AppendOf({});
    records::log::v1::Event event;
    ASSERT_TRUE(event.ParseFromString(at(i + 1).bytes));
    event.clear_append();
    event.clear_revision();
    event.clear_position();
    event.clear_recorded_at_us();
    append.events.push_back(
        {.stream = Stream(RootIn(0, 1 + i % 4)), .body = event.SerializeAsString()});
    older.DoAppend(WithRequest(std::move(append), i));
  }
  FakeTail shorter(older.log());
  const auto before = restored_.Rows();
  const auto appended = restored_.TakeTail(shorter);
  ASSERT_TRUE(appended.ok()) << appended.status();
  EXPECT_TRUE(appended->was_published);
  EXPECT_EQ(appended->events, 0u);
  EXPECT_EQ(restored_.Rows(), before);
}

TEST_F(TailOfTenTest, TopicsThatNothingWasPublishedToAddNothing) {
  tail_->ends.clear();
  const auto appended = restored_.TakeTail(*tail_);
  ASSERT_TRUE(appended.ok()) << appended.status();
  EXPECT_FALSE(appended->was_published);
  EXPECT_EQ(appended->events, 0u);
}

// The error paths.

TEST_F(TailOfTenTest, ASourceThatDoesNotAnswerIsToldAsItIs) {
  tail_->failure = absl::UnavailableError("no broker");
  ExpectRefused(absl::StatusCode::kUnavailable, "no broker", "");
}

TEST_F(TailOfTenTest, AnEventThatIsNotThereIsNamed) {
  events().erase(events().begin() + 24);
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "EVENT_MISSING", "sequence 25");
}

TEST_F(TailOfTenTest, TheLogsLastEventThatIsNotThereIsNamed) {
  events().erase(events().begin() + 19);
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "EVENT_MISSING", "sequence 20");
}

TEST_F(TailOfTenTest, AnEventThatIsThereTwiceIsNamed) {
  events().insert(events().begin() + 24, at(24));
  ExpectRefused(absl::StatusCode::kAlreadyExists, "EVENT_REPEATED", "sequence 24");
}

TEST_F(TailOfTenTest, TopicsOfAnotherLogAreRefused) {
  SteppedMemoryLog other(3, 43);
  for (TailPartition& end : tail_->ends) end.published.store = other.log().store_id();
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "OTHER_LOG", "");
}

TEST_F(TailOfTenTest, AnEventOfAnotherLogIsRefused) {
  SteppedMemoryLog other(3, 43);
  at(27).log = other.log().store_id();
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "sequence 27");
}

TEST_F(TailOfTenTest, AnotherNumberOfPartitionsIsRefused) {
  tail_->ends.pop_back();
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "TOPIC_PARTITIONS", "");
}

// All that is said of the event fits; only the tree that was published tells.
TEST_F(TailOfTenTest, AnEventWithOtherBytesIsSeenByTheRootOfTheTree) {
  Change(26, [](auto& event) { event.set_facts("forged"); });
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "roots");
}

TEST_F(TailOfTenTest, AnotherEventAtTheLogsLastPositionIsRefused) {
  Change(20, [](auto& event) { event.set_facts("forged"); });
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "sequence 20");
}

TEST_F(TailOfTenTest, OtherEventsThanThePublishedOnesAreSeenWhereNothingIsAdded) {
  tail_->ends[1].published.root[0] ^= 1;
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "partition 1");
}

TEST_F(TailOfTenTest, AnEventThatNamesAnotherOneBeforeItIsRefused) {
  at(23).previous.sequence = 21;
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "sequence 23");
}

TEST_F(TailOfTenTest, WhatAnEventSaysOfItselfMustBeWhereItLies) {
  at(23).position.partition = 2;
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "partition 2");
}

TEST_F(TailOfTenTest, AnEventThatSaysAnotherPositionThanItsRecordIsRefused) {
  Change(23, [](auto& event) { event.mutable_position()->set_sequence(24); });
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "sequence 23");
}

TEST_F(TailOfTenTest, ARevisionThatDoesNotFollowIsRefused) {
  Change(23, [](auto& event) { event.set_revision(event.revision() + 1); });
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "revision");
}

TEST_F(TailOfTenTest, ARequestThatTheLogHasSettledIsRefused) {
  const RequestKey settled = Key(3);
  Change(23, [&](auto& event) {
    event.mutable_append()->set_request_key(settled.data(), settled.size());
  });
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "request");
}

TEST_F(TailOfTenTest, ARequestThatStandsTwiceInTheTailIsRefused) {
  const RequestKey twice = Key(27);
  Change(29,
         [&](auto& event) { event.mutable_append()->set_request_key(twice.data(), twice.size()); });
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "request");
}

TEST_F(TailOfTenTest, WhatIsNoEventIsRefused) {
  at(23).bytes = "no event";
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "sequence 23");
}

TEST_F(TailOfTenTest, AnEventOverTheLimitIsRefused) {
  Change(23, [](auto& event) { event.set_facts(std::string(kEventBytesMax, 'x')); });
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "too large");
}

TEST_F(TailOfTenTest, ATopicThatLostItsEndIsNamed) {
  events().pop_back();
  tail_->ends[0].last = 29;
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "TOPIC_SHORT", "ends with 29");
}

TEST_F(TailOfTenTest, ATopicThatEndsWhileItIsReadIsNamed) {
  events().pop_back();
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "TOPIC_SHORT", "sequence 30");
}

TEST_F(TailOfTenTest, EventsThatNoPublishedRootCoversAreNotTaken) {
  tail_->ends[0].published = *original_.log().CheckpointAt(Ledger::kEvents, {0, 28});
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "PROGRESS_BEHIND", "ends with 30");
}

TEST_F(TailOfTenTest, WhatCameWhileTheTopicWasReadIsLeftThere) {
  tail_->ends[0] = {*original_.log().CheckpointAt(Ledger::kEvents, {0, 28}), 28};
  const auto appended = restored_.TakeTail(*tail_);
  ASSERT_TRUE(appended.ok()) << appended.status();
  EXPECT_EQ(appended->events, 8u);
  EXPECT_EQ(restored_.log().Head(Ledger::kEvents, 0).sequence, 28u);
}

TEST_F(TailOfTenTest, AnAppendThatIsThereInPartOnlyIsRefused) {
  std::vector<NewEvent> events;
  for (int i = 0; i < 3; ++i) events.push_back(MakeEvent(Stream(RootIn(0, 9))));
  original_.DoAppend(AppendOf(std::move(events)));
  tail_ = std::make_unique<FakeTail>(original_.log());
  tail_->ends[0] = {*original_.log().CheckpointAt(Ledger::kEvents, {0, 32}), 32};
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "APPEND_CUT", "sequence 32");
}

TEST_F(TailOfTenTest, EventsOfTwoAppendsAreNotTakenForOne) {
  Change(23, [](auto& event) { event.mutable_append()->set_count(2); });
  ExpectRefused(absl::StatusCode::kDataLoss, "TOPIC_DIFFERS", "append");
}

TEST_F(TailOfTenTest, OneThatIsStoppedSaysSo) {
  TailOptions how;
  how.go_on = [](uint64_t done, uint64_t total) {
    EXPECT_EQ(total, 10u);
    return done < 7;
  };
  EXPECT_EQ(restored_.TakeTail(*tail_, how).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(TailOfTenTest, AFullDiskIsNotWrittenTo) {
  restored_.space.available = 0;
  const auto before = restored_.Rows();
  ExpectRefused(absl::StatusCode::kResourceExhausted, "DISK_NEARLY_FULL", "");
  EXPECT_EQ(restored_.Rows(), before);
}

}  // namespace
}  // namespace records::eventstore
