#pragma once

#include <cstdint>
#include <string>

#include "tests/simulation/fault_disk.h"

namespace records::simulation {

// What one seed simulates; all of it is drawn from the seed.
struct Options {
  uint64_t seed = 0;
  uint32_t partitions = 1;
  uint64_t steps = 0;  // of the first phase, with faults
  uint64_t customers = 1;
  uint64_t staff = 1;
  uint64_t followers = 1;
  uint64_t open_requests_max = 1;  // of each kind
  uint64_t append_events_max = 1;
  uint64_t cached_keys = 1;
  uint64_t fold_batch_events = 1;
  uint64_t crash_one_in = 0;       // steps
  uint64_t clock_jump_one_in = 0;  // steps
  uint64_t erase_one_in = 0;       // steps
  FaultRates faults;

  static Options Draw(uint64_t seed);
  std::string ToString() const;
};

}  // namespace records::simulation
