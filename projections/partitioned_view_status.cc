#include <memory>
#include <vector>

#include "eventstore/status_macros.h"
#include "projections/partitioned_view_holder.h"

namespace records::projections {

using eventstore::Position;
using eventstore::RootId;

std::vector<ParkedRoot> PartitionedView::ParkedRoots() {
  std::vector<ParkedRoot> all;
  for (const PartitionStatus& status : GetStatus()) {
    const auto copy = Live(status.partition);
    if (!copy.ok()) continue;
    for (const ParkedRoot& parked : (*copy)->runner->ParkedRoots()) all.push_back(parked);
  }
  return all;
}

absl::Status PartitionedView::Replay(uint32_t partition, const RootId& root) {
  ASSIGN_OR_RETURN(const auto copy, Live(partition));
  return copy->runner->Replay(root);
}

std::vector<PartitionStatus> PartitionedView::GetStatus() const {
  std::vector<PartitionStatus> all;
  std::vector<std::unique_ptr<Holder>> holders;  // what is let go of meanwhile is waited for
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [partition, held] : held_) {
      all.push_back({.partition = partition,
                     .state = held.state,
                     .error = held.error,
                     .applied = {.partition = partition},
                     .target = held.target.value_or(Position{.partition = partition}),
                     .folded_anew = held.folded_anew});
      holders.push_back(held.view == nullptr || held.letting_go
                            ? nullptr
                            : std::make_unique<Holder>(*this, held.view, held.use));
    }
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (holders[i] == nullptr) continue;
    all[i].view = holders[i]->view().GetStatus();
    all[i].applied = holders[i]->copy()->runner->AppliedPosition(all[i].partition);
  }
  return all;
}

}  // namespace records::projections
