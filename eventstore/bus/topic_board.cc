#include "eventstore/bus/topic_board.h"

#include <algorithm>
#include <utility>

namespace records::eventstore {

Position TopicBoard::Head(uint32_t partition) const {
  if (partition >= heads_.size()) return {.partition = partition};
  return {.partition = partition, .sequence = heads_[partition].sequence.load()};
}

void TopicBoard::RaiseHead(Position head) {
  std::atomic<uint64_t>& known = heads_[head.partition].sequence;
  uint64_t before = known.load();
  while (before < head.sequence && !known.compare_exchange_weak(before, head.sequence)) {
  }
}

void TopicBoard::Arrived() {
  absl::MutexLock lock(&mutex_);
  ++batches_;
}

uint64_t TopicBoard::WaitForBatch(uint64_t seen, absl::Duration wait) const {
  absl::MutexLock lock(&mutex_);
  const auto more = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return batches_ > seen || closed_.load();
  };
  mutex_.AwaitWithTimeout(absl::Condition(&more), wait);
  return batches_;
}

void TopicBoard::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

bool TopicBoard::WaitUntilClosed(absl::Duration wait) const {
  absl::MutexLock lock(&mutex_);
  const auto closed = [this] { return closed_.load(); };
  return mutex_.AwaitWithTimeout(absl::Condition(&closed), wait);
}

void TopicBoard::Remember(const TopicPlace& place) {
  absl::MutexLock lock(&mutex_);
  std::deque<TopicPlace>& remembered = partitions_[place.position.partition].remembered;
  remembered.push_back(place);
  if (remembered.size() > kRememberedPlaces) remembered.pop_front();
}

std::optional<TopicPlace> TopicBoard::PlaceAt(Position position) const {
  absl::MutexLock lock(&mutex_);
  if (position.partition >= partitions_.size()) return std::nullopt;
  const Partition& partition = partitions_[position.partition];
  for (const Source& known : partition.sources) {
    if (auto place = known.source->PlaceAt(position); place.has_value()) return place;
  }
  const auto it = std::find_if(partition.remembered.rbegin(), partition.remembered.rend(),
                               [&](const TopicPlace& place) { return place.position == position; });
  if (it == partition.remembered.rend()) return std::nullopt;
  return *it;
}

void TopicBoard::Add(uint32_t partition, const PlaceSource* source) {
  absl::MutexLock lock(&mutex_);
  partitions_[partition].sources.push_back({source, absl::OkStatus()});
}

void TopicBoard::Remove(uint32_t partition, const PlaceSource* source) {
  absl::MutexLock lock(&mutex_);
  std::erase_if(partitions_[partition].sources,
                [source](const Source& known) { return known.source == source; });
}

bool TopicBoard::IsBehind(uint32_t partition) const {
  absl::MutexLock lock(&mutex_);
  const std::vector<Source>& sources = partitions_[partition].sources;
  return std::any_of(sources.begin(), sources.end(),
                     [](const Source& known) { return !known.source->AtEnd(); });
}

void TopicBoard::SetError(uint32_t partition, const PlaceSource* source,
                          const absl::Status& error) {
  absl::MutexLock lock(&mutex_);
  for (Source& known : partitions_[partition].sources) {
    if (known.source == source) known.error = error;
  }
}

absl::Status TopicBoard::Error(uint32_t partition) const {
  absl::MutexLock lock(&mutex_);
  if (partition >= partitions_.size()) return absl::OkStatus();
  absl::Status error;
  for (const Source& known : partitions_[partition].sources) error.Update(known.error);
  return error;
}

}  // namespace records::eventstore
