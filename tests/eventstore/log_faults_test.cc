#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventstore/anchor.h"
#include "eventstore/limits.h"
#include "tests/eventstore/log_fixture.h"

// What fails: writes, syncs, the anchor, the disk's room, the guard; and every crash between them.
namespace records::eventstore {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT(build/namespaces)

class FixedSpace final : public DiskSpace {
 public:
  absl::StatusOr<uint64_t> AvailableBytes() const override { return bytes_.load(); }
  void Set(uint64_t bytes) { bytes_ = bytes; }

 private:
  std::atomic<uint64_t> bytes_{uint64_t{1} << 40};
};

class FixedGuard final : public AppendGuard {
 public:
  absl::Status Check(const Append& append) const override {
    absl::MutexLock lock(&mutex_);
    for (const SubjectId& subject : append.subjects) {
      if (subject == fenced_) return absl::FailedPreconditionError("SUBJECT_FENCED: is erased");
    }
    return absl::OkStatus();
  }
  uint64_t Sequence() const override { return sequence_.load(); }
  void Fence(const SubjectId& subject) {
    absl::MutexLock lock(&mutex_);
    fenced_ = subject;
  }
  void SetSequence(uint64_t sequence) { sequence_ = sequence; }

 private:
  mutable absl::Mutex mutex_;
  SubjectId fenced_ ABSL_GUARDED_BY(mutex_);
  std::atomic<uint64_t> sequence_{0};
};

class LogFaultsTest : public testing::Test {
 protected:
  void SetUp() override { memory_.Open(); }
  EventLog& log() { return *memory_.log; }
  absl::StatusOr<Appended> TryAppend(Append append) {
    return log().AppendAndWait(std::move(append));
  }
  Append Numbered(uint32_t request) { return WithRequest(AppendTo(stream_), request); }

