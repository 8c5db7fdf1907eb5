#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/bus/group_membership.h"
#include "projections/partitioned_view.h"
#include "services/timeline/timeline_views.h"
#include "services/views/managed_view.h"

namespace records::services {

// The partitions of the timeline that this process holds, of those that a consumer group shares
// out: one that another has is named with where that is.
//
// Thread-safe. What is given to the constructor outlives it.
class SharedTimeline final : public TimelineViews, public ManagedView {
 public:
  SharedTimeline(const eventstore::EventLog& log, const projections::Projection& projection,
                 projections::PartitionedViewOptions view, eventstore::GroupMembershipOptions group,
                 const eventstore::Sealer& sealer, const projections::TimelineKeys& keys);
  ~SharedTimeline() override;

  // Joins the group. Errors as GroupMembership::Start().
  [[nodiscard]] absl::Status Start();
  // Lets go of everything and leaves the group.
  void Stop();

  // kUnavailable: VIEW_ELSEWHERE, with the address of who has the partition as far as it is known
  // (metadata "owner"); VIEW_CATCHING_UP and the like, with how long to wait.
  absl::StatusOr<TimelineCopy> Find(uint32_t partition) override;

  // For operators: of the partitions that are held here.
  std::string name() const override { return name_; }
  records::api::v1::View Describe() const override;
  absl::Status Rebuild(absl::Time deadline, const SwitchTold& told) override;
  absl::Status Undo(absl::Time deadline, const SwitchTold& told) override;

  struct Status {
    size_t held = 0;
    size_t ready = 0;
    uint64_t lag_events = 0;
    uint64_t parked_roots = 0;
    uint64_t rows_different = 0;
    absl::Status error;  // of the group, or of the first partition that has one
  };
  Status GetStatus() const;

 private:
  void OnAssigned(const std::vector<uint32_t>& partitions);
  void OnRevoked(const std::vector<uint32_t>& partitions);
  void OnSuspended(const std::vector<uint32_t>& partitions);
  absl::Status Elsewhere(uint32_t partition) const;
  std::string OwnerOf(uint32_t partition) const;
  projections::PartitionGoOn Telling(const SwitchTold& told) const;

  const std::string name_;
  const eventstore::Sealer& sealer_;
  const projections::TimelineKeys& keys_;
  absl::Mutex mutex_;
  // By partition; ended when it is let go of, and made anew when it is held again.
  std::vector<std::shared_ptr<OpenStreams>> streams_
      ABSL_GUARDED_BY(mutex_);   // lint: allow(shared_ptr)
  bool keeps_only_next_ = true;  // on the group's thread
  projections::PartitionedView view_;
  eventstore::GroupMembership membership_;
};

}  // namespace records::services
