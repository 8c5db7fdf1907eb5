#include "services/auth/rate_limiter.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/errors/errors.h"

namespace records::services {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class RateLimiterTest : public ::testing::Test {
 protected:
  int AdmittedOf(int calls, const std::string& key) {
    int admitted = 0;
    for (int i = 0; i < calls; ++i) admitted += limiter_.Admit(key).ok() ? 1 : 0;
    return admitted;
  }

  eventstore::ManualClock clock_{absl::FromUnixSeconds(1800000000)};
  RateLimiter limiter_{{.requests_per_second = 10, .burst_requests = 5, .keys_max = 3}, clock_};
};

TEST_F(RateLimiterTest, ACallerMaySendABurstAndThenAtItsRate) {
  EXPECT_EQ(AdmittedOf(20, "amy"), 5);
  clock_.Advance(absl::Milliseconds(300));
  EXPECT_EQ(AdmittedOf(20, "amy"), 3);
}

TEST_F(RateLimiterTest, ARestFillsTheBucketAndNoMore) {
  EXPECT_EQ(AdmittedOf(5, "amy"), 5);
  clock_.Advance(absl::Hours(10));
  EXPECT_EQ(AdmittedOf(20, "amy"), 5);
}

TEST_F(RateLimiterTest, CallersDoNotShareABucket) {
  EXPECT_EQ(AdmittedOf(20, "amy"), 5);
  EXPECT_EQ(AdmittedOf(20, "bob"), 5);
}

TEST_F(RateLimiterTest, ARefusalSaysWhenOneMoreWillBeTaken) {
  AdmittedOf(5, "amy");
  clock_.Advance(absl::Milliseconds(40));
  const absl::Status status = limiter_.Admit("amy");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "CALLER_RATE_EXCEEDED");
  const absl::Duration wait = *DetailsOf(status).retry_after;
  EXPECT_NEAR(absl::ToDoubleMilliseconds(wait), 60, 0.01);
  clock_.Advance(wait + absl::Microseconds(1));
  EXPECT_TRUE(limiter_.Admit("amy").ok());
}

TEST_F(RateLimiterTest, TheTableIsBoundedAndForgetsOnlyWhoHasRested) {
  EXPECT_EQ(AdmittedOf(5, "amy"), 5);
  EXPECT_EQ(AdmittedOf(1, "bob"), 1);
  EXPECT_EQ(AdmittedOf(1, "cyd"), 1);
  const absl::Status status = limiter_.Admit("dan");
  EXPECT_EQ(ReasonOf(status), "CALLERS_TOO_MANY");
  EXPECT_EQ(DetailsOf(status).retry_after, absl::Milliseconds(500));
  EXPECT_EQ(AdmittedOf(1, "amy"), 0);  // a crowd of names does not fill her bucket
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(AdmittedOf(1, "dan"), 1);  // bob has rested, and is the oldest
  for (int i = 0; i < 100; ++i) {
    clock_.Advance(absl::Seconds(1));
    EXPECT_EQ(AdmittedOf(1, absl::StrCat("caller ", i)), 1);
  }
  EXPECT_EQ(limiter_.size(), 3u);
}

TEST_F(RateLimiterTest, AClockThatGoesBackwardsGivesAndTakesNothing) {
  EXPECT_EQ(AdmittedOf(5, "amy"), 5);
  clock_.Advance(-absl::Hours(1));
  EXPECT_EQ(AdmittedOf(5, "amy"), 0);
  clock_.Advance(absl::Milliseconds(200));
  EXPECT_EQ(AdmittedOf(5, "amy"), 2);
}

TEST(RefusalLogTest, RefusalsAreAllCountedButLoggedAtALimitedRate) {
  eventstore::ManualClock clock(absl::FromUnixSeconds(1800000000));
  std::vector<std::string> lines;
  RefusalLog log({.requests_per_second = 1, .burst_requests = 2, .keys_max = 2}, clock,
                 [&lines](absl::string_view peer, absl::string_view reason, uint64_t suppressed) {
                   lines.push_back(absl::StrCat(peer, " ", reason, " ", suppressed));
                 });
  for (int i = 0; i < 10; ++i) log.Record("a", "TOKEN_MISSING");
  log.Record("b", "TOKEN_EXPIRED");
  EXPECT_THAT(lines, ElementsAre("a TOKEN_MISSING 0", "a TOKEN_MISSING 0", "b TOKEN_EXPIRED 0"));
  clock.Advance(absl::Seconds(1));
  log.Record("a", "TOKEN_MISSING");
  EXPECT_EQ(lines.back(), "a TOKEN_MISSING 8");
  for (int i = 0; i < 1000; ++i) log.Record(absl::StrCat("peer ", i), "TOKEN_MISSING");
  EXPECT_THAT(log.counts(), ElementsAre(Pair("TOKEN_EXPIRED", 1), Pair("TOKEN_MISSING", 1011)));
  EXPECT_LT(lines.size(), 10u);
}

}  // namespace
}  // namespace records::services
