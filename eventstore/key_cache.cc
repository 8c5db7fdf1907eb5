#include "eventstore/key_cache.h"

namespace records::eventstore {

ReadyKeyPointer KeyCache::Find(const KeyPurpose& purpose) {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(purpose);
  if (found == entries_.end()) return nullptr;
  by_use_.splice(by_use_.begin(), by_use_, found->second);
  return found->second->second;
}

uint64_t KeyCache::epoch() const {
  absl::MutexLock lock(&mutex_);
  return epoch_;
}

void KeyCache::Insert(const KeyPurpose& purpose, ReadyKeyPointer key, uint64_t epoch) {
  absl::MutexLock lock(&mutex_);
  if (epoch != epoch_ || capacity_ == 0 || entries_.contains(purpose)) return;
  if (entries_.size() >= capacity_) {
    entries_.erase(by_use_.back().first);
    by_use_.pop_back();
  }
  by_use_.emplace_front(purpose, std::move(key));
  entries_.emplace(purpose, by_use_.begin());
}

void KeyCache::Evict(const KeyPurpose& purpose) {
  absl::MutexLock lock(&mutex_);
  ++epoch_;
  const auto found = entries_.find(purpose);
  if (found == entries_.end()) return;
  by_use_.erase(found->second);
  entries_.erase(found);
}

void KeyCache::EvictSubject(const SubjectId& subject) {
  absl::MutexLock lock(&mutex_);
  ++epoch_;
  for (auto entry = by_use_.begin(); entry != by_use_.end();) {
    if (entry->first.subject == subject) {
      entries_.erase(entry->first);
      entry = by_use_.erase(entry);
    } else {
      ++entry;
    }
  }
}

size_t KeyCache::size() const {
  absl::MutexLock lock(&mutex_);
  return entries_.size();
}

}  // namespace records::eventstore
