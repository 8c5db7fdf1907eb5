// Seeded rounds against a real broker: a process appends and relays; relay and broker are killed,
// stopped and started again at random. In the end a reader of what is committed has each event of
// the log once, in order. RECORDS_RELAY_SEED=N replays the choices of a run.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "eventstore/event_log.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/bus/relay_rounds.h"
#include "tests/eventstore/log_fixture.h"

namespace records::eventstore {
namespace {

using namespace testing_support;  // NOLINT(build/namespaces)

int Rounds() { return std::getenv("RECORDS_FULL") != nullptr ? 200 : 4; }

uint64_t Seed() {
  const char* given = std::getenv("RECORDS_RELAY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

// A process that appends and relays.
class Child {
 public:
  Child(const std::string& folder, const std::string& address, const std::string& prefix) {
    int input[2];
    int output[2];
    if (pipe(input) != 0 || pipe(output) != 0) std::abort();
    std::vector<std::string> words = {RELAY_CHILD, folder, address, prefix, "400"};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
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

  // Asks it to come to rest; returns how many events each partition has.
  std::vector<uint64_t> Settle() {
    EXPECT_EQ(write(input_, "settle\n", 7), 7);
    std::string text;
    char buffer[256];
    for (ssize_t size; (size = read(output_, buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(size));
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "its last words stand above";
    std::vector<uint64_t> sizes;
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      sizes.push_back(std::strtoull(std::string(line).c_str(), nullptr, 10));
    }
    return sizes;
  }

 private:
  pid_t pid_ = 0;
  int input_ = -1;
  int output_ = -1;
};

class RelayRoundsTest : public ::testing::Test {
 protected:
  void SetUp() override { MakeTopics(broker_.settings(), "rounds", kRoundPartitions); }

  void Wait(absl::Duration least, absl::Duration most) {
    const double share = std::uniform_real_distribution<double>(0, 1)(random_);
    // How long the load runs between two faults.
    absl::SleepFor(least + share * (most - least));  // lint: allow(sleep) see above
  }

  // One fault, and what must follow so that the next can be made. Of four rounds each kind has one.
  void Break(int round) {
    if (round % 4 == 0) std::shuffle(kinds_.begin(), kinds_.end(), random_);
    switch (kinds_[static_cast<size_t>(round) % 4]) {
      case 0:
        ++fired_["relay killed"];
        child_->Kill();
        StartChild();
        break;
      case 1:
        ++fired_["broker killed"];
        broker_.Kill();
        Wait(absl::ZeroDuration(), absl::Seconds(1));
        broker_.Start();
        break;
      case 2:
        ++fired_["broker stopped for longer than every timeout"];
        broker_.Signal(SIGSTOP);
        absl::SleepFor(2 * kRoundBrokerTimeout + absl::Seconds(1));  // lint: allow(sleep) the fault
        broker_.Signal(SIGCONT);
        break;
      default:
        ++fired_["both killed"];
        broker_.Kill();
        child_->Kill();
        StartChild();
        Wait(absl::ZeroDuration(), absl::Seconds(1));
        broker_.Start();
    }
  }

  void StartChild() {
    child_ = std::make_unique<Child>(folder_ / "data", broker_.address(), "rounds");
  }

  void ExpectTopicIsTheLog(const std::vector<uint64_t>& sizes) {
    ASSERT_EQ(sizes.size(), kRoundPartitions);
    LogOptions options;
    options.data_dir = folder_ / "data";
    const auto log = OpenLog(options);
    ASSERT_TRUE(log.ok()) << log.status();
    for (uint32_t partition = 0; partition < kRoundPartitions; ++partition) {
      const auto events = ReadAll(**log, partition);
      ASSERT_EQ(events.size(), sizes[partition]);
      const auto records =
          ReadTopic(broker_.settings(), LogTopic("rounds"), static_cast<int32_t>(partition));
      ASSERT_EQ(records.size(), events.size()) << "partition " << partition;
      for (size_t i = 0; i < events.size(); ++i) {
        ASSERT_EQ(records[i].value, events[i].bytes) << "partition " << partition << ", " << i;
      }
      events_ += events.size();
    }
  }

  TempFolder folder_;
  Broker broker_;
  std::mt19937_64 random_;
  std::unique_ptr<Child> child_;
  std::array<int, 4> kinds_{0, 1, 2, 3};
  std::map<std::string, int> fired_;
  uint64_t events_ = 0;
};

TEST_F(RelayRoundsTest, WhateverDiesEachEventIsThereOnceAndInOrder) {
  const uint64_t seed = Seed();
  random_.seed(seed);
  std::printf("seed %lu, %d rounds; RECORDS_RELAY_SEED=%lu replays their choices\n", seed, Rounds(),
              seed);
  StartChild();
  for (int round = 0; round < Rounds(); ++round) {
    Wait(absl::Milliseconds(500), absl::Seconds(3));
    Break(round);
  }
  Wait(absl::Milliseconds(200), absl::Seconds(1));
  ExpectTopicIsTheLog(child_->Settle());
  for (const auto& [fault, times] : fired_) std::printf("  %s: %d\n", fault.c_str(), times);
  std::printf("  events: %lu\n", events_);
  EXPECT_EQ(fired_.size(), kinds_.size()) << "a fault never fired";
  EXPECT_GT(events_, 0);
}

}  // namespace
}  // namespace records::eventstore
