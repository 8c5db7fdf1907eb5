#include "eventstore/bus/bus_plan.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "eventstore/bus/topic_register.h"

namespace records::eventstore {
namespace {

namespace bus = records::bus::v1;
using Action = BusDifference::Action;
using Operation = BusRule::Operation;
using Resource = BusRule::Resource;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kRegister[] = R"(
  topics { name: "log.v1" description: "log" kind: TOPIC_KIND_LOG partitions: 4 replicas: 3
           replicas_in_sync_min: 2 retention { for_ever: true } record_bytes_max: 1000000 }
  topics { name: "work.v1" description: "work" kind: TOPIC_KIND_WORK partitions: 2 replicas: 3
           replicas_in_sync_min: 2 retention { days: 2 } record_bytes_max: 1000000 }
  principals { name: "admin" description: "a" administrator: true }
  principals { name: "relay" description: "r" reads: "log.v1" writes: "log.v1" writes: "work.v1"
               transactional: true }
  principals { name: "worker" description: "w" reads: "work.v1" }
)";

class BusPlanTest : public ::testing::Test {
 protected:
  BusPlanTest() : register_(*ParseTopicRegister("test", kRegister)) {
    found_ = WantedBus(register_, options_);
  }

  std::vector<BusDifference> Compare() { return CompareBus(register_, options_, found_); }

  TopicDescription& Log() { return found_.topics.at("records.log.v1"); }

  // What is said when this rule is there too.
  std::vector<BusDifference> WithRule(const BusRule& rule) {
    found_.rules->insert(rule);
    auto differences = Compare();
    found_.rules->erase(rule);
    return differences;
  }

