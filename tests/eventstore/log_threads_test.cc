#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/eventstore/log_fixture.h"
#include "tests/seed.h"

// The log's own threads, with memory at its ports, so that ThreadSanitizer sees all of it.
namespace records::eventstore {
namespace {

using namespace testing_support;  // NOLINT(build/namespaces)

TEST(LogThreadsTest, ARequestFromManyThreadsIsMadeOnce) {
  MemoryLog memory;
  EventLog& log = memory.Open();
  constexpr int kThreads = 8;
  constexpr int kRequests = 60;
  std::atomic<int> made{0};
  std::vector<std::thread> threads;
  std::vector<std::vector<Appended>> outcomes(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRequests; ++i) {
        Append append = AppendTo(Stream(RootIn(i % 4)));
        const auto result = log.AppendAndWait(WithRequest(std::move(append), i));
        ASSERT_TRUE(result.ok()) << result.status();
        if (!result->repeated) ++made;
        outcomes[t].push_back(*result);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, kRequests);
  for (const auto& outcome : outcomes) {
    for (int i = 0; i < kRequests; ++i) EXPECT_EQ(outcome[i].first, outcomes[0][i].first);
  }
}

TEST(LogThreadsTest, OfRacersForARevisionOneWins) {
  MemoryLog memory;
  EventLog& log = memory.Open();
  const StreamName stream = Stream(RootIn(0));
  std::atomic<int> won{0};
  std::vector<std::thread> threads;
  constexpr int kRounds = 100;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (uint64_t revision = 0; revision < kRounds; ++revision) {
        Append append = AppendTo(stream);
        append.expectations.push_back(
            revision == 0 ? Expectation{stream, Expectation::Kind::kNoStream, {}}
                          : Expectation{stream, Expectation::Kind::kRevision, {revision - 1}});
        const auto result = log.AppendAndWait(std::move(append));
        if (result.ok()) {
          ++won;
        } else {
          EXPECT_TRUE(absl::IsAborted(result.status()));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*log.StreamHead(Ledger::kEvents, stream), Revision{static_cast<uint64_t>(won) - 1});
  EXPECT_EQ(won, kRounds) << "each revision was won by exactly one, in order";
}

// The state that is signed is taken under the signer's lock: else one who took it earlier and came
// to the lock later was told that a later checkpoint was signed before.
TEST(LogThreadsTest, CheckpointsAskedForAtOnceAreAllSigned) {
  MemoryLog memory;
  EventLog& log = memory.Open();
  constexpr int kAppends = 1500;
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (!done) {
        const auto note = log.SignedCheckpoint();
        EXPECT_TRUE(note.ok()) << note.status();
        if (!note.ok()) break;
      }
    });
  }
  for (int i = 0; i < kAppends; ++i) {
    const auto appended = log.AppendAndWait(AppendTo(Stream(RootIn(i % 4))));
    EXPECT_TRUE(appended.ok()) << appended.status();
    if (!appended.ok()) break;
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
}

// Reads a partition to `last`, and checks that nothing is skipped or repeated.
void FollowTo(const EventLog& log, uint32_t partition, uint64_t last, uint64_t seed,
              const std::string& only) {
  std::mt19937_64 random(seed);
  auto follower = log.Follow(
      {.after = {partition, 0},
       .types = only.empty() ? std::vector<std::string>{} : std::vector<std::string>{only}});
  ASSERT_TRUE(follower.ok());
  uint64_t seen = 0;
  uint64_t matched = 0;
  while (seen < last) {
    const auto message = (*follower)->Next(absl::Milliseconds(50));
    ASSERT_TRUE(message.ok()) << message.status();
    ASSERT_GE(message->checkpoint.sequence, seen);
    if (message->kind == FollowMessage::Kind::kEvent) {
      if (only.empty()) {
        ASSERT_EQ(message->event.position.sequence, seen + 1);
      } else {
        ASSERT_EQ(message->event.event.type(), only);
      }
      ++matched;
    }
    seen = message->checkpoint.sequence;
    // Now and then it starts again from its checkpoint.
    if (random() % 64 == 0) {
      follower->reset();
      follower = log.Follow(
          {.after = message->checkpoint,
           .types = only.empty() ? std::vector<std::string>{} : std::vector<std::string>{only}});
      ASSERT_TRUE(follower.ok());
    }
    if (random() % 128 == 0) std::this_thread::yield();
  }
  EXPECT_EQ(matched, only.empty() ? last : last / 2);
}

TEST(LogThreadsTest, FollowersSeeEveryEventOnceWhileManyWrite) {
  const uint64_t seed = SeedOfRun();
  MemoryLog memory(2);
  EventLog& log = memory.Open();
  constexpr int kWriters = 4;
  constexpr uint64_t kEach = 400;
  constexpr uint64_t kLast = kWriters * kEach / 2;  // of each partition
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&log, w] {
      for (uint64_t i = 0; i < kEach / 2; ++i) {
        for (uint32_t partition = 0; partition < 2; ++partition) {
          const std::string type = (i % 2 == 0) ? "even" : "odd";
          const auto result =
              log.AppendAndWait(AppendTo(Stream(RootIn(partition, w + 1)), {.type = type}));
          ASSERT_TRUE(result.ok()) << result.status();
        }
      }
    });
  }
  for (uint32_t partition = 0; partition < 2; ++partition) {
    threads.emplace_back([&log, partition, seed] { FollowTo(log, partition, kLast, seed, ""); });
    threads.emplace_back(
        [&log, partition, seed] { FollowTo(log, partition, kLast, seed + 1, "even"); });
  }
  // One that opens and does not read holds nobody up.
  const auto idle = log.Follow({.after = {0, 0}});
  threads.emplace_back([&log] {
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(log.SignedCheckpoint().ok());
      const Position head = log.Head(Ledger::kEvents, 0);
      const auto checkpoint = log.CheckpointAt(Ledger::kEvents, head);
      ASSERT_TRUE(checkpoint.ok());
      ASSERT_TRUE(log.VerifyCheckpoint(Ledger::kEvents, *checkpoint).ok());
    }
  });
  for (std::thread& thread : threads) thread.join();
  for (uint32_t partition = 0; partition < 2; ++partition) {
    int64_t recorded = 0;
    for (const StoredEvent& event : ReadAll(log, partition)) {
      EXPECT_GE(event.event.recorded_at_us(), recorded);
      recorded = event.event.recorded_at_us();
    }
  }
}

TEST(LogThreadsTest, ClosingAnswersEveryAppendThatWasTaken) {
  MemoryLog memory;
  memory.Open();
  std::atomic<int> answered{0};
  for (int i = 0; i < 500; ++i) {
    memory.log->AppendAsync(AppendTo(Stream(RootIn(i % 4))), [&answered](auto result) {
      EXPECT_TRUE(result.ok());
      ++answered;
    });
  }
  memory.log.reset();
  EXPECT_EQ(answered, 500);
}

TEST(LogThreadsTest, ACallbackMayAppend) {
  MemoryLog memory;
  EventLog& log = memory.Open();
  absl::Notification done;
  log.AppendAsync(AppendTo(Stream(RootIn(0))), [&](auto) {
    log.AppendAsync(AppendTo(Stream(RootIn(0))), [&](auto second) {
      EXPECT_EQ(second->first.sequence, 2u);
      done.Notify();
    });
  });
  done.WaitForNotification();
}

}  // namespace
}  // namespace records::eventstore
