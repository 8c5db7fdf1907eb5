#include "services/auth/rate_limiter.h"

#include <algorithm>

#include "services/errors/errors.h"

namespace records::services {

void RateLimiter::Refill(Bucket& bucket, absl::Time now) const {
  const double seconds = absl::ToDoubleSeconds(now - bucket.refilled_at);
  if (seconds > 0) {
    bucket.requests =
        std::min(options_.burst_requests, bucket.requests + seconds * options_.requests_per_second);
  }
  bucket.refilled_at = now;
}

absl::Duration RateLimiter::TimeFor(double requests) const {
  return absl::Seconds(requests / options_.requests_per_second);
}

// The least recently used bucket has rested longest. A full one can be forgotten: a new one is
// full.
bool RateLimiter::MakeRoom(absl::Time now) {
  if (buckets_.size() < options_.keys_max) return true;
  Bucket& oldest = buckets_.back();
  Refill(oldest, now);
  if (oldest.requests < options_.burst_requests) return false;
  index_.erase(oldest.key);
  buckets_.pop_back();
  return true;
}

absl::Status RateLimiter::Admit(absl::string_view key) {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mutex_);
  const auto found = index_.find(key);
  if (found != index_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
  } else {
    if (!MakeRoom(now)) {
      return Overloaded("CALLERS_TOO_MANY", "Too many callers at once. Try again later.",
                        TimeFor(options_.burst_requests - buckets_.back().requests));
    }
    buckets_.push_front({std::string(key), options_.burst_requests, now});
    index_.emplace(std::string(key), buckets_.begin());
  }
  Bucket& bucket = buckets_.front();
  Refill(bucket, now);
  if (bucket.requests < 1) {
    return Overloaded("CALLER_RATE_EXCEEDED", "You call too often. Slow down and try again.",
                      TimeFor(1 - bucket.requests));
  }
  bucket.requests -= 1;
  return absl::OkStatus();
}

size_t RateLimiter::size() const {
  absl::MutexLock lock(&mutex_);
  return buckets_.size();
}

void RefusalLog::Record(absl::string_view peer, absl::string_view reason) {
  const absl::Status admitted = limiter_.Admit(peer);
  uint64_t suppressed = 0;
  {
    absl::MutexLock lock(&mutex_);
    ++counts_[std::string(reason)];
    const bool is_known = suppressed_.contains(peer) || suppressed_.size() < peers_max_;
    uint64_t& count = suppressed_[is_known ? std::string(peer) : std::string()];
    if (!admitted.ok()) {
      ++count;
      return;
    }
    std::swap(suppressed, count);
  }
  if (hook_) hook_(peer, reason, suppressed);
}

std::map<std::string, uint64_t> RefusalLog::counts() const {
  absl::MutexLock lock(&mutex_);
  return counts_;
}

}  // namespace records::services
