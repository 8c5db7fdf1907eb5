#pragma once

#include <array>
#include <cstdint>

#include "absl/time/time.h"

namespace records::bench {

// Counts durations in buckets that grow with them, as HdrHistogram does: 128 to each power of two,
// so that a percentile is at most 0.8 % above the truth. From 1 ns to over an hour; longer counts
// as the longest. Not thread-safe: one for each thread, then Merge().
class Histogram {
 public:
  void Record(absl::Duration duration);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  // The duration that `fraction` (0 to 1) of those recorded do not exceed; zero when there are
  // none.
  absl::Duration Quantile(double fraction) const;
  absl::Duration Max() const { return absl::Nanoseconds(max_); }

 private:
  static constexpr int kSubBits = 7;
  static constexpr size_t kBuckets = (42 - kSubBits + 1) << kSubBits;

  static size_t BucketOf(uint64_t nanoseconds);
  static uint64_t UpperBound(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  int64_t max_ = 0;
};

}  // namespace records::bench
