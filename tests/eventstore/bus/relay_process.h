#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/bus/expect_topics.h"
#include "tests/eventstore/bus/relay_rounds.h"

// A relay in a process of its own, and what tests that kill it share.
namespace records::eventstore::testing_support {

inline constexpr char kEventsPerSecond[] = "300";

// A process that appends and relays; it ends with this one.
class RelayProcess {
 public:
  // `die_at`: a step at which it kills itself, as die_at_request.cc takes it; empty: none.
  RelayProcess(const std::string& folder, const std::string& address, const std::string& prefix,
               uint64_t seed, const std::string& die_at = "") {
    int input[2];
    int output[2];
    if (pipe(input) != 0 || pipe(output) != 0) std::abort();
    std::vector<std::string> words = {RELAY_CHILD, folder,           address,
                                      prefix,      kEventsPerSecond, absl::StrCat(seed)};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(input[0], STDIN_FILENO);
      dup2(output[1], STDOUT_FILENO);
      for (const int end : {input[0], input[1], output[0], output[1]}) close(end);
      setenv("RECORDS_DIE_AT", die_at.c_str(), 1);
      execv(RELAY_CHILD, arguments.data());
      _exit(127);
    }
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    output_ = output[0];
  }
  ~RelayProcess() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(input_);
    close(output_);
  }
  RelayProcess(const RelayProcess&) = delete;
  RelayProcess& operator=(const RelayProcess&) = delete;

  // It must not have ended by itself before.
  void Kill() {
    kill(pid_, SIGKILL);
    const int status = Wait();
    EXPECT_TRUE(WIFSIGNALED(status))
        << "it ended with " << WEXITSTATUS(status) << ", its last words stand above";
  }

  // Waits until it ends by itself because it was fenced; false: not by then.
  bool WaitUntilFenced(absl::Time deadline) {
    const std::optional<int> status = WaitUntil(deadline);
    if (!status.has_value()) return false;
    EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == kRoundFencedExit) << *status;
    return true;
  }

  // Waits until it has killed itself; false: not by then.
  bool WaitUntilKilled(absl::Time deadline) {
    const std::optional<int> status = WaitUntil(deadline);
    if (!status.has_value()) return false;
    EXPECT_TRUE(WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL) << *status;
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
  // How it ended; nullopt: it did not by then.
  std::optional<int> WaitUntil(absl::Time deadline) {
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) == 0) {
      if (absl::Now() > deadline) return std::nullopt;
      absl::SleepFor(absl::Milliseconds(10));  // lint: allow(sleep) it gives no signal
    }
    pid_ = 0;
    return status;
  }

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

// A broker, and a log that one process after the other relays to it.
class RelayProcessTest : public ::testing::Test {
 protected:
  std::unique_ptr<RelayProcess> Start(uint64_t seed, const std::string& die_at = "") {
    return std::make_unique<RelayProcess>(folder_ / "data", broker_.address(), prefix_, seed,
                                          die_at);
  }

  // Everywhere, and the reconciler has seen as much.
  void ExpectTopicsAreTheLog(uint64_t compared) {
    const auto stores = OpenRoundStores(folder_ / "data");
    ASSERT_TRUE(stores.ok()) << stores.status();
    const size_t events = ExpectTopicIsTheLog(broker_.settings(), prefix_, *stores->log);
    const size_t items = ExpectStreamsAreTheLog(broker_.settings(), prefix_, *stores->log,
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
    MakeTopics(broker_.settings(), prefix_, kRoundPartitions, stores->events->work().topics(),
               kRoundStreamPartitions);
  }

  TempFolder folder_;
  Broker broker_;
  const std::string prefix_ = "processes";
};

}  // namespace records::eventstore::testing_support
