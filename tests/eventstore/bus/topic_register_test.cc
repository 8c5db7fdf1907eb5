#include "eventstore/bus/topic_register.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>

#include "tests/eventstore/sealing_fixture.h"

namespace records::eventstore {
namespace {

namespace bus = records::bus::v1;
using ::testing::HasSubstr;

constexpr char kFile[] = "deploy/kafka/topics.textproto";

std::string DeployedText() {
  std::stringstream text;
  text << std::ifstream(kFile).rdbuf();
  return text.str();
}

bus::TopicRegister Deployed() { return *ParseTopicRegister(kFile, DeployedText()); }

bus::Topic* TopicNamed(bus::TopicRegister& reg, const std::string& name) {
  for (bus::Topic& topic : *reg.mutable_topics()) {
    if (topic.name() == name) return &topic;
  }
  ADD_FAILURE() << "no topic " << name;
  return reg.add_topics();
}

bus::Principal* PrincipalNamed(bus::TopicRegister& reg, const std::string& name) {
  for (bus::Principal& principal : *reg.mutable_principals()) {
    if (principal.name() == name) return &principal;
  }
  ADD_FAILURE() << "no principal " << name;
  return reg.add_principals();
}

TEST(TopicRegisterTest, TheDeployedFileIsAccepted) {
  const auto reg = ParseTopicRegister(kFile, DeployedText());
  ASSERT_TRUE(reg.ok()) << reg.status();
  EXPECT_GT(reg->topics_size(), 2);
}

TEST(TopicRegisterTest, EachWorkStreamIsOfAnEventTypeAndEachNameOfAnEventTypeIsAWorkStream) {
  const auto types = testing::EventTypes();
  ASSERT_FALSE(types.empty());
  bus::TopicRegister reg = Deployed();
  const absl::Status status = CheckEventTopics(reg, types);
  EXPECT_TRUE(status.ok()) << status;
  TopicNamed(reg, "repairs.v1")->set_name("repairs.v2");
  const std::string said(CheckEventTopics(reg, types).message());
  EXPECT_THAT(said, HasSubstr("ServiceRequestRaised: 'repairs.v1' is no work stream"));
  EXPECT_THAT(said, HasSubstr("topic 'repairs.v2': no event type names it"));
}

// CR-2.4b: what is about behaviour is for those who deal with it.
TEST(TopicRegisterTest, OnlyTheAsbSystemReadsItsStreamAndItReadsNoOther) {
  bus::TopicRegister reg = Deployed();
  for (const bus::Principal& principal : reg.principals()) {
    if (principal.name() == "relay") continue;  // reads back what it wrote
    for (const std::string& topic : principal.reads()) {
      EXPECT_EQ(principal.name() == "asb", topic == "asb.v1") << principal.name() << " " << topic;
    }
  }
}

TEST(TopicRegisterTest, ASlipOfThePenIsToldWithItsPlace) {
  const auto status = ParseTopicRegister("f.textproto", "topics {\n  nam: \"x\"\n}").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("f.textproto:2:"));
  EXPECT_THAT(status.message(), HasSubstr("nam"));
}

TEST(TopicRegisterTest, ATextOverTheLimitIsRefused) {
  const std::string text = "#" + std::string(kTopicRegisterBytesMax, ' ');
  EXPECT_THAT(ParseTopicRegister("f", text).status().message(), HasSubstr("longer than"));
}

struct Fault {
  const char* what;  // part of what is said of it
  std::function<void(bus::TopicRegister&)> make;
};

// Each is refused with a line that names the row.
void ExpectRefused(absl::Span<const Fault> faults) {
  for (const Fault& fault : faults) {
    bus::TopicRegister reg = Deployed();
    fault.make(reg);
    const absl::Status status = ValidateTopicRegister(reg);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << fault.what;
    EXPECT_THAT(status.message(), HasSubstr(fault.what));
  }
}

TEST(TopicRegisterTest, ATopicThatContradictsItselfOrIsOverALimitIsRefusedByRow) {
  ExpectRefused({
      {"register: has no topics", [](auto& reg) { reg.clear_topics(); }},
      {"topic 'Bad.v1': the name is not",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_name("Bad.v1"); }},
      {"topic 'asb': the name is not",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_name("asb"); }},
      {"topic 'asb.v0': the name is not",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_name("asb.v0"); }},
      {"topic 'asb.v01': the name is not",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_name("asb.v01"); }},
      {"topic 'asb.v1': stands there twice",
       [](auto& reg) { *reg.add_topics() = bus::Topic(*TopicNamed(reg, "asb.v1")); }},
      {"topic 'asb.v1': its description has 0 characters",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->clear_description(); }},
      {"topic 'asb.v1': has no kind", [](auto& reg) { TopicNamed(reg, "asb.v1")->clear_kind(); }},
      {"topic 'asb.v1': partitions is 0",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_partitions(0); }},
      {"topic 'asb.v1': 3 partitions do not divide the log's 16",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_partitions(3); }},
      {"topic 'asb.v1': 32 partitions do not divide",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_partitions(32); }},
      {"topic 'asb.v1': replicas is 10",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_replicas(10); }},
      {"topic 'asb.v1': replicas_in_sync_min is 4, not 1 to 3",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_replicas_in_sync_min(4); }},
      {"topic 'asb.v1': has no retention",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->clear_retention(); }},
      {"topic 'asb.v1': retention days is 3651",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->mutable_retention()->set_days(3651); }},
      {"topic 'asb.v1': for_ever can only be true",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->mutable_retention()->set_for_ever(false); }},
      {"topic 'asb.v1': has positions: never compacted",
       [](auto& reg) {
         TopicNamed(reg, "asb.v1")->mutable_retention()->set_last_of_each_key(true);
       }},
      {"topic 'asb.v1': record_bytes_max is 524288",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_record_bytes_max(524288); }},
      {"topic 'log.v1': the log is kept for ever",
       [](auto& reg) { TopicNamed(reg, "log.v1")->mutable_retention()->set_days(3650); }},
      {"topic 'asb.v1': 'log.v1' and no other",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_kind(bus::TOPIC_KIND_LOG); }},
      {"register: has no topic 'log.v1'",
       [](auto& reg) { TopicNamed(reg, "log.v1")->set_kind(bus::TOPIC_KIND_SYSTEM); }},
      {"topic 'new.v1': no principal may write it",
       [](auto& reg) {
         *reg.add_topics() = bus::Topic(*TopicNamed(reg, "asb.v1"));
         reg.mutable_topics()->rbegin()->set_name("new.v1");
       }},
  });
}

