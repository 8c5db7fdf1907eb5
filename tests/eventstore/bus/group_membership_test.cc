// Members of a consumer group on a real broker share the partitions of a topic, and never two hold
// one.

#include "eventstore/bus/group_membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <optional>
#include <thread>

#include "absl/time/clock.h"
#include "tests/eventstore/bus/broker_fixture.h"

namespace records::eventstore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_support::kBrokerTimeout;
using testing_support::MakeTopics;
using State = GroupStatus::State;

constexpr uint32_t kPartitions = 6;
// Where nobody waits for its end: a machine that stands still for less loses no member.
constexpr absl::Duration kLongSession = absl::Seconds(30);

class GroupMembershipTest : public testing_support::BrokerTest {
 protected:
  void SetUp() override {
    MakeTopics(broker_->settings(), prefix_, static_cast<int32_t>(kPartitions));
  }

  GroupMembershipOptions OptionsOf(const std::string& name, const std::string& instance = "") {
    return {.settings = broker_->settings(),
            .topic = LogTopic(prefix_),
            .group = ViewGroup(prefix_, "timeline"),
            .address = name + ":443",
            .instance = instance,
            .session_timeout = session_,
            .owners_kept = absl::Milliseconds(100),
            .on_assigned =
                [this, name](const std::vector<uint32_t>& partitions) {
                  absl::MutexLock lock(&mutex_);
                  for (const uint32_t partition : partitions) {
                    EXPECT_FALSE(owners_.contains(partition))
                        << name << " was given " << partition << ", and " << owners_[partition]
                        << " has it";
                    owners_[partition] = name;
                  }
                },
            .on_revoked =
                [this, name](const std::vector<uint32_t>& partitions) {
                  absl::MutexLock lock(&mutex_);
                  for (const uint32_t partition : partitions) {
                    EXPECT_EQ(owners_[partition], name);
                    owners_.erase(partition);
                  }
                }};
  }

  std::unique_ptr<GroupMembership> Join(const std::string& name, const std::string& instance = "") {
    auto member = std::make_unique<GroupMembership>(OptionsOf(name, instance));
    EXPECT_TRUE(member->Start().ok());
    return member;
  }

  // How many partitions each holder has, once each of those named has some and none is left over.
  std::map<std::string, int> WaitUntilShared(const std::vector<std::string>& names) {
    std::map<std::string, int> counts;
    const auto shared = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      counts.clear();
      for (const auto& [partition, name] : owners_) ++counts[name];
      bool all = owners_.size() == kPartitions && counts.size() == names.size();
      for (const std::string& name : names) all = all && counts.contains(name);
      return all;
    };
    absl::MutexLock lock(&mutex_);
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&shared), kBrokerTimeout));
    return counts;
  }

  // In the end: one whose threads are late is in doubt, and then holds nothing.
  static void ExpectHolds(const GroupMembership& member, uint32_t partition, bool expected) {
    const absl::Time deadline = absl::Now() + kBrokerTimeout;
    bool holds = member.Holds(partition);
    while (holds != expected && absl::Now() < deadline) {
      std::this_thread::yield();
      holds = member.Holds(partition);
    }
    EXPECT_EQ(holds, expected) << partition;
  }

  // In the end: the brokers' answer may be of before the last member was told, or come too late.
  static void ExpectOwner(const GroupMembership& member, uint32_t partition,
                          const std::optional<std::string>& expected) {
    const absl::Time deadline = absl::Now() + kBrokerTimeout;
    absl::StatusOr<std::optional<std::string>> told;
    do {
      told = member.OwnerOf(partition);
    } while ((!told.ok() || *told != expected) && absl::Now() < deadline);
    ASSERT_TRUE(told.ok()) << told.status();
    EXPECT_EQ(*told, expected) << partition;
  }

  absl::Duration session_ = kLongSession;
  absl::Mutex mutex_;
  std::map<uint32_t, std::string> owners_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(GroupMembershipTest, MembersShareThePartitionsAndTakeOverFromWhoLeaves) {
  const auto one = Join("one");
  WaitUntilShared({"one"});
  EXPECT_EQ(one->GetStatus().held.size(), kPartitions);
  auto two = Join("two");
  EXPECT_EQ(WaitUntilShared({"one", "two"})["two"], 3);
  auto three = Join("three");
  EXPECT_EQ(WaitUntilShared({"one", "two", "three"})["three"], 2);
  two->Stop();
  EXPECT_EQ(two->GetStatus().state, State::kStopped);
  WaitUntilShared({"one", "three"});
  three.reset();
  WaitUntilShared({"one"});
  EXPECT_EQ(one->GetStatus().state, State::kMember);
  EXPECT_EQ(one->GetStatus().sessions_lost, 0u);
}

TEST_F(GroupMembershipTest, EachMemberKnowsTheAddressOfEachOwner) {
  const auto one = Join("one");
  const auto two = Join("two");
  WaitUntilShared({"one", "two"});
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    std::string owner;
    {
      absl::MutexLock lock(&mutex_);
      owner = owners_[partition] + ":443";
    }
    ExpectHolds(*one, partition, owner == "one:443");
    ExpectOwner(*one, partition, owner);
    ExpectOwner(*two, partition, owner);
  }
  ExpectOwner(*one, kPartitions, std::nullopt);
}

