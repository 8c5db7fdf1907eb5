#include "services/auth/token_cache.h"

#include "eventstore/crypto.h"

namespace records::services {

TokenDigest DigestOf(absl::string_view token) { return eventstore::Sha256(token); }

std::optional<Token> TokenCache::Find(const TokenDigest& digest) {
  absl::MutexLock lock(&mutex_);
  const auto found = index_.find(digest);
  if (found == index_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->second;
}

void TokenCache::Insert(uint64_t generation, const TokenDigest& digest, const Token& token) {
  absl::MutexLock lock(&mutex_);
  if (generation != generation_ || index_.contains(digest)) return;
  entries_.emplace_front(digest, token);
  index_.emplace(digest, entries_.begin());
  if (entries_.size() > entries_max_) {
    index_.erase(entries_.back().first);
    entries_.pop_back();
  }
}

void TokenCache::Erase(const TokenDigest& digest) {
  absl::MutexLock lock(&mutex_);
  const auto found = index_.find(digest);
  if (found == index_.end()) return;
  entries_.erase(found->second);
  index_.erase(found);
}

void TokenCache::Clear() {
  absl::MutexLock lock(&mutex_);
  ++generation_;
  index_.clear();
  entries_.clear();
}

uint64_t TokenCache::generation() const {
  absl::MutexLock lock(&mutex_);
  return generation_;
}

size_t TokenCache::size() const {
  absl::MutexLock lock(&mutex_);
  return entries_.size();
}

}  // namespace records::services
