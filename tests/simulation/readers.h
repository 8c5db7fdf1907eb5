#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "tests/simulation/actor.h"
#include "tests/simulation/dice.h"
#include "tests/simulation/follow_checker.h"
#include "tests/simulation/options.h"
#include "tests/simulation/tree_checker.h"

namespace records::simulation {

// Followers that are opened again at their checkpoints, whoever asks for signed checkpoints, and
// who keeps them. Must settle before the process ends: call ProcessEnds() first.
class Readers final : public Actor {
 public:
  Readers(const Options& options, Machine& machine, Report& report);

  void Act(Process& process) override;
  bool Settle(Process& process) override;
  void ProcessEnds() override;
  void Check(Process& process, const LogSnapshot& snapshot) override;

 private:
  struct Following {
    FollowChecker checker;
    std::unique_ptr<eventstore::Follower> follower;
    std::optional<eventstore::PartitionCheckpoint> kept;  // with the root at that place
  };

  bool Take(Process& process, Following& following, uint64_t messages);
  void Keep(Process& process, Following& following);
  void Sign(Process& process);

  Machine& machine_;
  Report& report_;
  Dice dice_;
  std::vector<Following> followings_;
  TreeChecker trees_;
};

}  // namespace records::simulation
