#include "eventstore/key_cache.h"

#include <algorithm>

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
  const auto found = entries_.find(purpose);
  if (found != entries_.end() && found->second->second == key) return;
  if (epoch != epoch_ || capacity_ == 0 || found != entries_.end()) {
    return NoteOutside(purpose.subject, key);
  }
  if (entries_.size() >= capacity_) {
    NoteOutside(by_use_.back().first.subject, by_use_.back().second);
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
  NoteOutside(purpose.subject, found->second->second);
  by_use_.erase(found->second);
  entries_.erase(found);
}

void KeyCache::NoteOutside(const SubjectId& subject, const ReadyKeyPointer& key) {
  if (outside_.size() >= prune_outside_at_) {
    std::erase_if(outside_, [](const auto& noted) { return noted.second.expired(); });
    // Each prune is paid for by as many notes as it looks at.
    prune_outside_at_ = std::max<size_t>(64, 2 * outside_.size());
  }
  outside_.emplace_back(subject, key);
}

std::vector<std::weak_ptr<const ReadyKey>> KeyCache::EvictSubject(const SubjectId& subject) {
  absl::MutexLock lock(&mutex_);
  ++epoch_;
  std::vector<std::weak_ptr<const ReadyKey>> held;
  for (const auto& [whose, key] : outside_) {
    if (whose == subject) held.push_back(key);
  }
  for (auto entry = by_use_.begin(); entry != by_use_.end();) {
    if (entry->first.subject == subject) {
      held.push_back(entry->second);
      entries_.erase(entry->first);
      entry = by_use_.erase(entry);
    } else {
      ++entry;
    }
  }
  return held;
}

size_t KeyCache::noted_outside() const {
  absl::MutexLock lock(&mutex_);
  return outside_.size();
}

size_t KeyCache::size() const {
  absl::MutexLock lock(&mutex_);
  return entries_.size();
}

}  // namespace records::eventstore
