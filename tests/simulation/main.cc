#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "tests/seed.h"
#include "tests/simulation/simulation.h"

// Runs seeds of the simulation.
//
//   simulation                      seeds for about 12 s, 200 at least; 10,000 with
//                                   RECORDS_FULL=1; from RECORDS_SEED on, else from any
//   simulation --base=B             the same from base B
//   simulation --seeds=N            so many, however long it takes
//   simulation --seed=S             replays one, with its trace
//   simulation --shard=I/N          of all seeds, each N-th from the I-th (0 .. N-1)
//
// Exit codes: 0 all is well, 1 a seed broke a promise, 2 not understood, 3 no promise was broken
// but something that must happen never did, or there was no time for the seeds that show it.
namespace records::simulation {
namespace {

constexpr int kBroken = 1;
constexpr int kNotUnderstood = 2;
constexpr int kNeverHappened = 3;

constexpr uint64_t kFullSeeds = 10'000;
constexpr double kSeconds = 12;
// Without a count a run goes on until every fault must have fired, so long at most.
constexpr double kSecondsMax = 120;
// What a day's run must have seen, at this count of seeds or more; fewer are a replay.
constexpr uint64_t kSeedsThatFireAll = 200;
constexpr const char* kFaults[] = {"write-refused",
                                   "sync-failed",
                                   "no-space",
                                   "read-failed",
                                   "power-cut-in-a-write",
                                   "power-cut",
                                   "killed",
                                   "stopped",
                                   "start-failed",
                                   "clock-back",
                                   "clock-forward",
                                   "request-id-reused",
                                   "retry-answered",
                                   "expectation-refused",
                                   "clock-behind-refused",
                                   "disk-full-refused",
                                   "fence-refused",
                                   "fenced",
                                   "key-ended",
                                   "key-made-anew",
                                   "granted",
                                   "revoked",
                                   "question-allowed",
                                   "question-refused",
                                   "follower-opened",
                                   "checkpoint-signed",
                                   "master-key-rotated"};

struct Arguments {
  uint64_t base = 0;
  uint64_t seeds = 0;  // 0: as long as the time lasts
  uint64_t shard = 0;
  uint64_t shards = 1;
  bool replay = false;
};

bool Parse(int count, char** words, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    absl::string_view word = words[i];
    bool ok = false;
    if (absl::ConsumePrefix(&word, "--seed=")) {
      ok = absl::SimpleAtoi(word, &arguments.base);
      arguments.seeds = 1;
      arguments.replay = true;
    } else if (absl::ConsumePrefix(&word, "--seeds=")) {
      ok = absl::SimpleAtoi(word, &arguments.seeds);
    } else if (absl::ConsumePrefix(&word, "--base=")) {
      ok = absl::SimpleAtoi(word, &arguments.base);
    } else if (absl::ConsumePrefix(&word, "--shard=")) {
      const size_t slash = word.find('/');
      ok = slash != absl::string_view::npos &&
           absl::SimpleAtoi(word.substr(0, slash), &arguments.shard) &&
           absl::SimpleAtoi(word.substr(slash + 1), &arguments.shards) &&
           arguments.shard < arguments.shards;
    }
    if (!ok) {
      std::fprintf(stderr, "simulation: not understood: %s\n", words[i]);
      return false;
    }
  }
  return true;
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Returns whether everything that must happen in so many seeds did.
bool PrintFired(const std::map<std::string, uint64_t>& fired, uint64_t seeds) {
  bool all = true;
  for (const char* fault : kFaults) {
    const auto it = fired.find(fault);
    const uint64_t times = it == fired.end() ? 0 : it->second;
    std::printf("%s=%llu ", fault, static_cast<unsigned long long>(times));
    all &= times > 0;
  }
  std::printf("\n");
  if (all || seeds < kSeedsThatFireAll) return true;
  std::printf("nothing is broken, but one of these never happened\n");
  return false;
}

bool TimeIsUp(double seconds, uint64_t seeds) {
  return seconds > (seeds < kSeedsThatFireAll ? kSecondsMax : kSeconds);
}

int Run(Arguments arguments) {
  const bool full = std::getenv("RECORDS_FULL") != nullptr;
  if (arguments.base == 0) arguments.base = SeedOfRun();
  if (arguments.seeds == 0 && full) arguments.seeds = kFullSeeds;
  const auto start = std::chrono::steady_clock::now();
  std::map<std::string, uint64_t> fired;
  uint64_t done = 0;
  uint64_t seed = arguments.base + arguments.shard;
  for (;; seed += arguments.shards) {
    if (arguments.seeds > 0 && seed >= arguments.base + arguments.seeds) break;
    if (arguments.seeds == 0 && TimeIsUp(SecondsSince(start), done)) break;
    const auto report = RunSeed(seed, arguments.replay);
    ++done;
    for (const auto& [what, times] : report->fired()) fired[what] += times;
    if (!report->broken()) continue;
    std::printf("CAUGHT seed %llu: %s\nagain: simulation --seed=%llu (%s)\n",
                static_cast<unsigned long long>(seed), report->broken()->c_str(),
                static_cast<unsigned long long>(seed), Options::Draw(seed).ToString().c_str());
    return kBroken;
  }
  std::printf("%llu seeds from %llu (%llu of %llu) in %.1f s\n",
              static_cast<unsigned long long>(done),
              static_cast<unsigned long long>(arguments.base),
              static_cast<unsigned long long>(arguments.shard),
              static_cast<unsigned long long>(arguments.shards), SecondsSince(start));
  if (!PrintFired(fired, done)) return kNeverHappened;
  if (arguments.seeds > 0 || done >= kSeedsThatFireAll) return 0;
  std::printf("too slow: %llu seeds are needed to see whether every fault fires\n",
              static_cast<unsigned long long>(kSeedsThatFireAll));
  return kNeverHappened;
}

}  // namespace
}  // namespace records::simulation

int main(int count, char** words) {
  records::simulation::Arguments arguments;
  if (!records::simulation::Parse(count, words, arguments)) {
    return records::simulation::kNotUnderstood;
  }
  return records::simulation::Run(arguments);
}
