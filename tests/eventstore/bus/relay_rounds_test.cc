// Seeded rounds against a real broker: a process appends, relays and reads back; relay and broker
// are killed, stopped and started again at random. In the end a reader of what is committed has
// each event of the log once, in order, on the log's topic and on each of its work streams.
// RECORDS_RELAY_SEED=N replays the choices of a run.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>

#include "absl/time/clock.h"
#include "eventstore/bus/transactional_producer.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/bus/expect_topics.h"
#include "tests/eventstore/bus/relay_rounds.h"

namespace records::eventstore {
namespace {

using namespace testing_support;  // NOLINT(build/namespaces)

constexpr char kPrefix[] = "rounds";
constexpr char kEventsPerSecond[] = "300";

uint64_t Seed() {
  const char* given = std::getenv("RECORDS_RELAY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

// A process that appends and relays; it ends with this one.
class Child {
 public:
  Child(const std::string& folder, const std::string& address, uint64_t seed) {
    int input[2];
    int output[2];
    if (pipe(input) != 0 || pipe(output) != 0) std::abort();
    std::vector<std::string> words = {RELAY_CHILD, folder,           address,
                                      kPrefix,     kEventsPerSecond, absl::StrCat(seed)};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(input[0], STDIN_FILENO);
      dup2(output[1], STDOUT_FILENO);
      for (const int end : {input[0], input[1], output[0], output[1]}) close(end);
      execv(RELAY_CHILD, arguments.data());
      _exit(127);
    }
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    output_ = output[0];
  }
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(input_);
    close(output_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // It must not have ended by itself before.
  void Kill() {
    kill(pid_, SIGKILL);
    const int status = Wait();
    EXPECT_TRUE(WIFSIGNALED(status))
        << "it ended with " << WEXITSTATUS(status) << ", its last words stand above";
  }

  // Waits until it ends by itself because it was fenced; false: not by then.
  bool WaitUntilFenced(absl::Time deadline) {
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) == 0) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(10));  // lint: allow(sleep) it gives no signal
    }
    pid_ = 0;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == kRoundFencedExit) << status;
    return true;
  }

  // Asks it to come to rest; returns how many records it has held against the log.
  uint64_t Settle() {
    EXPECT_EQ(write(input_, "settle\n", 7), 7);
    std::string text;
    char buffer[256];
    for (ssize_t size; (size = read(output_, buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(size));
    }
    const int status = Wait();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "its last words stand above";
    return std::strtoull(text.c_str(), nullptr, 10);
  }

 private:
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }

  pid_t pid_ = 0;
  int input_ = -1;
  int output_ = -1;
};

class RelayRoundsTest : public ::testing::Test {
 protected:
  void Wait(absl::Duration least, absl::Duration most) {
    const double share = std::uniform_real_distribution<double>(0, 1)(random_);
    // How long the load runs between two faults.
    absl::SleepFor(least + share * (most - least));  // lint: allow(sleep) see above
  }

  void StartChild() {
    child_ = std::make_unique<Child>(folder_ / "data", broker_.address(), random_());
  }

  // A fault, and what must follow so that the next can be made.
  struct Fault {
    const char* name;
    void (RelayRoundsTest::*make)();
  };
  void KillRelay() {
    child_->Kill();
    StartChild();
  }
  void KillBroker() {
    broker_.Kill();
    Wait(absl::ZeroDuration(), absl::Seconds(1));
    broker_.Start();
  }
  void RestartBroker() {
    broker_.Stop();
    broker_.Start();
  }
  void StopBroker() {
    broker_.Signal(SIGSTOP);
    absl::SleepFor(2 * kRoundBrokerTimeout + absl::Seconds(1));  // lint: allow(sleep) the fault
    broker_.Signal(SIGCONT);
  }
  void KillBoth() {
    broker_.Kill();
    child_->Kill();
    StartChild();
    Wait(absl::ZeroDuration(), absl::Seconds(1));
    broker_.Start();
  }
  // Between two of its sessions a relay fences the other, so that comes again.
  void TakeOver() {
    const absl::Time deadline = absl::Now() + kBrokerTimeout;
    bool ended = false;
    while (!ended && absl::Now() < deadline) {
      const auto other = TransactionalProducer::Start(
          broker_.settings(), {.transactional_id = absl::StrCat(kPrefix, ".relay"),
                               .transaction_timeout = kRoundBrokerTimeout});
      ended = child_->WaitUntilFenced(absl::Now() + absl::Seconds(5));
    }
    ASSERT_TRUE(ended) << "the relay does not end though another took over";
    StartChild();
  }

