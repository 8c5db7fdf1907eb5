// A relay that is killed at each step of its transactions, one process after the other: before a
// request is sent, once it is sent, and when its answer is there and not seen. In the end each
// event is once, in order, on each of its topics.

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/eventstore/bus/relay_process.h"

namespace records::eventstore {
namespace {

using namespace testing_support;  // NOLINT(build/namespaces)

struct Step {
  const char* name;
  int key;      // of Kafka's protocol: kafka.apache.org/protocol, "API keys"
  int commits;  // that were asked for before
};
constexpr Step kSteps[] = {
    {"taking over (InitProducerId)", 22, 0},
    {"reading where to go on (Fetch)", 1, 0},
    {"adding partitions to the first transaction", 24, 0},
    {"the first records of the first transaction", 0, 0},
    {"committing the first transaction (EndTxn)", 26, 0},
    {"adding partitions to a later transaction", 24, 2},
    {"the first records of a later transaction", 0, 2},
    {"committing a later transaction (EndTxn)", 26, 2},
};
constexpr const char* kMoments[] = {"before", "after", "answered"};

class RelayStepsTest : public RelayProcessTest {};

TEST_F(RelayStepsTest, KilledAtEachStepOfATransactionNothingIsMissingAndNothingThereTwice) {
  ASSERT_NO_FATAL_FAILURE(MakeStores());
  uint64_t seed = 1;
  for (const Step& step : kSteps) {
    for (const char* moment : kMoments) {
      const auto relay = Start(seed++, absl::StrCat(step.key, " ", moment, " ", step.commits));
      ASSERT_TRUE(relay->WaitUntilKilled(absl::Now() + kBrokerTimeout))
          << step.name << ": " << moment << ": never came";
      std::printf("killed: %s: %s\n", step.name, moment);
    }
  }
  const auto relay = Start(seed);
  ExpectTopicsAreTheLog(relay->Settle());
}

}  // namespace
}  // namespace records::eventstore
