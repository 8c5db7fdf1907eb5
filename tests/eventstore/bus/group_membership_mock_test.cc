// A member against librdkafka's mock of a broker: what a client does not find out of by itself, a
// new one must.

#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/bus/group_membership.h"
#include "tests/eventstore/bus/mock_fixture.h"

namespace records::eventstore {
namespace {

using testing_support::kJoinGroupRequest;
using testing_support::MockCluster;
using State = GroupStatus::State;

constexpr absl::Duration kJoinTimeout = absl::Seconds(8);
constexpr absl::Duration kPatience = absl::Seconds(90);
constexpr char kPrefix[] = "member";

class GroupMembershipMockTest : public ::testing::Test {
 protected:
  // Below the session's timeout, or nobody is ever let join.
  GroupMembershipMockTest() { rd_kafka_mock_group_initial_rebalance_delay_ms(cluster_.get(), 100); }

  GroupMembershipOptions Options() {
    return {.settings = cluster_.settings(),
            .topic = LogTopic(kPrefix),
            .group = ViewGroup(kPrefix, "timeline"),
            .address = "one:443",
            .session_timeout = absl::Seconds(2),
            .retry_wait = absl::Milliseconds(50),
            .join_timeout = kJoinTimeout};
  }

  // The answer to the next join comes after an hour.
  void HoldUpOneJoin() {
    rd_kafka_mock_broker_push_request_error_rtts(cluster_.get(), 1, kJoinGroupRequest, 1,
                                                 RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 3'600'000);
  }

  MockCluster cluster_{1, kPrefix, 3};
};

// librdkafka itself would wait for five minutes.
TEST_F(GroupMembershipMockTest, AJoinThatIsNeverAnsweredIsGivenUpForANewClient) {
  HoldUpOneJoin();
  GroupMembershipOptions options = Options();
  options.retry_wait = absl::Seconds(5);  // so long the error is to be seen
  GroupMembership member(std::move(options));
  const absl::Time began = absl::Now();
  ASSERT_TRUE(member.Start().ok());
  bool said_why = false;
  GroupStatus status;
  do {
    status = member.GetStatus();
    said_why = said_why || absl::IsUnavailable(status.error);
    std::this_thread::yield();
  } while (status.state != State::kMember && absl::Now() - began < kPatience);
  EXPECT_EQ(status.state, State::kMember);
  EXPECT_EQ(status.held.size(), 3u);
  EXPECT_TRUE(status.error.ok()) << status.error;
  EXPECT_TRUE(said_why);
  EXPECT_GE(absl::Now() - began, kJoinTimeout);
}

TEST_F(GroupMembershipMockTest, WhoIsHeldUpInAJoinCanStillStop) {
  HoldUpOneJoin();
  GroupMembershipOptions options = Options();
  options.join_timeout = absl::Hours(1);
  GroupMembership member(std::move(options));
  ASSERT_TRUE(member.Start().ok());
  // lint: allow(sleep) nothing tells that the join was sent
  absl::SleepFor(absl::Seconds(1));
  const absl::Time began = absl::Now();
  member.Stop();
  EXPECT_LT(absl::Now() - began, absl::Seconds(30));
  EXPECT_EQ(member.GetStatus().state, State::kStopped);
}

}  // namespace
}  // namespace records::eventstore