// A static member that ends does not leave, as if it had been killed.
TEST_F(GroupMembershipTest, OneThatDiesKeepsItsPartitionsForARestartAndLosesThemAfterItsSession) {
  session_ = absl::Seconds(20);  // a restart takes less
  const auto one = Join("one", "first");
  auto two = Join("two", "second");
  WaitUntilShared({"one", "two"});
  const std::vector<uint32_t> before = two->GetStatus().held;
  const uint64_t assignments = one->GetStatus().assignments;
  two.reset();
  two = Join("two", "second");
  WaitUntilShared({"one", "two"});
  EXPECT_EQ(two->GetStatus().held, before);
  EXPECT_EQ(one->GetStatus().assignments, assignments);
  two.reset();
  WaitUntilShared({"one"});
}

TEST_F(GroupMembershipTest, OfTwoWithOneInstanceTheFirstIsFencedAndSaysSo) {
  const auto one = Join("one", "same");
  WaitUntilShared({"one"});
  GroupMembershipOptions options = OptionsOf("one", "same");
  options.on_assigned = nullptr;
  options.on_revoked = nullptr;
  GroupMembership again(std::move(options));
  ASSERT_TRUE(again.Start().ok());
  const GroupStatus fenced =
      WaitForStatus(*one, [](const GroupStatus& now) { return now.state == State::kFenced; });
  EXPECT_THAT(std::string(fenced.error.message()), HasSubstr("MEMBER_FENCED"));
  EXPECT_THAT(fenced.held, ElementsAre());
}

TEST_F(GroupMembershipTest, WithoutABrokerForLongerThanASessionNothingIsHeld) {
  session_ = absl::Seconds(6);  // the least that brokers allow
  const auto one = Join("one");
  WaitUntilShared({"one"});
  broker_->Signal(SIGSTOP);
  WaitForStatus(*one,
                [](const GroupStatus& now) { return now.sessions_lost > 0 && now.held.empty(); });
  EXPECT_FALSE(one->Holds(0));
  EXPECT_FALSE(one->OwnerOf(0).ok());
  broker_->Signal(SIGCONT);
  WaitUntilShared({"one"});
  ExpectHolds(*one, 0, true);
}

TEST_F(GroupMembershipTest, WhatMayComeBackIsSuspendedAndWhatGoesToOthersIsRevoked) {
  std::vector<std::string> told;
  const auto tell = [&](const char* what, const GroupMembershipOptions& options) {
    return [&told, what, next = options.on_revoked](const std::vector<uint32_t>& partitions) {
      told.emplace_back(what);
      next(partitions);
    };
  };
  const auto member = [&](const std::string& instance) {
    GroupMembershipOptions options = OptionsOf("two", instance);
    options.on_suspended = tell("suspended", options);
    options.on_revoked = tell("revoked", options);
    auto made = std::make_unique<GroupMembership>(std::move(options));
    EXPECT_TRUE(made->Start().ok());
    return made;
  };
  auto two = member("");
  WaitUntilShared({"two"});
  auto one = Join("one");
  WaitUntilShared({"one", "two"});
  EXPECT_THAT(told, ElementsAre("revoked"));
  two.reset();
  WaitUntilShared({"one"});
  EXPECT_THAT(told, ElementsAre("revoked", "revoked"));
  one.reset();
  two = member("second");
  WaitUntilShared({"two"});
  two.reset();
  EXPECT_THAT(told, ElementsAre("revoked", "revoked", "suspended"));
}

TEST_F(GroupMembershipTest, AMemberWaitsForATopicAndForABroker) {
  broker_->Kill();
  GroupMembershipOptions options = OptionsOf("one");
  options.topic = LogTopic(prefix_ + "-later");
  options.group = ViewGroup(prefix_, "later");
  GroupMembership member(std::move(options));
  ASSERT_TRUE(member.Start().ok());
  const GroupStatus waiting =
      WaitForStatus(member, [](const GroupStatus& now) { return !now.error.ok(); });
  EXPECT_EQ(waiting.state, State::kJoining);
  EXPECT_TRUE(absl::IsUnavailable(waiting.error)) << waiting.error;
  broker_->Start();
  MakeTopics(broker_->settings(), prefix_ + "-later", static_cast<int32_t>(kPartitions));
  WaitUntilShared({"one"});
  EXPECT_TRUE(member.GetStatus().error.ok());
  member.Stop();
}

TEST_F(GroupMembershipTest, OptionsThatNameNothingAreRefused) {
  GroupMembershipOptions options = OptionsOf("one", "not a name");
  EXPECT_TRUE(absl::IsInvalidArgument(GroupMembership(std::move(options)).Start()));
  options = OptionsOf("one");
  options.address.clear();
  EXPECT_TRUE(absl::IsInvalidArgument(GroupMembership(std::move(options)).Start()));
}

}  // namespace
}  // namespace records::eventstore
