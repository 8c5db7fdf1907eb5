#include "services/timeline/timeline_views.h"

namespace records::services {

bool TimelineCopy::Answers() const {
  using State = projections::RunnerStatus::State;
  return runner->GetStatus().state != State::kStopped;
}

}  // namespace records::services
