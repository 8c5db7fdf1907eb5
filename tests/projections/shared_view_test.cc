// Several members share out a view over a real broker, come, go and die, while events keep coming:
// in the end each partition has one owner, and its rows are those of a fresh fold.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/memory_storage.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/eventstore/temp_folder.h"
#include "tests/projections/shared_member.h"
#include "tests/projections/shared_rows.h"
#include "tests/seed.h"

namespace records::projections {
namespace {

using eventstore::EventLog;
using eventstore::Ledger;
using eventstore::MemoryStorage;
using eventstore::Position;
using eventstore::Relay;
using eventstore::testing_support::AppendTo;
using eventstore::testing_support::BrokerDeadline;
using eventstore::testing_support::FullCounts;
using eventstore::testing_support::kBrokerTimeout;
using eventstore::testing_support::MakeTopics;
using eventstore::testing_support::MemoryLog;
using eventstore::testing_support::RootIn;
using eventstore::testing_support::Stream;
using eventstore::testing_support::TempFolder;

constexpr uint32_t kPartitions = 6;

// A member in a process of its own.
class Child {
 public:
  explicit Child(std::vector<std::string> words) {
    int input[2];
    int output[2];
    if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) std::abort();
    words.insert(words.begin(), SHARED_VIEW_CHILD);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(input[0], STDIN_FILENO);
      dup2(output[1], STDOUT_FILENO);
      execv(SHARED_VIEW_CHILD, arguments.data());
      _exit(127);
    }
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    output_ = output[0];
  }
  ~Child() {
    if (pid_ > 0) Kill();
    close(input_);
    close(output_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void Kill() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  // Waits until it says that it has its share and answers.
  void WaitUntilReady() {
    char said = 0;
    while (said != '\n' && read(output_, &said, 1) == 1) {
    }
    EXPECT_EQ(said, '\n') << "it ended";
  }

  // Its last words after "settle", once it was ready.
  std::string Settle(const std::string& heads) {
    const std::string line = absl::StrCat("settle", heads, "\n");
    EXPECT_EQ(write(input_, line.data(), line.size()), static_cast<ssize_t>(line.size()));
    std::string text;
    char buffer[256];
    for (ssize_t size; (size = read(output_, buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(size));
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "its last words stand above";
    return text;
  }

 private:
  pid_t pid_ = 0;
  int input_ = -1;
  int output_ = -1;
};

class SharedViewTest : public eventstore::testing_support::BrokerTest {
 protected:
  void SetUp() override {
    random_.seed(SeedOfRun());
    MakeTopics(broker_->settings(), prefix_, static_cast<int32_t>(kPartitions));
    relay_ = std::make_unique<Relay>(log_, Options());
    relay_->Start();
    Append(60);
    load_ = std::thread([this] {
      while (!stop_load_) {
        Append(10);
        WaitForAll(*relay_);
      }
    });
  }

  void TearDown() override { EndLoad(); }

  void EndLoad() {
    stop_load_ = true;
    if (load_.joinable()) load_.join();
    WaitForAll(*relay_);
  }

  void Append(int events) {
    for (int i = 0; i < events; ++i) {
      const uint32_t number = number_++;
      const auto done =
          log_.AppendAndWait(AppendTo(Stream(RootIn(number % kPartitions, 1 + number % 300))));
      ASSERT_TRUE(done.ok()) << done.status();
    }
  }

  std::unique_ptr<SharedMember> Join(const std::string& name,
                                     absl::Duration session_timeout = absl::Seconds(20)) {
    return std::make_unique<SharedMember>(
        notes_, SharedMemberOptions{.settings = broker_->settings(),
                                    .prefix = prefix_,
                                    .folder = folder_ / name,
                                    .name = name,
                                    .instance = "",
                                    .log = log_.store_id(),
                                    .session_timeout = session_timeout,
                                    .on_acquired =
                                        [this, name](uint32_t partition) {
                                          absl::MutexLock lock(&mutex_);
                                          EXPECT_FALSE(owners_.contains(partition))
                                              << name << " was given what " << owners_[partition]
                                              << " has";
                                          owners_[partition] = name;
                                        },
                                    .on_released =
                                        [this](uint32_t partition) {
                                          absl::MutexLock lock(&mutex_);
                                          owners_.erase(partition);
                                        }});
  }

  // Waits until these members, and no others of this process, have so many partitions.
  void WaitUntilOwned(size_t partitions, size_t members) {
    absl::MutexLock lock(&mutex_);
    const auto owned = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      std::set<std::string> names;
      for (const auto& [partition, name] : owners_) names.insert(name);
      return owners_.size() == partitions && names.size() == members;
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&owned), kBrokerTimeout));
  }

  std::string FreshDigest(uint32_t partition) {
    MemoryStorage storage(kNoteTables);
    auto fold = ViewFold::Create(log_, notes_, storage, {.partitions = {partition}});
    while ((*fold)->FoldBatch()->moved) {
    }
    return DigestOf(storage);
  }

  Position Head(uint32_t partition) { return log_.Head(Ledger::kEvents, partition); }

  // Each partition is answered for by exactly one of these, as a fresh fold would.
  void ExpectSharedAsFresh(const std::vector<SharedMember*>& members) {
    for (uint32_t partition = 0; partition < kPartitions; ++partition) {
      int owners = 0;
      for (SharedMember* member : members) {
        if (!member->membership().Holds(partition)) continue;
        ++owners;
        const auto digest = DigestAt(member->view(), Head(partition), BrokerDeadline());
        ASSERT_TRUE(digest.ok()) << digest.status();
        EXPECT_EQ(*digest, FreshDigest(partition)) << "partition " << partition;
      }
      EXPECT_EQ(owners, 1) << "partition " << partition;
    }
  }

  std::unique_ptr<Child> StartChild(const std::string& name) {
    return std::make_unique<Child>(
        std::vector<std::string>{broker_->address(), prefix_, folder_ / name, name, name,
                                 log_.store_id().ToHex(), absl::StrCat(kPartitions / 2)});
  }

  TempFolder folder_;
  MemoryLog files_{kPartitions};
  EventLog& log_ = files_.Open();
  NoteProjection notes_;
  std::unique_ptr<Relay> relay_;
  std::mt19937_64 random_;
  std::atomic<uint32_t> number_ = 0;
  std::atomic<bool> stop_load_ = false;
  std::thread load_;
  absl::Mutex mutex_;
  std::map<uint32_t, std::string> owners_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(SharedViewTest, ThreeMembersShareItAndOneLeaves) {
  auto one = Join("one");
  WaitUntilOwned(kPartitions, 1);
  auto two = Join("two");
  auto three = Join("three");
  WaitUntilOwned(kPartitions, 3);
  two.reset();
  WaitUntilOwned(kPartitions, 2);
  EndLoad();
  ExpectSharedAsFresh({one.get(), three.get()});
}

// Killed wherever it is, again and again; it goes on from its own disk each time.
TEST_F(SharedViewTest, AMemberThatIsKilledGoesOnFromItsDiskAndIsReplacedWhenItStaysAway) {
  auto one = Join("one");
  WaitUntilOwned(kPartitions, 1);
  auto child = StartChild("child");
  WaitUntilOwned(kPartitions / 2, 1);
  child->WaitUntilReady();
  const int kills = FullCounts() ? 30 : 4;
  for (int i = 0; i < kills; ++i) {
    // lint: allow(sleep) how long it lives before it is killed
    absl::SleepFor(absl::Milliseconds(300 + random_() % 1'000));
    child->Kill();
    child = StartChild("child");
  }
  child->WaitUntilReady();
  EndLoad();
  std::string heads;
  for (uint32_t i = 0; i < kPartitions; ++i) absl::StrAppend(&heads, " ", Head(i).sequence);
  std::istringstream said(child->Settle(heads));
  std::string partition;
  std::string digest;
  uint32_t partitions = 0;
  uint64_t folded = ~uint64_t{0};
  while (said >> partition >> digest) {
    if (partition == "folded") {
      folded = std::strtoull(digest.c_str(), nullptr, 10);
      continue;
    }
    ++partitions;
    const auto number = static_cast<uint32_t>(std::strtoul(partition.c_str(), nullptr, 10));
    EXPECT_EQ(digest, FreshDigest(number)) << "partition " << partition;
  }
  EXPECT_EQ(partitions, kPartitions / 2);
  EXPECT_LT(folded, number_ / 2);  // its last life did not begin at the first event
  // It stays away: after its session the other one has it all.
  WaitUntilOwned(kPartitions, 1);
  ExpectSharedAsFresh({one.get()});
}

TEST_F(SharedViewTest, AStormOfMembersEndsWithEachPartitionOwnedOnceAndWhole) {
  std::map<int, std::unique_ptr<SharedMember>> members;
  members[0] = Join("member0");
  int joined = 0;
  int left = 0;
  const int steps = FullCounts() ? 100 : 14;
  for (int step = 0; step < steps; ++step) {
    const int number = static_cast<int>(random_() % 4);
    if (members.contains(number)) {
      members.erase(number);
      ++left;
    } else {
      members[number] = Join(absl::StrCat("member", number));
      ++joined;
    }
    // lint: allow(sleep) how long the group has before the next change
    absl::SleepFor(absl::Milliseconds(random_() % 1'500));
  }
  std::printf("  %d joined, %d left\n", joined, left);
  if (members.empty()) members[9] = Join("member9");
  WaitUntilOwned(kPartitions, members.size());
  EndLoad();
  std::vector<SharedMember*> all;
  for (const auto& [number, member] : members) all.push_back(member.get());
  ExpectSharedAsFresh(all);
  EXPECT_GT(joined, 0);
  EXPECT_GT(left, 0);
}

TEST_F(SharedViewTest, AllPartitionsAreFoldedAnewWhileEventsComeAndSwitchedBackOnce) {
  auto one = Join("one");
  WaitUntilOwned(kPartitions, 1);
  for (uint32_t i = 0; i < kPartitions; ++i) {
    const absl::Status ready = one->view().WaitUntilReady(i, BrokerDeadline());
    ASSERT_TRUE(ready.ok()) << ready;
  }
  const absl::Status rebuilt = one->view().Rebuild(std::nullopt, BrokerDeadline());
  ASSERT_TRUE(rebuilt.ok()) << rebuilt;
  EXPECT_EQ((*one->view().Live(0))->id.number, 2u);
  const absl::Status undone = one->view().Undo(std::nullopt, BrokerDeadline());
  ASSERT_TRUE(undone.ok()) << undone;
  EXPECT_EQ((*one->view().Live(0))->id.number, 1u);
  for (const PartitionStatus& status : one->view().GetStatus()) {
    const auto comparison = status.view.comparison.value_or(RowComparison{});
    EXPECT_TRUE(comparison.problem.ok()) << comparison.problem;
    EXPECT_GT(comparison.rows, 0u);
    EXPECT_EQ(comparison.different, 0u);
  }
  EndLoad();
  ExpectSharedAsFresh({one.get()});
  ASSERT_TRUE(one->view().Undo(std::nullopt, BrokerDeadline()).ok());
  ExpectSharedAsFresh({one.get()});
}

TEST_F(SharedViewTest, ALostSessionComesBackWithoutAFoldFromTheFirstEvent) {
  auto one = Join("one", absl::Seconds(6));
  WaitUntilOwned(kPartitions, 1);
  broker_->Signal(SIGSTOP);
  WaitUntilOwned(0, 0);
  for (uint32_t i = 0; i < kPartitions; ++i) EXPECT_FALSE(one->view().Live(i).ok());
  // A broker that was away for longer than its own session (9 s) is fenced by the controller when
  // it goes on, and may answer that there are no brokers: clients then lose all of theirs.
  // lint: allow(sleep) how long it is away
  absl::SleepFor(absl::Milliseconds(random_() % (FullCounts() ? 12'000 : 4'000)));
  broker_->Signal(SIGCONT);
  WaitUntilOwned(kPartitions, 1);
  EndLoad();
  ExpectSharedAsFresh({one.get()});
  for (const PartitionStatus& status : one->view().GetStatus()) {
    EXPECT_EQ(status.folded_anew, 0u);
    EXPECT_EQ(status.view.runner.events_folded, Head(status.partition).sequence);
  }
}

}  // namespace
}  // namespace records::projections
