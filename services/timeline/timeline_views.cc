#include "services/timeline/timeline_views.h"

#include "services/errors/errors.h"

namespace records::services {

bool TimelineCopy::Answers() const {
  using State = projections::RunnerStatus::State;
  return runner->GetStatus().state != State::kStopped;
}

absl::Status ViewMoved() {
  return Refusal(absl::StatusCode::kUnavailable, "VIEW_MOVED",
                 "Another server answers about this customer now. Call again.")
      .RetryAfter(absl::Seconds(1));
}

}  // namespace records::services