  // Each kind comes once before any comes again.
  void Break(int round) {
    const size_t turn = static_cast<size_t>(round) % faults_.size();
    if (turn == 0) std::shuffle(faults_.begin(), faults_.end(), random_);
    std::printf("round %d: %s\n", round, faults_[turn].name);
    std::fflush(stdout);
    (this->*faults_[turn].make)();
    ++fired_[faults_[turn].name];
  }

  // Everywhere, and the reconciler has seen as much.
  void ExpectTopicsAreTheLog(uint64_t compared) {
    const auto stores = OpenRoundStores(folder_ / "data");
    ASSERT_TRUE(stores.ok()) << stores.status();
    const size_t events = ExpectTopicIsTheLog(broker_.settings(), kPrefix, *stores->log);
    const size_t items = ExpectStreamsAreTheLog(broker_.settings(), kPrefix, *stores->log,
                                                stores->events->work(), kRoundStreamPartitions);
    std::printf("  events: %zu, on work streams: %zu\n", events, items);
    EXPECT_GT(events, 0u);
    EXPECT_GT(items, 0u);
    EXPECT_EQ(compared, events + items);
  }

  // Makes the stores, and topics for the streams that there are.
  void MakeStores() {
    const auto stores = OpenRoundStores(folder_ / "data");
    ASSERT_TRUE(stores.ok()) << stores.status();
    MakeTopics(broker_.settings(), kPrefix, kRoundPartitions, stores->events->work().topics(),
               kRoundStreamPartitions);
  }

  std::vector<Fault> faults_ = {
      {"relay killed", &RelayRoundsTest::KillRelay},
      {"broker killed", &RelayRoundsTest::KillBroker},
      {"broker restarted", &RelayRoundsTest::RestartBroker},
      {"broker stopped for longer than every timeout", &RelayRoundsTest::StopBroker},
      {"both killed", &RelayRoundsTest::KillBoth},
      {"another relay took over", &RelayRoundsTest::TakeOver}};
  TempFolder folder_;
  Broker broker_;
  std::mt19937_64 random_;
  std::unique_ptr<Child> child_;
  std::map<std::string, int> fired_;
};

TEST_F(RelayRoundsTest, WhateverDiesEachEventIsOnEachOfItsTopicsOnceAndInOrder) {
  const int rounds =
      std::getenv("RECORDS_FULL") != nullptr ? 200 : static_cast<int>(faults_.size());
  const uint64_t seed = Seed();
  random_.seed(seed);
  std::printf("seed %lu, %d rounds; RECORDS_RELAY_SEED=%lu replays their choices\n", seed, rounds,
              seed);
  ASSERT_NO_FATAL_FAILURE(MakeStores());
  StartChild();
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    Wait(absl::Milliseconds(300), absl::Seconds(2));
    Break(round);
  }
  ASSERT_FALSE(HasFailure());
  Wait(absl::Milliseconds(200), absl::Seconds(1));
  const uint64_t compared = child_->Settle();
  ExpectTopicsAreTheLog(compared);
  for (const auto& [fault, times] : fired_) std::printf("  %s: %d\n", fault.c_str(), times);
  EXPECT_EQ(fired_.size(), faults_.size()) << "a fault never fired";
}

}  // namespace
}  // namespace records::eventstore
