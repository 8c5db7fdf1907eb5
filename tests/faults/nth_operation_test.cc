#include "tests/faults/nth_operation.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/faults/work_folder.h"
#include "tests/seed.h"

// A fault at every operation of every scenario: nothing acknowledged is lost or changed, nothing is
// there by half, retries are safe, and the next start needs no hand.
//
// RECORDS_FULL=1 takes every case; else a sample. RECORDS_FAULT_CASE=append/1/57/4711 (scenario,
// number of the fault, operation, seed), as a failure prints it, replays one.
namespace records::faults {
namespace {

struct Tally {
  size_t cases = 0;
  size_t fired = 0;
  size_t mattered = 0;
  size_t calls_failed = 0;
  size_t went_on = 0;
  size_t refused = 0;
  size_t power_cuts = 0;
  size_t views_folded_anew = 0;

  void Add(const CaseResult& result) {
    ++cases;
    fired += result.fired ? 1 : 0;
    mattered += result.fired && result.mattered() ? 1 : 0;
    calls_failed += result.fired && result.call_failed ? 1 : 0;
    went_on += result.fired && result.went_on ? 1 : 0;
    refused += result.refused ? 1 : 0;
    power_cuts += result.power_cut ? 1 : 0;
    views_folded_anew += result.view_folded_anew ? 1 : 0;
  }
};

// Of all scenarios of this process; fewer cases are a replay or a filter.
constexpr size_t kCasesThatMatter = 20;
std::map<Fault, Tally>& Overall() {
  static std::map<Fault, Tally> overall;
  return overall;
}

// A case that ends the process says which it was.
char running[128];
void SayWhichAndEnd(int signal) {
  (void)!write(STDERR_FILENO, running, strlen(running));
  std::signal(signal, SIG_DFL);
  raise(signal);
}

bool Full() { return std::getenv("RECORDS_FULL") != nullptr; }

class NthOperationTest : public testing::TestWithParam<Scenario> {
 public:
  // A fault that nobody notices tests nothing: EIO when an obsolete file is deleted.
  static void TearDownTestSuite() {
    for (const Fault fault : kLoopFaults) {
      const Tally& tally = Overall()[fault];
      if (tally.cases < kCasesThatMatter) continue;
      EXPECT_GT(tally.mattered, 0u) << Name(fault) << " mattered to nobody";
      // After a short write the program goes on, and no power cut does for that.
      const bool is_short = fault == Fault::kShortWrite;
      EXPECT_GT(is_short ? tally.went_on : tally.calls_failed, 0u)
          << Name(fault) << " failed no call";
    }
  }

 protected:
  static void Expect(NthOperation& loop, const std::string& scenario, const FaultCase& one,
                     Tally& tally) {
    const std::string replay =
        absl::StrCat("RECORDS_FAULT_CASE=", scenario, "/", static_cast<int>(one.fault), "/", one.at,
                     "/", one.seed);
    std::snprintf(running, sizeof(running), "ended in %s\n", replay.c_str());
    const CaseResult result = loop.Run(one);
    tally.Add(result);
    Overall()[one.fault].Add(result);
    EXPECT_EQ(result.start_refused, "") << Name(one.fault) << "; again: " << replay;
    EXPECT_EQ(result.wrong, "") << Name(one.fault) << "; again: " << replay;
  }

  static void Print(const std::string& scenario, const NthOperation& loop,
                    const std::map<Fault, Tally>& tallies, uint64_t seed, double seconds) {
    std::printf("%s: %zu operations, seed %llu, %.1f s\n", scenario.c_str(),
                loop.operations().size(), static_cast<unsigned long long>(seed), seconds);
    for (const auto& [fault, tally] : tallies) {
      std::printf(
          "  %-12s %5zu cases, %5zu fired, %5zu mattered, calls failed in %5zu, "
          "%4zu starts refused under it, %4zu power cuts, %zu views folded anew\n",
          std::string(Name(fault)).c_str(), tally.cases, tally.fired, tally.mattered,
          tally.calls_failed, tally.refused, tally.power_cuts, tally.views_folded_anew);
    }
    std::fflush(stdout);
  }

  WorkFolder folder_;
};

// CR-1.5.1
TEST_P(NthOperationTest, NothingAcknowledgedIsLostAndTheNextStartNeedsNoHand) {
  const Scenario& scenario = GetParam();
  const char* const replay = std::getenv("RECORDS_FAULT_CASE");
  std::signal(SIGABRT, SayWhichAndEnd);
  NthOperation loop(scenario, folder_.path());
  ASSERT_EQ(loop.wrong_without_fault(), "");
  std::map<Fault, Tally> tallies;
  if (replay != nullptr) {
    const std::vector<std::string> words = absl::StrSplit(replay, '/');
    int fault = 0;
    FaultCase one;
    ASSERT_TRUE(words.size() == 4 && absl::SimpleAtoi(words[1], &fault) &&
                absl::SimpleAtoi(words[2], &one.at) && absl::SimpleAtoi(words[3], &one.seed));
    if (words[0] != scenario.name) GTEST_SKIP() << "another scenario is replayed";
    one.fault = static_cast<Fault>(fault);
    return Expect(loop, scenario.name, one, tallies[one.fault]);
  }
  const uint64_t seed = SeedOfRun();
  std::vector<FaultCase> cases = loop.AllCases(seed);
  if (!Full()) {
    // Some of each fault.
    std::mt19937_64 random(seed);
    // The reads apart: how many there are differs a little each time, and the sample must not.
    const auto reads = std::find_if(cases.begin(), cases.end(), [](const FaultCase& one) {
      return one.fault == Fault::kReadError;
    });
    std::shuffle(cases.begin(), reads, random);
    std::shuffle(reads, cases.end(), random);
    // More where a planted bug must be found.
    const size_t sample = std::getenv("RECORDS_PLANTED_BUG") != nullptr ? 40 : 5;
    std::map<Fault, size_t> taken;
    std::erase_if(cases, [&](const FaultCase& one) { return ++taken[one.fault] > sample; });
  }
  const auto start = std::chrono::steady_clock::now();
  for (const FaultCase& one : cases) {
    Expect(loop, scenario.name, one, tallies[one.fault]);
    if (HasFailure() && !Full()) break;
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  Print(scenario.name, loop, tallies, seed, spent.count());
  if (HasFailure()) return;
  for (const Fault fault : kLoopFaults) {
    const Tally& tally = tallies[fault];
    EXPECT_GT(tally.fired, 0u) << Name(fault) << " never happened";
    if (Full()) {
      EXPECT_GE(10 * tally.fired, 9 * tally.cases) << Name(fault) << " misses too often";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Scenarios, NthOperationTest, testing::ValuesIn(Scenarios()),
                         [](const auto& tested) {
                           std::string name = tested.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace records::faults
