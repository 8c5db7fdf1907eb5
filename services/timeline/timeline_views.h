#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "projections/runner.h"
#include "projections/timeline/timeline_reader.h"
#include "services/runtime/open_streams.h"

namespace records::services {

// A copy of the timeline that answers about some roots. Cheap to copy; keeps what it points to.
struct TimelineCopy {
  // What runner and reader live in; may be null.
  std::shared_ptr<const void> kept;  // lint: allow(shared_ptr) a hand-over ends no question
  projections::Runner* runner;
  projections::TimelineReader reader;
  // What goes on while it answers; all of it ends when the copy is let go of. Null: it never is.
  std::shared_ptr<OpenStreams> streams = nullptr;  // lint: allow(shared_ptr) streams outlast a move

  // False once it has stopped for good: another copy, or another server, answers in its place.
  bool Answers() const;
};

// UNAVAILABLE (VIEW_MOVED): what a stream ends with when another server answers from now on.
absl::Status ViewMoved();

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

// One copy for all partitions, as the server that has the log has it.
class WholeTimeline final : public TimelineViews {
 public:
  // `live` gives the copy that answers now; what it stands on outlives this.
  explicit WholeTimeline(std::function<TimelineCopy()> live) : live_(std::move(live)) {}
  absl::StatusOr<TimelineCopy> Find(uint32_t) override { return live_(); }

 private:
  const std::function<TimelineCopy()> live_;
};

}  // namespace records::services
