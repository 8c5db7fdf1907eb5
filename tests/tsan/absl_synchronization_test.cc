// Plain data guarded by each lock that we use: under ThreadSanitizer these tests fail if a lock is
// not known to it.
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

#include <thread>
#include <vector>

namespace records {
namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 1000;

TEST(AbslSynchronizationTest, AMutexOrdersItsHolders) {
  absl::Mutex mutex;
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        absl::MutexLock lock(&mutex);
        ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, kThreads * kRounds);
}

TEST(AbslSynchronizationTest, ReadersSeeWhatTheWriterWrote) {
  absl::Mutex mutex;
  int value = 0;
  std::thread writer([&] {
    for (int round = 0; round < kRounds; ++round) {
      absl::WriterMutexLock lock(&mutex);
      ++value;
    }
  });
  for (int round = 0; round < kRounds; ++round) {
    absl::ReaderMutexLock lock(&mutex);
    EXPECT_LE(value, kRounds);
  }
  writer.join();
}

TEST(AbslSynchronizationTest, AWaiterSeesWhatItsSignalAnnounced) {
  absl::Mutex mutex;
  absl::CondVar signal;
  int stage = 0;
  std::thread other([&] {
    absl::MutexLock lock(&mutex);
    while (stage != 1) signal.Wait(&mutex);
    stage = 2;
  });
  {
    absl::MutexLock lock(&mutex);
    stage = 1;
    signal.SignalAll();
    mutex.Await(absl::Condition(
        +[](int* now) { return *now == 2; }, &stage));
    EXPECT_EQ(stage, 2);
  }
  other.join();
}

TEST(AbslSynchronizationTest, ANotificationPublishesWhatWasWrittenBefore) {
  absl::Notification done;
  int value = 0;
  std::thread other([&] {
    value = 1;
    done.Notify();
  });
  done.WaitForNotification();
  EXPECT_EQ(value, 1);
  other.join();
}

TEST(AbslSynchronizationTest, ACounterPublishesWhatEachWrote) {
  absl::BlockingCounter pending(kThreads);
  int values[kThreads] = {};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      values[i] = 1;
      pending.DecrementCount();
    });
  }
  pending.Wait();
  for (int value : values) EXPECT_EQ(value, 1);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace records
