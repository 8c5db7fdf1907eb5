#include "tools/bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace records::bench {

// Below 2^kSubBits each value has a bucket; above, the leading kSubBits + 1 bits choose it.
size_t Histogram::BucketOf(uint64_t nanoseconds) {
  const int width = std::bit_width(nanoseconds);
  if (width <= kSubBits) return nanoseconds;
  const int shift = width - kSubBits - 1;
  const size_t bucket = (static_cast<size_t>(shift) << kSubBits) + (nanoseconds >> shift);
  return std::min(bucket, kBuckets - 1);
}

uint64_t Histogram::UpperBound(size_t bucket) {
  constexpr size_t kSub = size_t{1} << kSubBits;
  if (bucket < 2 * kSub) return bucket;
  const size_t shift = (bucket >> kSubBits) - 1;
  const uint64_t lead = kSub + (bucket & (kSub - 1));
  return ((lead + 1) << shift) - 1;
}

void Histogram::Record(absl::Duration duration) {
  const int64_t nanoseconds = std::max<int64_t>(0, absl::ToInt64Nanoseconds(duration));
  ++buckets_[BucketOf(static_cast<uint64_t>(nanoseconds))];
  ++count_;
  max_ = std::max(max_, nanoseconds);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

absl::Duration Histogram::Quantile(double fraction) const {
  const auto rank = static_cast<uint64_t>(std::ceil(fraction * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank && seen > 0) {
      return absl::Nanoseconds(std::min<int64_t>(static_cast<int64_t>(UpperBound(i)), max_));
    }
  }
  return absl::ZeroDuration();
}

}  // namespace records::bench
