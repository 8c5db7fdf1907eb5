#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include "tests/seed.h"

namespace records::simulation {
namespace {

TEST(SimulationTest, TheSameSeedGivesTheSameTrace) {
  const uint64_t base = SeedOfRun();
  for (uint64_t seed = base; seed < base + 8; ++seed) {
    SCOPED_TRACE(testing::Message() << "again: simulation --seed=" << seed);
    const auto once = RunSeed(seed, false);
    const auto again = RunSeed(seed, false);
    EXPECT_EQ(once->hash(), again->hash());
    EXPECT_EQ(once->lines(), again->lines());
    EXPECT_FALSE(once->broken().has_value()) << *once->broken();
  }
}

TEST(SimulationTest, AnotherSeedGivesAnotherTrace) {
  EXPECT_NE(RunSeed(1, false)->hash(), RunSeed(2, false)->hash());
}

}  // namespace
}  // namespace records::simulation
