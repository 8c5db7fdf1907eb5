#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "absl/strings/numbers.h"

namespace records {

// What a test draws its choices by: RECORDS_SEED, else another in each run. The same in all tests
// of a process; who draws several times derives each from it. Prints it, once. Thread-safe.
inline uint64_t SeedOfRun() {
  static const uint64_t seed_of_run = [] {
    uint64_t seed = std::random_device()();
    const char* const given = std::getenv("RECORDS_SEED");
    if (given != nullptr && !absl::SimpleAtoi(given, &seed)) {
      std::fprintf(stderr, "RECORDS_SEED is not a number: %s\n", given);
      std::abort();
    }
    std::printf("seed %llu; replay: RECORDS_SEED=%llu\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(seed));
    // Whoever forks would print it again.
    std::fflush(stdout);
    return seed;
  }();
  return seed_of_run;
}

}  // namespace records
