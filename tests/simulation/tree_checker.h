#pragma once

#include <string>
#include <vector>

#include "eventstore/anchor.h"
#include "eventstore/log.h"
#include "eventstore/storage.h"
#include "tests/simulation/log_snapshot.h"
#include "tests/simulation/report.h"

namespace records::simulation {

// The log's trees agree with every checkpoint it ever signed: each tree of each is a prefix of the
// tree over the events that stand now. The roots are computed here from the bytes of the events;
// consistency proofs come out of the stored tiles. Not thread-safe.
class TreeChecker {
 public:
  // Takes a checkpoint that the log just signed.
  void Signed(const std::string& note, const eventstore::EventLog& log, Report& report);

  void Check(const LogSnapshot& snapshot, const eventstore::Storage& storage, Report& report) const;

  size_t checkpoints() const { return signed_.size(); }

 private:
  std::vector<std::vector<eventstore::TreeHead>> signed_;
};

}  // namespace records::simulation