  void ExpectReadOnly() {
    EXPECT_EQ(log().WriteHealth().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(TryAppend(AppendTo(stream_)).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_FALSE(memory_.WaitForFatal().ok());
  }

  MemoryLog memory_;
  const StreamName stream_ = Stream(RootIn(1));
};

TEST_F(LogFaultsTest, AFailedWriteLeavesTheOutcomeUnknownAndStopsWritesButNotReads) {
  ASSERT_TRUE(TryAppend(Numbered(1)).ok());
  bool fail = true;
  memory_.storage.set_before_write([&fail]() -> absl::Status {
    return fail ? absl::UnavailableError("EIO") : absl::OkStatus();
  });
  EXPECT_EQ(TryAppend(Numbered(2)).status().code(), absl::StatusCode::kUnknown);
  ExpectReadOnly();
  EXPECT_EQ(log().Head(Ledger::kEvents, 1).sequence, 1u);
  EXPECT_EQ(ReadAll(log(), 1).size(), 1u);
  fail = false;
  memory_.Open();
  EXPECT_FALSE(TryAppend(Numbered(2))->repeated) << "it was not there";
}

TEST_F(LogFaultsTest, AFailedSyncThatDidWriteIsSettledByTheRetry) {
  ASSERT_TRUE(TryAppend(Numbered(1)).ok());
  bool fail = true;
  memory_.storage.set_after_write([&fail]() -> absl::Status {
    return fail ? absl::UnavailableError("EIO") : absl::OkStatus();
  });
  EXPECT_EQ(TryAppend(Numbered(2)).status().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(log().Head(Ledger::kEvents, 1).sequence, 1u) << "not visible before it is anchored";
  EXPECT_EQ(log().StreamHead(Ledger::kEvents, stream_)->value(), Revision{0});
  EXPECT_EQ(log().ReadStream(Ledger::kEvents, stream_, {0}, ReadDirection::kForward, {})->size(),
            1u);
  EXPECT_EQ(log()
                .ReadStream(Ledger::kEvents, stream_, {UINT64_MAX}, ReadDirection::kBackward, {})
                ->size(),
            1u);
  EXPECT_EQ(log().ReadRoot(Ledger::kEvents, stream_.root, 0, {})->size(), 1u);
  EXPECT_FALSE(log().FindRequest(Key(2))->has_value());
  fail = false;
  memory_.Open();
  const auto retried = TryAppend(Numbered(2));
  ASSERT_TRUE(retried.ok());
  EXPECT_TRUE(retried->repeated) << "it was there after all";
  EXPECT_EQ(ReadAll(log(), 1).size(), 2u);
}

TEST_F(LogFaultsTest, AFailedAnchorLeavesTheOutcomeUnknownAndNothingVisible) {
  ASSERT_TRUE(TryAppend(Numbered(1)).ok());
  memory_.anchor_files.FailNextSync(absl::UnavailableError("EIO"));
  EXPECT_EQ(TryAppend(Numbered(2)).status().code(), absl::StatusCode::kUnknown);
  ExpectReadOnly();
  EXPECT_EQ(log().Head(Ledger::kEvents, 1).sequence, 1u);
  memory_.Open();
  EXPECT_TRUE(TryAppend(Numbered(2))->repeated);
}

TEST_F(LogFaultsTest, WhatWaitedBehindAFailedBatchWasNotWrittenAndIsToldSo) {
  absl::Notification writing, go_on;
  memory_.storage.set_before_write([&]() -> absl::Status {
    writing.Notify();
    go_on.WaitForNotification();
    return absl::UnavailableError("EIO");
  });
  absl::StatusOr<Appended> first, second;
  absl::Notification done_first, done_second;
  log().AppendAsync(Numbered(1), [&](auto outcome) {
    first = std::move(outcome);
    done_first.Notify();
  });
  writing.WaitForNotification();
  log().AppendAsync(Numbered(2), [&](auto outcome) {
    second = std::move(outcome);
    done_second.Notify();
  });
  go_on.Notify();
  done_first.WaitForNotification();
  done_second.WaitForNotification();
  EXPECT_EQ(first.status().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(LogFaultsTest, ARefusalThatDoesNotRestOnTheBatchIsToldBeforeItIsDurable) {
  ASSERT_TRUE(TryAppend(AppendTo(Stream(RootIn(2)))).ok());
  absl::Notification writing, go_on;
  bool block = true;
  memory_.storage.set_before_write([&]() -> absl::Status {
    if (!block) return absl::OkStatus();
    block = false;
    writing.Notify();
    go_on.WaitForNotification();
    return absl::OkStatus();
  });
  absl::Notification gathered, independent, dependent, other;
  log().AppendAsync(Numbered(1), [&](auto) { gathered.Notify(); });
  writing.WaitForNotification();
  // The next batch: one append, one refusal that rests on it, one that does not.
  log().AppendAsync(Numbered(2), [&](auto) { other.Notify(); });
  log().AppendAsync(Expecting(Numbered(3), {stream_, Expectation::Kind::kNoStream, {}}),
                    [&](auto outcome) {
                      EXPECT_TRUE(absl::IsAborted(outcome.status()));
                      EXPECT_TRUE(other.HasBeenNotified()) << "told in the order of the batch";
                      dependent.Notify();
                    });
  log().AppendAsync(
      Expecting(AppendTo(Stream(RootIn(2))), {Stream(RootIn(2)), Expectation::Kind::kNoStream, {}}),
      [&](auto outcome) {
        EXPECT_TRUE(absl::IsAborted(outcome.status()));
        EXPECT_FALSE(other.HasBeenNotified());
        independent.Notify();
      });
  go_on.Notify();
  for (absl::Notification* told : {&gathered, &independent, &dependent, &other}) {
    told->WaitForNotification();
  }
}

TEST_F(LogFaultsTest, NoCrashBetweenTheStepsLosesOrHalvesAnAppend) {
  // Where the power fails: before the batch, after it, after the anchor's bytes but before its
  // sync.
  enum class At { kBeforeBatch, kBatchUnsynced, kAnchorUnsynced };
  for (const At at : {At::kBeforeBatch, At::kBatchUnsynced, At::kAnchorUnsynced}) {
    for (const size_t kept : {0u, 1u}) {
      MemoryLog memory;
      memory.Open();
      ASSERT_TRUE(memory.log->AppendAndWait(Numbered(1)).ok());
      bool crash = true;
      memory.storage.set_before_write([&]() -> absl::Status {
        return crash && at == At::kBeforeBatch ? absl::UnavailableError("off") : absl::OkStatus();
      });
      memory.storage.set_after_write([&]() -> absl::Status {
        return crash && at == At::kBatchUnsynced ? absl::UnavailableError("off") : absl::OkStatus();
      });
      if (at == At::kAnchorUnsynced) {
        memory.anchor_files.FailNextSync(absl::UnavailableError("off"));
      }
      std::vector<NewEvent> events;
      for (int i = 0; i < 3; ++i) events.push_back(MakeEvent(stream_));
      Append lost = WithRequest(AppendOf(std::move(events)), 2);
      EXPECT_FALSE(memory.log->AppendAndWait(std::move(lost)).ok());
      memory.log.reset();
      memory.storage.Crash(kept);
      memory.anchor_files.Crash("log.anchor", [kept](size_t i) { return kept != 0 && i % 2 == 0; });
      crash = false;
      ASSERT_TRUE(memory.TryOpen().ok());
      const size_t there = ReadAll(*memory.log, 1).size();
      EXPECT_TRUE(there == 1 || there == 4) << there;
      EXPECT_TRUE(memory.log->AppendAndWait(Numbered(1))->repeated);
      EXPECT_EQ(memory.log->FindRequest(Key(2))->has_value(), there == 4);
    }
  }
}

TEST_F(LogFaultsTest, ALogThatLostWhatItsAnchorKnowsIsRefusedAndTheLossIsNamed) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(TryAppend(Numbered(i)).ok());
  memory_.log.reset();
  // A disk that lied about its syncs.
  StorageBatch batch;
  for (uint64_t sequence = 4; sequence <= 5; ++sequence) {
    batch.Delete(kEventsTable, EventKey({1, sequence}));
  }
  ASSERT_TRUE(memory_.storage.Write(batch, Storage::Durability::kSynced).ok());
  const absl::Status status = memory_.TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("partition 1 of events ends at sequence 3"));
  EXPECT_THAT(status.message(), HasSubstr("sequences 4 to 5 are missing"));
}

TEST_F(LogFaultsTest, AChangedEventIsNamed) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(TryAppend(Numbered(i)).ok());
  std::string bytes = **memory_.storage.Get(kEventsTable, EventKey({1, 3}));
  memory_.log.reset();
  bytes[bytes.find("facts") + 1] ^= 1;
  StorageBatch batch;
  batch.Put(kEventsTable, EventKey({1, 3}), bytes);
  ASSERT_TRUE(memory_.storage.Write(batch, Storage::Durability::kSynced).ok());
  const absl::Status status = memory_.TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("partition 1 of events: the first 5 events"));
}

TEST_F(LogFaultsTest, AnEventInAnothersPlaceIsNeverServed) {
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(TryAppend(Numbered(i)).ok());
  const auto swap = [this](Position a, const std::string& bytes) {
    StorageBatch batch;
    batch.Put(kEventsTable, EventKey(a), bytes);
    ASSERT_TRUE(memory_.storage.Write(batch, Storage::Durability::kSynced).ok());
  };
  swap({1, 7}, **memory_.storage.Get(kEventsTable, EventKey({1, 8})));
  const auto read = log().ReadAt(Ledger::kEvents, {1, 7});
  EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(read.status().message(), HasSubstr("partition 1 of events, sequence 7"));
  EXPECT_EQ(
      log().ReadStream(Ledger::kEvents, stream_, {6}, ReadDirection::kForward, {}).status().code(),
      absl::StatusCode::kDataLoss);
  EXPECT_EQ(
      log().ReadPartition(Ledger::kEvents, {1, 1}, ReadDirection::kForward, {}, {}).status().code(),
      absl::StatusCode::kDataLoss);
  EXPECT_EQ(log().ReadRoot(Ledger::kEvents, stream_.root, 0, {}).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(log().FindRequest(Key(6)).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(LogFaultsTest, AGapIsDamageAndNeverSkipped) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(TryAppend(Numbered(i)).ok());
  StorageBatch batch;
  batch.Delete(kEventsTable, EventKey({1, 3}));
  ASSERT_TRUE(memory_.storage.Write(batch, Storage::Durability::kSynced).ok());
  const auto follower = *log().Follow({.after = {1, 2}});
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = follower->Next(absl::ZeroDuration()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr("sequence 3: the event is missing"));
  }
  EXPECT_THAT(log().ReadAt(Ledger::kEvents, {1, 3}).status().message(),
              HasSubstr("partition 1 of events, sequence 3: the event is missing"));
}

TEST_F(LogFaultsTest, AMissingOrForeignAnchorIsRefused) {
  ASSERT_TRUE(TryAppend(Numbered(1)).ok());
  memory_.log.reset();
  MemoryLog other;
  other.random.Fill({}).IgnoreError();
  SeededRandom another(7);
  other.options.random = &another;
  other.Open();
  const std::string own = memory_.anchor_files.Get("log.anchor");
  memory_.anchor_files.Set("log.anchor", other.anchor_files.Get("log.anchor"));
  EXPECT_THAT(memory_.TryOpen().message(), HasSubstr("belongs to another log"));
  memory_.anchor_files.Set("log.anchor", std::string(own.size(), '\0'));
  EXPECT_EQ(memory_.TryOpen().code(), absl::StatusCode::kDataLoss);
  memory_.anchor_files.Set("log.anchor", own);
  EXPECT_TRUE(memory_.TryOpen().ok());
}

TEST_F(LogFaultsTest, AnAnchorThatIsMoreThanABatchBehindIsRefused) {
  const std::string old_anchor = memory_.anchor_files.Get("log.anchor");
  for (size_t written = 0; written <= kBatchEventsMax; written += kEventsPerAppendMax) {
    std::vector<NewEvent> events;
    for (size_t i = 0; i < kEventsPerAppendMax; ++i) events.push_back(MakeEvent(stream_));
    ASSERT_TRUE(TryAppend(AppendOf(std::move(events))).ok());
    if (written + kEventsPerAppendMax == kBatchEventsMax) {
      memory_.log.reset();
      const std::string newest = memory_.anchor_files.Get("log.anchor");
      memory_.anchor_files.Set("log.anchor", old_anchor);
      EXPECT_TRUE(memory_.TryOpen().ok()) << "as far as a crash may leave it";
      memory_.log.reset();
      memory_.anchor_files.Set("log.anchor", newest);
      memory_.Open();
    }
  }
  memory_.log.reset();
  memory_.anchor_files.Set("log.anchor", old_anchor);
  EXPECT_THAT(memory_.TryOpen().message(), HasSubstr("log.anchor is old"));
}

TEST_F(LogFaultsTest, ARollbackOfStoreAndAnchorIsSeenAgainstTheLastSignedCheckpoint) {
  ASSERT_TRUE(TryAppend(Numbered(1)).ok());
  ASSERT_TRUE(log().SignedCheckpoint().ok());
  const std::string old_anchor = memory_.anchor_files.Get("log.anchor");
  ASSERT_TRUE(TryAppend(Numbered(2)).ok());
  ASSERT_TRUE(log().SignedCheckpoint().ok());
  memory_.log.reset();
  memory_.anchor_files.Set("log.anchor", old_anchor);
  StorageBatch batch;
  batch.Delete(kEventsTable, EventKey({1, 2}));
  ASSERT_TRUE(memory_.storage.Write(batch, Storage::Durability::kSynced).ok());
  const absl::Status status = memory_.TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("checkpoint.latest says 2"));
}

TEST_F(LogFaultsTest, AKeyStoreThatIsOlderThanTheLogKnowsIsRefused) {
  FixedGuard guard;
  memory_.options.guard = &guard;
  guard.SetSequence(5);
  memory_.Open();
  ASSERT_TRUE(TryAppend(Numbered(1)).ok());
  memory_.log.reset();
  guard.SetSequence(4);
  EXPECT_THAT(memory_.TryOpen().message(), HasSubstr("Restore the newest key store"));
  guard.SetSequence(6);
  EXPECT_TRUE(memory_.TryOpen().ok());
}

TEST_F(LogFaultsTest, TheGuardRefusesAfterTheRequestAndBeforeTheExpectations) {
  FixedGuard guard;
  memory_.options.guard = &guard;
  memory_.Open();
  const SubjectId subject(IdBytes{1});
  Append append = Numbered(1);
  append.subjects = {subject};
  Append retry = append;
  ASSERT_TRUE(TryAppend(std::move(append)).ok());
  guard.Fence(subject);
  EXPECT_TRUE(TryAppend(std::move(retry))->repeated);
  Append late = Expecting(Numbered(2), {stream_, Expectation::Kind::kNoStream, {}});
  late.subjects = {subject};
  EXPECT_THAT(TryAppend(std::move(late)).status().message(), HasSubstr("SUBJECT_FENCED"));
}

TEST_F(LogFaultsTest, ANearlyFullDiskTakesOnlyWhatHasTheReserveAndThenNothing) {
  FixedSpace space;
  memory_.options.disk_space = &space;
  memory_.Open();
  ASSERT_TRUE(TryAppend(Numbered(1)).ok());
  const auto reserved = [this] {
    Append append = AppendTo(stream_);
    append.from_reserve = true;
    return append;
  };
  space.Set(kDiskReserveBytes);
  EXPECT_TRUE(TryAppend(AppendTo(stream_)).ok());
  space.Set(kDiskReserveBytes - 1);
  const auto refused = TryAppend(AppendTo(stream_));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.status().message(), HasSubstr("DISK_NEARLY_FULL"));
  EXPECT_TRUE(TryAppend(Numbered(1))->repeated) << "a retry needs no room";
  EXPECT_TRUE(TryAppend(reserved()).ok());
  space.Set(kDiskFloorBytes - 1);
  EXPECT_EQ(TryAppend(reserved()).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadAll(log(), 1).size(), 3u) << "reads go on";
  space.Set(uint64_t{1} << 40);
  EXPECT_TRUE(TryAppend(AppendTo(stream_)).ok()) << "writing resumes by itself";
}

}  // namespace
}  // namespace records::eventstore
