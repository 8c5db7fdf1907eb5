// Seeded rounds against a real broker: a process appends, relays and reads back; relay and broker
// are killed, stopped and started again at random. In the end a reader of what is committed has
// each event of the log once, in order, on the log's topic and on each of its work streams.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>

#include "absl/time/clock.h"
#include "eventstore/bus/transactional_producer.h"
#include "tests/eventstore/bus/relay_process.h"
#include "tests/seed.h"

namespace records::eventstore {
namespace {

using namespace testing_support;  // NOLINT(build/namespaces)

class RelayRoundsTest : public RelayProcessTest {
 protected:
  void Wait(absl::Duration least, absl::Duration most) {
    const double share = std::uniform_real_distribution<double>(0, 1)(random_);
    // How long the load runs between two faults.
    absl::SleepFor(least + share * (most - least));  // lint: allow(sleep) see above
  }

  void StartChild() { child_ = Start(random_()); }

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
    const absl::Duration away = 2 * kRoundTransactionTimeout + absl::Seconds(1);
    absl::SleepFor(away);  // lint: allow(sleep) the fault
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
          broker_.settings(), {.transactional_id = absl::StrCat(prefix_, ".relay"),
                               .transaction_timeout = kRoundTransactionTimeout});
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

  std::vector<Fault> faults_ = {
      {"relay killed", &RelayRoundsTest::KillRelay},
      {"broker killed", &RelayRoundsTest::KillBroker},
      {"broker restarted", &RelayRoundsTest::RestartBroker},
      {"broker stopped for longer than every timeout", &RelayRoundsTest::StopBroker},
      {"both killed", &RelayRoundsTest::KillBoth},
      {"another relay took over", &RelayRoundsTest::TakeOver}};
  std::mt19937_64 random_;
  std::unique_ptr<RelayProcess> child_;
  std::map<std::string, int> fired_;
};

TEST_F(RelayRoundsTest, WhateverDiesEachEventIsOnEachOfItsTopicsOnceAndInOrder) {
  const int rounds = FullCounts() ? 200 : static_cast<int>(faults_.size());
  random_.seed(SeedOfRun());
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
