#include "services/views/managed_view.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using projections::RunnerStatus;

api::ViewState StateOf(const RunnerStatus& status) {
  switch (status.state) {
    case RunnerStatus::State::kRunning:
      return api::VIEW_STATE_ANSWERS;
    case RunnerStatus::State::kStalled:
      return api::VIEW_STATE_STALLED;
    case RunnerStatus::State::kReady:
      return api::VIEW_STATE_OPENING;
    case RunnerStatus::State::kFailed:
    case RunnerStatus::State::kStopped:
      break;
  }
  return api::VIEW_STATE_FAILED;
}

projections::GoOn Telling(const SwitchTold& told) {
  return [&told](const projections::SwitchProgress& progress) {
    api::ViewProgress message = ProgressFrom(progress);
    message.set_shares_total(1);
    return told(message);
  };
}

}  // namespace

api::ViewProgress ProgressFrom(const projections::SwitchProgress& progress) {
  api::ViewProgress message;
  message.set_copy(progress.next.number);
  message.set_version(progress.next.version);
  message.set_position(progress.events_done);
  message.set_head(progress.events_total);
  return message;
}

api::ViewShare ShareFrom(const projections::ViewStatus& status) {
  api::ViewShare share;
  share.set_state(StateOf(status.runner));
  share.set_copy(status.live.number);
  share.set_version(status.live.version);
  share.set_position(status.events_done);
  share.set_head(status.events_total);
  share.set_parked_roots(status.runner.parked_roots);
  share.set_problem(std::string(status.runner.error.message()));
  if (status.switching.has_value()) *share.mutable_switching() = ProgressFrom(*status.switching);
  share.set_can_undo(status.can_undo);
  if (status.previous.has_value()) {
    share.set_previous_copy(status.previous->number);
    share.set_previous_version(status.previous->version);
  }
  if (status.comparison.has_value()) {
    share.mutable_comparison()->set_rows(status.comparison->rows);
    share.mutable_comparison()->set_different(status.comparison->different);
    share.mutable_comparison()->set_problem(std::string(status.comparison->problem.message()));
  }
  return share;
}

api::View WholeManagedView::Describe() const {
  api::View view;
  view.set_name(name_);
  *view.add_shares() = ShareFrom(view_.GetStatus());
  for (const uint32_t partition : view_.Partitions()) {
    view.mutable_shares(0)->add_partitions(partition);
  }
  return view;
}

absl::Status WholeManagedView::Rebuild(absl::Time deadline, const SwitchTold& told) {
  return view_.Rebuild(deadline, Telling(told));
}

absl::Status WholeManagedView::Undo(absl::Time deadline, const SwitchTold& told) {
  return view_.Undo(deadline, Telling(told));
}

}  // namespace records::services
