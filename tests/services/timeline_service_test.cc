// The timeline through the server: what was recorded is shown to who may see it.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/service_fixture.h"

namespace records::services {
namespace {

namespace ev = records::events::v1;
namespace api = records::api::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NewRequestId;
using testing::Shown;
using testing::Who;

class TimelineServiceTest : public testing::ServiceTest {
 protected:
  TimelineServiceTest() { server_.Register(amy_, "R1"); }
};

// CR-3.1a, CR-1.1
TEST_F(TimelineServiceTest, WhatWasRecordedIsShownNewestFirstWithWhoRecordedIt) {
  server_.clock.Advance(absl::Seconds(1));
  ASSERT_TRUE(server_.Record(amy_, "R1", "first").ok());
  server_.clock.Advance(absl::Seconds(1));
  ASSERT_TRUE(server_.Record(amy_, "R1", "second").ok());
  const auto timeline = server_.Timeline(amy_, "R1");
  ASSERT_TRUE(timeline.ok()) << timeline.status;
  EXPECT_THAT(Shown(timeline.reply), ElementsAre("second", "first", "ENTRY_KIND_REGISTRATION"));
  EXPECT_EQ(timeline.reply.entries(0).recorded_by(), "amy");
  EXPECT_EQ(timeline.reply.entries(0).occurred_at_us(), absl::ToUnixMicros(server_.clock.Now()));
  EXPECT_EQ(timeline.reply.header().person().name(), "Pat Doe");
  EXPECT_EQ(timeline.reply.header().tenancy().contract_reference(), "T-1");
}

TEST_F(TimelineServiceTest, AQueryThatCarriesTheTokenOfACommandSeesItsEffect) {
  for (int i = 0; i < 20; ++i) {
    const std::string summary = absl::StrCat("contact ", i);
    server_.clock.Advance(absl::Seconds(1));
    const auto recorded = server_.Record(amy_, "R1", summary);
    ASSERT_TRUE(recorded.ok()) << recorded.status;
    const auto timeline = server_.Timeline(amy_, "R1", recorded.reply.token());
    ASSERT_TRUE(timeline.ok()) << timeline.status;
    ASSERT_EQ(Shown(timeline.reply).front(), summary);
  }
  // It is the writer's own.
  const Who ben = server_.Officer("ben", {"contact-officer"});
  const auto token = server_.Record(amy_, "R1", "another").reply.token();
  EXPECT_EQ(server_.Timeline(ben, "R1", token).status.code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace records::services
