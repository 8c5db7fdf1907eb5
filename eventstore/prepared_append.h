#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "eventstore/log.h"
#include "eventstore/log_format.h"

namespace records::eventstore {

// An append as the committer takes it: checked, and everything done that needs no commit order.
struct PreparedAppend {
  Append append;  // the events carry their field `append`
  uint32_t partition = 0;
  size_t bytes = 0;                         // of the events, as they will be stored at most
  std::vector<StreamKey> event_streams;     // of append.events
  std::vector<StreamKey> expected_streams;  // of append.expectations
};

// Checks an append against every limit and rule that does not depend on what the log holds. Runs on
// the caller's thread. kInvalidArgument, which names the rule.
absl::StatusOr<PreparedAppend> Prepare(Append append, uint32_t partition_count);

}  // namespace records::eventstore
