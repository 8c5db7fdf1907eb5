#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tools/bench/histogram.h"

namespace records::bench {
namespace {

// The value that `fraction` of the sorted ones do not exceed.
int64_t TrueQuantile(const std::vector<int64_t>& sorted, double fraction) {
  const auto rank = static_cast<size_t>(std::ceil(fraction * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

TEST(HistogramTest, QuantilesAreAtMostEightPerThousandAboveTheTrueOnes) {
  std::mt19937_64 random(7);
  std::vector<int64_t> values;
  Histogram histogram;
  for (int i = 0; i < 20'000; ++i) {
    // From nanoseconds to minutes, as many of each size.
    values.push_back(static_cast<int64_t>(random() >> (24 + random() % 36)));
    histogram.Record(absl::Nanoseconds(values.back()));
  }
  std::sort(values.begin(), values.end());
  for (const double fraction : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const int64_t truth = TrueQuantile(values, fraction);
    const int64_t said = absl::ToInt64Nanoseconds(histogram.Quantile(fraction));
    EXPECT_GE(said, truth) << fraction;
    EXPECT_LE(static_cast<double>(said), static_cast<double>(truth) * 1.008) << fraction;
  }
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram histogram;
  for (int i = 1; i <= 100; ++i) histogram.Record(absl::Nanoseconds(i));
  EXPECT_EQ(histogram.Quantile(0.5), absl::Nanoseconds(50));
  EXPECT_EQ(histogram.Quantile(0.99), absl::Nanoseconds(99));
  EXPECT_EQ(histogram.Quantile(1), absl::Nanoseconds(100));
}

TEST(HistogramTest, MergedCountsAreThoseOfBoth) {
  Histogram one, other;
  one.Record(absl::Microseconds(1));
  other.Record(absl::Milliseconds(1));
  other.Record(absl::Seconds(1));
  one.Merge(other);
  EXPECT_EQ(one.count(), 3u);
  EXPECT_EQ(one.Max(), absl::Seconds(1));
  EXPECT_EQ(one.Quantile(1), absl::Seconds(1));
}

TEST(HistogramTest, NothingRecordedHasNoQuantile) {
  EXPECT_EQ(Histogram().Quantile(0.99), absl::ZeroDuration());
}

TEST(HistogramTest, WhatIsTooLongCountsAsTheLongest) {
  Histogram histogram;
  histogram.Record(absl::Hours(100));
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_GT(histogram.Quantile(0.5), absl::Hours(1));
}

}  // namespace
}  // namespace records::bench
