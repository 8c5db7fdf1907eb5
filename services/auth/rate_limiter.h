#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/clock.h"

namespace records::services {

struct RateLimiterOptions {
  double requests_per_second = 1000;  // in the long run
  double burst_requests = 2000;       // at once, after a rest
  size_t keys_max = 10000;            // callers that are remembered, about 0.2 KiB each
};

// A token bucket for each key, in a table of bounded size.
//
// Thread-safe. The clock must outlive it; a clock that goes backwards gives nothing and takes
// nothing.
class RateLimiter {
 public:
  // REQUIRES: all options are positive and burst_requests >= 1.
  RateLimiter(RateLimiterOptions options, const eventstore::Clock& clock)
      : options_(options), clock_(clock) {}

  // Takes one request of `key`.
  // kResourceExhausted with RetryInfo: CALLER_RATE_EXCEEDED, the key's bucket is empty;
  //   CALLERS_TOO_MANY, the table is full of keys that have not rested. An active key is never
  //   forgotten, since forgetting it would fill its bucket.
  absl::Status Admit(absl::string_view key);

  // How many keys are remembered.
  size_t size() const;

 private:
  struct Bucket {
    std::string key;
    double requests;  // that may come now
    absl::Time refilled_at;
  };
  using Buckets = std::list<Bucket>;

  void Refill(Bucket& bucket, absl::Time now) const;
  absl::Duration TimeFor(double requests) const;
  bool MakeRoom(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const RateLimiterOptions options_;
  const eventstore::Clock& clock_;
  mutable absl::Mutex mutex_;
  Buckets buckets_ ABSL_GUARDED_BY(mutex_);  // most recently used first
  absl::flat_hash_map<std::string, Buckets::iterator> index_ ABSL_GUARDED_BY(mutex_);
};

// Counts refusals of callers that nobody knows, and says which of them to log: none is appended,
// and a flood of them does not fill the log.
//
// Thread-safe. The clock must outlive it.
class RefusalLog {
 public:
  // Called for a refusal to log; `suppressed` is how many of that peer were not logged before it.
  // Must be thread-safe and must not block.
  using Hook =
      std::function<void(absl::string_view peer, absl::string_view reason, uint64_t suppressed)>;

  // Logs at most `limit.burst_requests` at once and `limit.requests_per_second` of each of
  // `limit.keys_max` peers; further peers are counted and not logged.
  RefusalLog(RateLimiterOptions limit, const eventstore::Clock& clock, Hook hook)
      : limiter_(limit, clock), peers_max_(limit.keys_max), hook_(std::move(hook)) {}

  // Counts one refusal.
  void Record(absl::string_view peer, absl::string_view reason);

  // Returns the number of refusals by reason since the start. Reasons are constants of the code.
  std::map<std::string, uint64_t> counts() const;

 private:
  RateLimiter limiter_;
  const size_t peers_max_;
  const Hook hook_;
  mutable absl::Mutex mutex_;
  std::map<std::string, uint64_t> counts_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, uint64_t> suppressed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::services
