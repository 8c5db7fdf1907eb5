#pragma once

#include <string>
#include <vector>

#include "eventstore/crypto.h"
#include "tests/simulation/log_snapshot.h"
#include "tests/simulation/report.h"

namespace records::simulation {

// What a reader once saw stays, to the byte, in all later snapshots. Not thread-safe.
class HistoryChecker {
 public:
  void Check(const LogSnapshot& snapshot, Report& report);

 private:
  std::vector<std::vector<eventstore::Digest>> seen_;  // by tree, of each event's bytes
};

}  // namespace records::simulation
