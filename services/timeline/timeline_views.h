#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "projections/runner.h"
#include "projections/timeline/timeline_reader.h"

namespace records::services {

// A copy of the timeline that answers about some roots. Cheap to copy; keeps what it points to.
struct TimelineCopy {
  std::shared_ptr<const void> kept;  // what runner and reader live in; may be null
  projections::Runner* runner;
  projections::TimelineReader reader;

  // False once it has stopped for good: another copy, or another server, answers in its place.
  bool Answers() const;
};

// Which copy of the timeline answers.
//
// Thread-safe.
class TimelineViews {
 public:
  virtual ~TimelineViews() = default;

  // The copy that holds the roots of a partition of the log.
  //   kUnavailable  another server has it (the text says which), or it has not caught up yet
  virtual absl::StatusOr<TimelineCopy> Find(uint32_t partition) = 0;
};

// One copy for all partitions, as the server that has the log has it. What is given outlives it.
class WholeTimeline final : public TimelineViews {
 public:
  WholeTimeline(projections::Runner& runner, const projections::TimelineReader& reader)
      : copy_{nullptr, &runner, reader} {}
  absl::StatusOr<TimelineCopy> Find(uint32_t) override { return copy_; }

 private:
  const TimelineCopy copy_;
};

}  // namespace records::services
