#pragma once

#include "tests/simulation/log_snapshot.h"
#include "tests/simulation/process.h"

namespace records::simulation {

// Somebody who uses the system and checks what they were promised. Not thread-safe.
class Actor {
 public:
  virtual ~Actor() = default;

  // Does something, by chance.
  virtual void Act(Process& process) = 0;
  // Asks again for what is still open; true when nothing is. Called with no faults left, until
  // everybody says so.
  virtual bool Settle(Process& process) = 0;
  // The process is about to end: what it held for this actor is lost.
  virtual void ProcessEnds() = 0;
  // Holds what was promised against the log and the views as they are now.
  virtual void Check(Process& process, const LogSnapshot& snapshot) = 0;
};

}  // namespace records::simulation
