#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "eventstore/log.h"
#include "tests/simulation/log_snapshot.h"
#include "tests/simulation/report.h"

namespace records::simulation {

// A follower of one partition gets each event that its filter wants once, in order, and none other,
// however often it is opened again at its checkpoint. Not thread-safe.
class FollowChecker {
 public:
  FollowChecker(uint32_t partition, std::vector<std::string> types)
      : partition_(partition), types_(types.begin(), types.end()) {}

  // Takes a message as it comes. The next opening starts after checkpoint().
  void Took(const eventstore::FollowMessage& message, Report& report);

  eventstore::Position checkpoint() const { return {partition_, checkpoint_}; }
  std::vector<std::string> types() const { return {types_.begin(), types_.end()}; }

  // Up to the checkpoint, what was delivered is what stands there.
  void Check(const LogSnapshot& snapshot, Report& report) const;

 private:
  const uint32_t partition_;
  const std::set<std::string> types_;  // empty: all
  uint64_t checkpoint_ = 0;
  std::vector<uint64_t> delivered_;
};

}  // namespace records::simulation
