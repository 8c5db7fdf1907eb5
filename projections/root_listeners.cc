#include "projections/root_listeners.h"

#include <utility>

#include "absl/status/status.h"

namespace records::projections {

using eventstore::Position;
using eventstore::RootId;

RootListeners::Subscription::~Subscription() { listeners_.Remove(root_, number_); }

absl::StatusOr<std::unique_ptr<RootListeners::Subscription>> RootListeners::Add(
    const RootId& root, RootCallback callback) {
  absl::MutexLock lock(&mutex_);
  if (count_ >= kRootListenersMax) {
    return absl::ResourceExhaustedError("too many live followers of this view");
  }
  const uint64_t number = next_number_++;
  callbacks_[root].emplace(number, std::move(callback));
  ++count_;
  return std::unique_ptr<Subscription>(new Subscription(*this, root, number));
}

void RootListeners::Notify(const absl::flat_hash_map<RootId, Position>& roots) {
  absl::MutexLock lock(&mutex_);
  if (count_ == 0) return;
  for (const auto& [root, last] : roots) {
    const auto it = callbacks_.find(root);
    if (it == callbacks_.end()) continue;
    for (auto& [number, callback] : it->second) callback(last);
  }
}

void RootListeners::NotifyAll() {
  absl::MutexLock lock(&mutex_);
  for (auto& [root, callbacks] : callbacks_) {
    for (auto& [number, callback] : callbacks) callback(Position{});
  }
}

void RootListeners::Remove(const RootId& root, uint64_t number) {
  absl::MutexLock lock(&mutex_);
  const auto it = callbacks_.find(root);
  it->second.erase(number);
  if (it->second.empty()) callbacks_.erase(it);
  --count_;
}

}  // namespace records::projections
