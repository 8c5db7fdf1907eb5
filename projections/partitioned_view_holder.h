#pragma once

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "projections/partitioned_view.h"

namespace records::projections {

// Keeps a view while somebody uses a copy of it, and is counted.
class PartitionedView::Holder {
 public:
  // lint: allow(shared_ptr) see Live()
  Holder(const PartitionedView& owner, std::shared_ptr<View> view, std::shared_ptr<Use> use)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner.mutex_)
      : owner_(owner), use_(std::move(use)), view_(std::move(view)), copy_(view_->live()) {
    ++use_->count;
  }
  ~Holder() {
    copy_.reset();
    view_.reset();
    absl::MutexLock lock(&owner_.mutex_);
    --use_->count;
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  ViewCopy* copy() const { return copy_.get(); }
  View& view() const { return *view_; }

 private:
  const PartitionedView& owner_;
  const std::shared_ptr<Use> use_;
  std::shared_ptr<View> view_;
  std::shared_ptr<ViewCopy> copy_;
};

}  // namespace records::projections
