#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <random>

#include "tests/eventstore/kill_requests.h"
#include "tests/eventstore/temp_folder.h"
#include "tests/seed.h"

// kill -9 under load: what was acknowledged is there, nothing is there by half, retries are safe.
namespace records::eventstore {
namespace {

using namespace testing_support;  // NOLINT(build/namespaces)

class LogKillTest : public testing::Test {
 protected:
  LogKillTest() {
    for (uint32_t t = 0; t < kKillThreads; ++t) next_[t] = t;
  }

  // Starts the child, kills it after `count` acknowledgements, keeps all that came through the
  // pipe.
  void RunAndKill(size_t count) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    std::vector<std::string> words = {KILL_CHILD, folder_ / "data", std::to_string(ends[1])};
    for (const uint32_t next : next_) words.push_back(std::to_string(next));
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      execv(KILL_CHILD, arguments.data());
      _exit(127);
    }
    close(ends[1]);
    size_t seen = 0;
    Acknowledgement told;
    while (read(ends[0], &told, sizeof(told)) == sizeof(told)) {
      Take(told);
      if (++seen == count) {
        ASSERT_EQ(kill(child, SIGKILL), 0);
      }
    }
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
    ASSERT_GE(seen, count) << "too little was acknowledged to test anything";
  }

  void Take(const Acknowledgement& told) {
    const Appended outcome{{told.partition, told.sequence}, told.count};
    const auto [known, added] = acknowledged_.emplace(told.request, outcome);
    ASSERT_TRUE(added || known->second.first == outcome.first) << told.request;
    uint32_t& next = next_[told.request % kKillThreads];
    next = std::max(next, told.request + kKillThreads);
  }

  // Every event belongs to a whole append, and each request was appended once.
  void CheckWhole(const EventLog& log) {
    std::map<uint32_t, Appended> found;
    for (uint32_t p = 0; p < kKillPartitions; ++p) {
      const std::vector<StoredEvent> events = ReadAll(log, p);
      ASSERT_EQ(events.size(), log.Head(Ledger::kEvents, p).sequence);
      for (size_t i = 0; i < events.size();) {
        const records::log::v1::Append append = events[i].event.append();
        const uint32_t request = RequestOf(append);
        ASSERT_EQ(append.count(), KillCount(request));
        ASSERT_LE(i + append.count(), events.size()) << "half an append";
        ASSERT_TRUE(found.emplace(request, Appended{events[i].position, append.count()}).second)
            << "request " << request << " was appended twice";
        for (uint32_t k = 0; k < append.count(); ++k, ++i) {
          ASSERT_EQ(events[i].position, (Position{p, i + 1}));
          ASSERT_EQ(events[i].event.append().index(), k);
          ASSERT_EQ(RequestOf(events[i].event.append()), request);
          ASSERT_EQ(events[i].event.facts(), KillFacts(request, k));
        }
      }
    }
    for (const auto& [request, outcome] : acknowledged_) {
      const auto at = found.find(request);
      ASSERT_NE(at, found.end()) << "request " << request << " was acknowledged and is lost";
      ASSERT_EQ(at->second.first, outcome.first);
    }
    found_ = std::move(found);
  }

  static uint32_t RequestOf(const records::log::v1::Append& append) {
    uint32_t number = 0;
    for (int i = 0; i < 4; ++i) {
      number |= uint32_t{static_cast<uint8_t>(append.request_key()[i])} << (8 * i);
    }
    return number;
  }

  // Old requests give their first outcome; those in flight at the kill are settled.
  void Retry(EventLog& log, std::mt19937_64& random) {
    for (int i = 0; i < 20 && !acknowledged_.empty(); ++i) {
      auto known = acknowledged_.lower_bound(random() % (next_[0] + 1));
      if (known == acknowledged_.end()) known = acknowledged_.begin();
      const auto retried = log.AppendAndWait(KillRequest(known->first));
      ASSERT_TRUE(retried.ok()) << retried.status();
      EXPECT_TRUE(retried->repeated);
      EXPECT_EQ(retried->first, known->second.first);
    }
    for (uint32_t& next : next_) {
      const auto retried = log.AppendAndWait(KillRequest(next));
      ASSERT_TRUE(retried.ok()) << retried.status();
      const auto found = found_.find(next);
      EXPECT_EQ(retried->repeated, found != found_.end());
      if (retried->repeated) {
        EXPECT_EQ(retried->first, found->second.first);
        ++settled_;
      }
      Take({next, retried->first.partition, retried->first.sequence, retried->count, 0});
    }
  }

  TempFolder folder_;
  std::array<uint32_t, kKillThreads> next_;    // each thread's next request
  std::map<uint32_t, Appended> acknowledged_;  // kept by this process, the child's survivor
  std::map<uint32_t, Appended> found_;
  size_t settled_ = 0;  // in flight at a kill, and written
};

TEST_F(LogKillTest, NothingAcknowledgedIsLostAndNothingIsThereByHalf) {
  std::mt19937_64 random(SeedOfRun());
  const int rounds = std::getenv("RECORDS_FULL") != nullptr ? 500 : 20;
  std::vector<PartitionCheckpoint> checkpoints;
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    RunAndKill(1 + random() % 400);
    if (HasFatalFailure()) return;
    auto log = OpenLog(KillOptions(folder_ / "data"));
    ASSERT_TRUE(log.ok()) << log.status();
    CheckWhole(**log);
    if (HasFatalFailure()) return;
    Retry(**log, random);
    for (const PartitionCheckpoint& checkpoint : checkpoints) {
      EXPECT_TRUE((*log)->VerifyCheckpoint(Ledger::kEvents, checkpoint).ok());
    }
    for (uint32_t p = 0; p < kKillPartitions; ++p) {
      checkpoints.push_back(
          *(*log)->CheckpointAt(Ledger::kEvents, (*log)->Head(Ledger::kEvents, p)));
    }
  }
  std::printf("%zu acknowledged; %zu in flight at a kill had been written\n", acknowledged_.size(),
              settled_);
  EXPECT_GT(acknowledged_.size(), static_cast<size_t>(rounds) * 10);
}

}  // namespace
}  // namespace records::eventstore