TEST(TopicRegisterTest, APrincipalThatContradictsItselfIsRefusedByRow) {
  ExpectRefused({
      {"principal 'A.b': the name is not",
       [](auto& reg) { PrincipalNamed(reg, "asb")->set_name("A.b"); }},
      {"principal 'asb': stands there twice",
       [](auto& reg) { PrincipalNamed(reg, "views")->set_name("asb"); }},
      {"principal 'asb': reads 'absent.v1', which is no topic here",
       [](auto& reg) { PrincipalNamed(reg, "asb")->add_reads("absent.v1"); }},
      {"principal 'asb': reads 'asb.v1' twice",
       [](auto& reg) { PrincipalNamed(reg, "asb")->add_reads("asb.v1"); }},
      {"principal 'asb': may use no topic",
       [](auto& reg) { PrincipalNamed(reg, "asb")->clear_reads(); }},
      {"principal 'asb': is transactional and may write nothing",
       [](auto& reg) { PrincipalNamed(reg, "asb")->set_transactional(true); }},
      {"principal 'asb': is an administrator, whose rules",
       [](auto& reg) { PrincipalNamed(reg, "asb")->set_administrator(true); }},
      {"topic 'asb.v1': partitions is 2000",
       [](auto& reg) { TopicNamed(reg, "asb.v1")->set_partitions(2000); }},
  });
}

TEST(TopicRegisterTest, AllFaultsAreToldAtOnce) {
  bus::TopicRegister reg = Deployed();
  TopicNamed(reg, "asb.v1")->set_partitions(3);
  PrincipalNamed(reg, "repairs")->add_reads("absent.v1");
  const std::string said(ValidateTopicRegister(reg).message());
  EXPECT_THAT(said, HasSubstr("do not divide"));
  EXPECT_THAT(said, HasSubstr("absent.v1"));
}

TEST(TopicRegisterTest, APrefixHasNoDotsSoThatNoneLiesBelowAnother) {
  for (const char* good : {"records", "records-test", "r2"}) {
    EXPECT_TRUE(CheckBusPrefix(good).ok()) << good;
  }
  for (const char* bad :
       {"", "records.test", "Records", "2r", "records*", "a23456789012345678901234567890123"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckBusPrefix(bad))) << bad;
  }
}

}  // namespace
}  // namespace records::eventstore
