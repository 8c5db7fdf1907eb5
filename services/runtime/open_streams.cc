#include "services/runtime/open_streams.h"

#include <utility>

#include "services/errors/errors.h"

namespace records::services {

OpenStreams::Entry::~Entry() {
  std::function<void()> end;  // goes after the lock, with what it holds
  absl::MutexLock lock(&state_->mutex);
  auto found = state_->ends.find(number_);
  if (found == state_->ends.end()) return;
  end = std::move(found->second);
  state_->ends.erase(found);
}

std::unique_ptr<OpenStreams::Entry> OpenStreams::Add(std::function<void()> end) {
  uint64_t number = 0;
  bool ended = false;
  {
    absl::MutexLock lock(&state_->mutex);
    number = state_->next++;
    ended = state_->ended;
    if (!ended) state_->ends.emplace(number, std::move(end));
  }
  if (ended) end();
  return std::make_unique<Entry>(state_, number);
}

void OpenStreams::EndAll() {
  absl::flat_hash_map<uint64_t, std::function<void()>> ends;
  {
    absl::MutexLock lock(&state_->mutex);
    state_->ended = true;
    ends.swap(state_->ends);
  }
  // Without the lock: an end may lead to the end of its entry.
  for (auto& [number, end] : ends) end();
}

absl::Status ServerStopping() {
  return Refusal(absl::StatusCode::kUnavailable, "SERVER_STOPPING",
                 "The server is stopping. Call again: what was acknowledged is kept.");
}

size_t OpenStreams::size() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->ends.size();
}

bool OpenStreams::ended() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->ended;
}

}  // namespace records::services
