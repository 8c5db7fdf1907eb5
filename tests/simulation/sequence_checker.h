#pragma once

#include "tests/simulation/log_snapshot.h"
#include "tests/simulation/report.h"

namespace records::simulation {

// Holds a snapshot against what the log promises of order: positions are dense in a partition from
// 1, revisions in a stream from 0; recorded_at never goes back in a partition; an append is there
// as a whole, side by side; a request key was used for one append only.
void CheckSequences(const LogSnapshot& snapshot, Report& report);

}  // namespace records::simulation