  BusPlanOptions options_;
  bus::TopicRegister register_;
  BusState found_;
};

TEST_F(BusPlanTest, NothingDiffersFromWhatIsWanted) { EXPECT_THAT(Compare(), IsEmpty()); }

TEST_F(BusPlanTest, ATopicIsAsTheRegisterSays) {
  const TopicDescription& work = found_.topics.at("records.work.v1");
  EXPECT_EQ(work.partitions, 2);
  EXPECT_EQ(work.replicas, 3);
  EXPECT_EQ(work.configuration.at("retention.ms"), "172800000");
  EXPECT_EQ(work.configuration.at("message.timestamp.type"), "CreateTime");
  EXPECT_EQ(Log().configuration.at("retention.ms"), "-1");
  EXPECT_EQ(Log().configuration.at("cleanup.policy"), "delete");
  EXPECT_EQ(Log().configuration.at("min.insync.replicas"), "2");
  EXPECT_EQ(Log().configuration.at("message.timestamp.type"), "CreateTime");
}

TEST_F(BusPlanTest, WhoReadsAndWritesHasARuleForEachAndNoOther) {
  std::vector<std::string> texts;
  for (const BusRule& rule : *found_.rules) texts.push_back(RuleText(rule));
  EXPECT_THAT(texts, ElementsAre("allow User:relay READ on topic records.log.v1",
                                 "allow User:relay WRITE on topic records.log.v1",
                                 "allow User:relay WRITE on topic records.work.v1",
                                 "allow User:relay READ on group records.relay",
                                 "allow User:relay READ on group records.relay.*",
                                 "allow User:relay WRITE on transactional id records.relay",
                                 "allow User:worker READ on topic records.work.v1",
                                 "allow User:worker READ on group records.worker",
                                 "allow User:worker READ on group records.worker.*"));
}

TEST_F(BusPlanTest, OneBrokerHoldsOneCopy) {
  options_.replicas_max = 1;
  found_ = WantedBus(register_, options_);
  EXPECT_EQ(Log().replicas, 1);
  EXPECT_EQ(Log().configuration.at("min.insync.replicas"), "1");
}

TEST_F(BusPlanTest, WhatIsMissingIsMadeTopicsBeforeRules) {
  found_.topics.clear();
  found_.rules->clear();
  const auto differences = Compare();
  ASSERT_THAT(differences, SizeIs(11));
  EXPECT_EQ(differences[0].action, Action::kMakeTopic);
  EXPECT_EQ(differences[0].text, "topic records.log.v1: 4 partitions, 3 replicas");
  EXPECT_EQ(differences[0].topic.configuration.at("retention.ms"), "-1");
  EXPECT_EQ(differences[2].action, Action::kAddRule);
}

TEST_F(BusPlanTest, AParameterThatKeepsMoreIsSet) {
  Log().configuration["retention.ms"] = "604800000";
  Log().configuration["max.message.bytes"] = "5";
  const auto differences = Compare();
  ASSERT_THAT(differences, SizeIs(2));
  EXPECT_EQ(differences[1].action, Action::kSetConfiguration);
  EXPECT_EQ(differences[1].topic.name, "records.log.v1");
  EXPECT_EQ(differences[1].parameter, std::pair(std::string("retention.ms"), std::string("-1")));
  EXPECT_EQ(differences[1].text, "topic records.log.v1: retention.ms from 604800000 to -1");
}

TEST_F(BusPlanTest, WhatWouldLoseRecordsIsLeftToAHand) {
  TopicDescription& work = found_.topics.at("records.work.v1");
  for (const auto& [name, value] : {std::pair("retention.ms", "-1"),
                                    {"retention.ms", "172800001"},
                                    {"cleanup.policy", "compact"}}) {
    const TopicDescription before = work;
    work.configuration[name] = value;
    const auto differences = Compare();
    ASSERT_THAT(differences, SizeIs(1)) << name;
    EXPECT_EQ(differences[0].action, Action::kByHand) << name;
    EXPECT_THAT(differences[0].text, HasSubstr("would lose records"));
    work = before;
  }
}

TEST_F(BusPlanTest, PartitionsAndReplicasAreNeverChanged) {
  for (const int32_t partitions : {1, 8}) {
    Log().partitions = partitions;
    const auto differences = Compare();
    ASSERT_THAT(differences, SizeIs(1));
    EXPECT_EQ(differences[0].action, Action::kByHand);
    EXPECT_THAT(differences[0].text, HasSubstr("must have 4"));
  }
  Log().partitions = 4;
  Log().replicas = 2;
  ASSERT_THAT(Compare(), SizeIs(1));
  EXPECT_EQ(Compare()[0].action, Action::kByHand);
}

TEST_F(BusPlanTest, MoreCopiesAreDemandedOnlyWhereThereAreAsMany) {
  Log().replicas = 1;
  Log().configuration["min.insync.replicas"] = "1";
  const auto differences = Compare();
  ASSERT_THAT(differences, SizeIs(2));
  EXPECT_EQ(differences[0].action, Action::kByHand);
  EXPECT_EQ(differences[1].action, Action::kByHand);
  EXPECT_THAT(differences[1].text, HasSubstr("would end all writing"));
}

TEST_F(BusPlanTest, ATopicTooManyIsToldAndKept) {
  found_.topics["records.old.v1"] = {.name = "records.old.v1"};
  found_.topics["records2.log.v1"] = {.name = "records2.log.v1"};
  found_.topics["__consumer_offsets"] = {.name = "__consumer_offsets"};
  const auto differences = Compare();
  ASSERT_THAT(differences, SizeIs(1));
  EXPECT_EQ(differences[0].action, Action::kByHand);
  EXPECT_THAT(differences[0].text, HasSubstr("records.old.v1"));
}

TEST_F(BusPlanTest, ARuleTooManyBelowThePrefixIsRemoved) {
  const BusRule rules[] = {
      {.principal = "User:worker", .name = "records.log.v1"},
      {.principal = "User:*", .name = "records.", .prefixed = true},
      {.principal = "User:worker", .resource = Resource::kTransactionalId, .name = "records.relay"},
      {.principal = "User:worker", .name = "records.work.v1", .operation = Operation::kWrite},
      {.principal = "User:worker", .name = "records.work.v1", .host = "10.0.0.1"},
  };
  for (const BusRule& rule : rules) {
    const auto differences = WithRule(rule);
    ASSERT_THAT(differences, SizeIs(1)) << RuleText(rule);
    EXPECT_EQ(differences[0].action, Action::kRemoveRule);
    EXPECT_EQ(differences[0].rule, rule);
  }
}

TEST_F(BusPlanTest, ARuleThatReachesInFromOutsideIsToldAndKept) {
  const BusRule rules[] = {
      {.principal = "User:spy", .name = "*"},
      {.principal = "User:spy", .name = "rec", .prefixed = true},
      {.principal = "User:spy", .resource = Resource::kGroup, .name = "*"},
      {.principal = "User:spy",
       .resource = Resource::kCluster,
       .name = "kafka-cluster",
       .operation = Operation::kClusterAction},
      {.principal = "User:spy",
       .resource = Resource::kCluster,
       .name = "kafka-cluster",
       .operation = Operation::kAlter},
  };
  for (const BusRule& rule : rules) {
    const auto differences = WithRule(rule);
    ASSERT_THAT(differences, SizeIs(1)) << RuleText(rule);
    EXPECT_EQ(differences[0].action, Action::kByHand);
    EXPECT_EQ(differences[0].text, "rule from elsewhere: " + RuleText(rule));
  }
}

TEST_F(BusPlanTest, ADenialIsNeverTakenAway) {
  const auto differences =
      WithRule({.principal = "User:worker", .name = "records.work.v1", .allows = false});
  ASSERT_THAT(differences, SizeIs(1));
  EXPECT_EQ(differences[0].action, Action::kByHand);
  EXPECT_THAT(differences[0].text, HasSubstr("deny User:worker READ"));
}

TEST_F(BusPlanTest, RulesOfOthersAndOfAdministratorsAreLeftAlone) {
  const BusRule rules[] = {
      {.principal = "User:spy", .name = "records2.log.v1"},
      {.principal = "User:spy", .name = "recordings", .prefixed = true},
      {.principal = "User:worker", .name = "another.v1"},
      {.principal = "User:spy", .name = "*", .operation = Operation::kDescribe},
      {.principal = "User:admin", .name = "*", .operation = Operation::kAll},
      {.principal = "User:admin", .name = "records.log.v1"},
      {.principal = "User:spy",
       .resource = Resource::kCluster,
       .name = "kafka-cluster",
       .operation = Operation::kIdempotentWrite},
  };
  for (const BusRule& rule : rules) EXPECT_THAT(WithRule(rule), IsEmpty()) << RuleText(rule);
}

TEST_F(BusPlanTest, BrokersThatCheckNoRulesDifferUnlessRulesAreNotLookedAt) {
  found_.rules.reset();
  ASSERT_THAT(Compare(), SizeIs(1));
  EXPECT_EQ(Compare()[0].action, Action::kByHand);
  EXPECT_THAT(Compare()[0].text, HasSubstr("check no access rules"));
  options_.with_rules = false;
  EXPECT_THAT(Compare(), IsEmpty());
}

TEST_F(BusPlanTest, AnotherPrefixIsAnotherBus) {
  options_.prefix = "other";
  const auto differences = Compare();
  for (const BusDifference& difference : differences) {
    EXPECT_TRUE(difference.action == Action::kMakeTopic || difference.action == Action::kAddRule)
        << difference.text;
  }
  EXPECT_THAT(differences, SizeIs(11));
}

}  // namespace
}  // namespace records::eventstore
