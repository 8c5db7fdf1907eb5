#include "services/recordsd/shared_timeline.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/errors/errors.h"
#include "services/recordsd/logging.h"

namespace records::services {

namespace api = records::api::v1;

namespace {

constexpr absl::Duration kRetry = absl::Milliseconds(500);

template <typename Options, typename Change>
Options With(Options options, Change change) {
  change(options);
  return options;
}

void LogFailure(absl::string_view event, const absl::Status& status) {
  if (!status.ok()) Log(LogLevel::kError, event, {{"why", std::string(status.message())}});
}

}  // namespace

SharedTimeline::SharedTimeline(const eventstore::EventLog& log,
                               const projections::Projection& projection,
                               projections::PartitionedViewOptions view,
                               eventstore::GroupMembershipOptions group,
                               const eventstore::Sealer& sealer,
                               const projections::TimelineKeys& keys)
    : name_(projection.name()),
      sealer_(sealer),
      keys_(keys),
      streams_(log.partition_count()),
      view_(log, projection,
            With(std::move(view),
                 [this](auto& options) {
                   options.on_letting_go = [this](uint32_t partition) {
                     std::shared_ptr<OpenStreams> streams;
                     {
                       absl::MutexLock lock(&mutex_);
                       streams = std::exchange(streams_[partition], nullptr);
                     }
                     if (streams != nullptr) streams->EndAll();
                   };
                 })),
      membership_(With(std::move(group), [this](auto& options) {
        options.on_assigned = [this](const auto& partitions) { OnAssigned(partitions); };
        options.on_revoked = [this](const auto& partitions) { OnRevoked(partitions); };
        options.on_suspended = [this](const auto& partitions) { OnSuspended(partitions); };
      })) {}

SharedTimeline::~SharedTimeline() { Stop(); }

absl::Status SharedTimeline::Start() { return membership_.Start(); }

void SharedTimeline::Stop() { membership_.Stop(); }

void SharedTimeline::OnAssigned(const std::vector<uint32_t>& partitions) {
  // What this process had before, and does not get again, would outlast an erasure.
  if (std::exchange(keeps_only_next_, false)) LogFailure("view_kept", view_.KeepOnly(partitions));
  for (const uint32_t partition : partitions) {
    LogFailure("view_not_acquired", view_.Acquire(partition));
  }
  Log(LogLevel::kInfo, "partitions_assigned", {{"count", std::to_string(partitions.size())}});
}

void SharedTimeline::OnRevoked(const std::vector<uint32_t>& partitions) {
  for (const uint32_t partition : partitions) {
    LogFailure("view_not_released", view_.Release(partition));
  }
  Log(LogLevel::kInfo, "partitions_revoked", {{"count", std::to_string(partitions.size())}});
}

void SharedTimeline::OnSuspended(const std::vector<uint32_t>& partitions) {
  for (const uint32_t partition : partitions) view_.Suspend(partition);
  keeps_only_next_ = true;
  Log(LogLevel::kInfo, "partitions_suspended", {{"count", std::to_string(partitions.size())}});
}

std::string SharedTimeline::OwnerOf(uint32_t partition) const {
  const auto owner = membership_.OwnerOf(partition);
  return owner.ok() && owner->has_value() ? **owner : "";
}

absl::Status SharedTimeline::Elsewhere(uint32_t partition) const {
  const std::string address = OwnerOf(partition);
  auto refusal = Refusal(absl::StatusCode::kUnavailable, "VIEW_ELSEWHERE",
                         "Another server answers about this customer. Call the one that is named, "
                         "or, where none is, this one again.")
                     .RetryAfter(kRetry);
  if (!address.empty()) return std::move(refusal).With("owner", address);
  return refusal;
}

absl::StatusOr<TimelineCopy> SharedTimeline::Find(uint32_t partition) {
  if (!membership_.Holds(partition)) return Elsewhere(partition);
  auto live = view_.Live(partition);
  if (!live.ok()) {
    return Refusal(absl::StatusCode::kUnavailable, "VIEW_CATCHING_UP", live.status().message())
        .RetryAfter(kRetry);
  }
  std::shared_ptr<OpenStreams> streams;
  {
    absl::MutexLock lock(&mutex_);
    if (streams_[partition] == nullptr) streams_[partition] = std::make_shared<OpenStreams>();
    streams = streams_[partition];
  }
  projections::ViewCopy& copy = **live;
  return TimelineCopy{.kept = *live,
                      .runner = copy.runner.get(),
                      .reader = projections::TimelineReader(*copy.storage, sealer_, keys_),
                      .streams = std::move(streams)};
}

SharedTimeline::Status SharedTimeline::GetStatus() const {
  Status status{.error = membership_.GetStatus().error};
  for (const projections::PartitionStatus& partition : view_.GetStatus()) {
    // Suspended: the rows are kept up, and nobody is answered.
    if (!membership_.Holds(partition.partition)) continue;
    ++status.held;
    if (partition.state == projections::PartitionStatus::State::kReady) ++status.ready;
    status.lag_events += partition.view.runner.lag_events;
    status.parked_roots += partition.view.runner.parked_roots;
    status.rows_different += RowsDifferent(partition.view);
    status.error.Update(partition.error);
    status.error.Update(partition.view.runner.error);
  }
  return status;
}

api::View SharedTimeline::Describe() const {
  api::View view;
  view.set_name(name_);
  std::vector<bool> held(streams_.size());
  for (const projections::PartitionStatus& partition : view_.GetStatus()) {
    if (!membership_.Holds(partition.partition)) continue;
    held[partition.partition] = true;
    api::ViewShare& share = *view.add_shares();
    share = ShareFrom(partition.view);
    share.add_partitions(partition.partition);
    using State = projections::PartitionStatus::State;
    if (partition.state == State::kOpening) share.set_state(api::VIEW_STATE_OPENING);
    if (partition.state == State::kCatchingUp) share.set_state(api::VIEW_STATE_CATCHING_UP);
    if (partition.state == State::kFailed) share.set_state(api::VIEW_STATE_FAILED);
    if (!partition.error.ok()) share.set_problem(std::string(partition.error.message()));
  }
  for (uint32_t partition = 0; partition < held.size(); ++partition) {
    if (held[partition]) continue;
    view.add_elsewhere()->set_partition(partition);
    view.mutable_elsewhere()->rbegin()->set_owner(OwnerOf(partition));
  }
  return view;
}

// Says of each partition in its turn how far the whole is.
projections::PartitionGoOn SharedTimeline::Telling(const SwitchTold& told) const {
  std::set<uint32_t> begun;
  const size_t total = GetStatus().held;
  return [&told, begun, total](uint32_t partition,
                               const projections::SwitchProgress& progress) mutable {
    begun.insert(partition);
    api::ViewProgress message = ProgressFrom(progress);
    message.set_shares_done(static_cast<uint32_t>(begun.size() - 1));
    message.set_shares_total(static_cast<uint32_t>(total));
    return told(message);
  };
}

absl::Status SharedTimeline::Rebuild(absl::Time deadline, const SwitchTold& told) {
  return view_.Rebuild(std::nullopt, deadline, Telling(told));
}

absl::Status SharedTimeline::Undo(absl::Time deadline, const SwitchTold& told) {
  return view_.Undo(std::nullopt, deadline, Telling(told));
}

}  // namespace records::services
