// `recordsctl bus` against real brokers: one that checks access rules, and one that checks none.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "eventstore/bus/bus_state.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/log_topic_tail.h"
#include "eventstore/bus/relay.h"
#include "eventstore/status_macros.h"
#include "nlohmann/json.hpp"
#include "tests/eventstore/bus/broker_fixture.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/tools/recordsctl/program.h"
#include "tools/recordsctl/exit_codes.h"

namespace records::tools {
namespace {

using eventstore::BusRule;
using eventstore::TopicAdmin;
using eventstore::TopicReader;
using eventstore::testing_support::AppendTo;
using eventstore::testing_support::Broker;
using eventstore::testing_support::BrokerDeadline;
using eventstore::testing_support::kBrokerTimeout;
using eventstore::testing_support::MemoryLog;
using eventstore::testing_support::RootIn;
using eventstore::testing_support::Stream;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using Operation = BusRule::Operation;
using Resource = BusRule::Resource;

struct Ended {
  int code;
  std::string out;
  std::string err;
};

Ended RunProgram(const std::vector<std::string>& arguments) {
  Program program(arguments);
  const int code = program.Wait();
  return {code, program.out(), program.err()};
}

// A broker acknowledges a change before it shows it.
void WaitUntilShown(const std::function<absl::StatusOr<bool>()>& is_shown) {
  const absl::Time deadline = BrokerDeadline();
  absl::StatusOr<bool> shown;
  do {
    shown = is_shown();
  } while (!shown.value_or(false) && absl::Now() < deadline);
  ASSERT_TRUE(shown.ok()) << shown.status();
  ASSERT_TRUE(*shown) << "acknowledged, and never to be seen";
}

// Lines of `text` that begin so.
size_t Count(const std::string& text, const std::string& beginning) {
  size_t count = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    count += absl::StartsWith(line, beginning) ? 1 : 0;
  }
  return count;
}

class SecureBusTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { broker_ = std::make_unique<Broker>("--secure"); }
  static void TearDownTestSuite() { broker_.reset(); }

  Ended Bus(const std::string& verb, const std::string& principal = "admin",
            const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {
        "bus",      verb,    "--kafka-settings", broker_->SettingsFileOf(principal),
        "--prefix", prefix_, "--replicas",       "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram(arguments);
  }

  void Apply() {
    const Ended applied = Bus("apply");
    ASSERT_EQ(applied.code, kExitOk) << applied.out << applied.err;
  }

  static std::unique_ptr<TopicAdmin> Admin() {
    return *TopicAdmin::Open(broker_->SettingsOf("admin"));
  }

  void Add(const BusRule& rule) {
    const auto admin = Admin();
    const absl::Status status = admin->AddRule(rule, kBrokerTimeout);
    ASSERT_TRUE(status.ok()) << status;
    WaitUntilShown([&] { return HasRule(*admin, rule); });
  }

  void Remove(const BusRule& rule) {
    const auto admin = Admin();
    const absl::Status status = admin->RemoveRule(rule, kBrokerTimeout);
    ASSERT_TRUE(status.ok()) << status;
    WaitUntilShown([&]() -> absl::StatusOr<bool> {
      ASSIGN_OR_RETURN(const bool there, HasRule(*admin, rule));
      return !there;
    });
  }

  void SetRetention(const std::string& topic, const std::string& value) {
    const auto admin = Admin();
    const absl::Status status = admin->SetParameter(topic, "retention.ms", value, kBrokerTimeout);
    ASSERT_TRUE(status.ok()) << status;
    WaitUntilShown([&]() -> absl::StatusOr<bool> {
      ASSIGN_OR_RETURN(const auto topics, admin->List(topic, kBrokerTimeout));
      const auto found = topics.find(topic);
      return found != topics.end() && found->second.configuration.at("retention.ms") == value;
    });
  }

  static void WaitUntilThere(const std::string& topic) {
    const auto admin = Admin();
    WaitUntilShown([&]() -> absl::StatusOr<bool> {
      ASSIGN_OR_RETURN(const auto topics, admin->List(topic, kBrokerTimeout));
      return topics.contains(topic);
    });
  }

  // What comes of reading a topic as that principal.
  absl::Status Read(const std::string& principal, const std::string& topic) {
    auto reader = *TopicReader::Open(broker_->SettingsOf(principal));
    return reader->CountPartitions(prefix_ + "." + topic, kBrokerTimeout).status();
  }

  static absl::StatusOr<bool> HasRule(TopicAdmin& admin, const BusRule& rule) {
    ASSIGN_OR_RETURN(const auto rules, admin.ListRules(kBrokerTimeout));
    return rules.has_value() && rules->contains(rule);
  }

  static std::unique_ptr<Broker> broker_;
  // Of each test: topics and rules of others do not count.
  std::string prefix_ = [] {
    static int number = 0;
    return absl::StrCat("bus", ++number);
  }();
};

std::unique_ptr<Broker> SecureBusTest::broker_;

TEST_F(SecureBusTest, ApplyMakesWhatDiffSaysAndAgainChangesNothing) {
  const Ended before = Bus("diff");
  EXPECT_EQ(before.code, kExitRefused) << before.err;
  EXPECT_EQ(Count(before.out, "make: topic " + prefix_), 6u) << before.out;
  const Ended applied = Bus("apply");
  EXPECT_EQ(applied.code, kExitOk) << applied.out << applied.err;
  EXPECT_EQ(Count(applied.out, "done "), Count(before.out, "make: ") + Count(before.out, "add: "));
  const Ended after = Bus("diff");
  EXPECT_EQ(after.code, kExitOk) << after.out;
  EXPECT_THAT(after.out, IsEmpty());
  const Ended again = Bus("apply");
  EXPECT_EQ(again.code, kExitOk);
  EXPECT_THAT(again.out, IsEmpty());
  EXPECT_THAT(again.err, HasSubstr("0 done, 0 failed, 0 left"));
}

// CR-2.4b
TEST_F(SecureBusTest, APrincipalReadsWhatTheRegisterSaysAndNoMore) {
  Apply();
  EXPECT_TRUE(Read("asb", "asb.v1").ok());
  EXPECT_TRUE(Read("repairs", "repairs.v1").ok());
  EXPECT_TRUE(Read("views", "log.v1").ok());
  for (const char* topic : {"log.v1", "repairs.v1", "contacts.v1", "relay-progress.v1"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(Read("asb", topic))) << topic;
  }
  EXPECT_TRUE(absl::IsPermissionDenied(Read("repairs", "asb.v1")));
  EXPECT_TRUE(absl::IsPermissionDenied(Read("views", "asb.v1")));
}

TEST_F(SecureBusTest, TheRelayNeedsNoMoreThanTheRegisterAllows) {
  Apply();
  MemoryLog files{16};
  eventstore::EventLog& log = files.Open();
  for (uint32_t i = 0; i < 32; ++i) {
    ASSERT_TRUE(log.AppendAndWait(AppendTo(Stream(RootIn(i % 16)))).ok());
  }
  for (int session = 0; session < 2; ++session) {  // the second reads what the first wrote
    eventstore::Relay relay(log, {.settings = broker_->SettingsOf("relay"), .prefix = prefix_});
    relay.Start();
    const absl::Status status = relay.WaitForAll(absl::Now() + kBrokerTimeout);
    EXPECT_EQ(relay.GetStatus().events_republished, 0u);
    EXPECT_TRUE(status.ok()) << status << " " << relay.GetStatus().error;
  }
}

// What a restore reads, the relay's principal may, and a subscriber's may not.
TEST_F(SecureBusTest, TheTailOfALogIsReadAsTheRelay) {
  Apply();
  MemoryLog files(16);
  eventstore::EventLog& log = files.Open();
  ASSERT_TRUE(log.AppendAndWait(AppendTo(Stream(RootIn(3)))).ok());
  eventstore::Relay relay(log, {.settings = broker_->SettingsOf("relay"), .prefix = prefix_});
  relay.Start();
  ASSERT_TRUE(relay.WaitForAll(absl::Now() + kBrokerTimeout).ok());
  const auto ends_for = [&](const std::string& principal) {
    auto tail =
        eventstore::OpenLogTopicTail(broker_->SettingsOf(principal), prefix_, kBrokerTimeout);
    EXPECT_TRUE(tail.ok()) << tail.status();
    return (*tail)->FindEnds();
  };
  const auto ends = ends_for("relay");
  ASSERT_TRUE(ends.ok()) << ends.status();
  ASSERT_EQ(ends->size(), 16u);
  EXPECT_EQ((*ends)[3].last, 1u);
  EXPECT_TRUE(absl::IsPermissionDenied(ends_for("repairs").status()));
}

TEST_F(SecureBusTest, ARuleTooManyIsRemovedOneFromElsewhereOrADenialOnlyTold) {
  Apply();
  Add({.principal = "User:asb", .name = prefix_ + ".repairs.v1"});
  Add({.principal = "User:asb", .name = prefix_ + ".", .prefixed = true});
  Add({.principal = "User:repairs", .name = "bus", .prefixed = true});
  Add({.principal = "User:repairs", .name = prefix_ + ".repairs.v1", .allows = false});
  Add({.principal = "User:asb", .name = "another.topic"});
  const Ended applied = Bus("apply");
  EXPECT_EQ(applied.code, kExitPartly) << applied.out << applied.err;
  EXPECT_EQ(Count(applied.out, "done remove: allow User:asb READ on topic " + prefix_), 2u);
  EXPECT_EQ(Count(applied.out,
                  "by hand: rule from elsewhere: allow User:repairs READ on topic "
                  "bus*"),
            1u);
  EXPECT_EQ(Count(applied.out, "by hand: rule from elsewhere: deny User:repairs"), 1u);
  EXPECT_THAT(applied.out, Not(HasSubstr("another.topic")));
  EXPECT_TRUE(absl::IsPermissionDenied(Read("asb", "repairs.v1")));
  const Ended again = Bus("apply");
  EXPECT_EQ(again.code, kExitRefused) << again.out;
  EXPECT_EQ(Count(again.out, "by hand: "), 2u) << again.out;
  Remove({.principal = "User:repairs", .name = "bus", .prefixed = true});
}

TEST_F(SecureBusTest, AParameterIsSetBackUnlessThatWouldLoseRecords) {
  Apply();
  const auto admin = Admin();
  const std::string log = prefix_ + ".log.v1";
  const std::string work = prefix_ + ".repairs.v1";
  SetRetention(log, "1000");
  SetRetention(work, "-1");
  EXPECT_TRUE(
      absl::IsInvalidArgument(admin->SetParameter(work, "retention.ms", "long", kBrokerTimeout)));
  const Ended applied = Bus("apply");
  EXPECT_EQ(applied.code, kExitPartly) << applied.out << applied.err;
  EXPECT_THAT(applied.out,
              HasSubstr("done set: topic " + log + ": retention.ms from 1000 to -1\n"));
  EXPECT_THAT(applied.out, HasSubstr("by hand: topic " + work +
                                     ": retention.ms from -1 to 2592000000 would lose records"));
  EXPECT_EQ(admin->List(work, kBrokerTimeout)->at(work).configuration.at("retention.ms"), "-1");
}

TEST_F(SecureBusTest, ATopicOfOtherPartitionsOrTooManyIsToldAndKept) {
  const auto admin = Admin();
  for (const char* name : {".log.v1", ".old.v1"}) {
    ASSERT_TRUE(admin->Create({.name = prefix_ + name, .partitions = 2}, kBrokerTimeout).ok());
    WaitUntilThere(prefix_ + name);
  }
  const Ended applied = Bus("apply");
  EXPECT_EQ(applied.code, kExitPartly) << applied.err;
  EXPECT_THAT(applied.out, HasSubstr("log.v1 has 2 partitions, and must have 16"));
  EXPECT_THAT(applied.out, HasSubstr("old.v1 is not in the register"));
  const auto topics = admin->List(prefix_ + ".", kBrokerTimeout);
  ASSERT_TRUE(topics.ok()) << topics.status();
  EXPECT_EQ(topics->at(prefix_ + ".log.v1").partitions, 2);
  EXPECT_TRUE(topics->contains(prefix_ + ".old.v1"));
}

// May make one of the topics and no rule: what it could not do is told, and another does the rest.
TEST_F(SecureBusTest, WhatFailedIsToldLineByLineAndTheRestIsDoneLater) {
  for (const Operation operation : {Operation::kDescribe, Operation::kDescribeConfigs}) {
    Add({.principal = "User:asb", .name = prefix_ + ".", .prefixed = true, .operation = operation});
  }
  Add({.principal = "User:asb", .name = prefix_ + ".log.v1", .operation = Operation::kCreate});
  const Ended blind = Bus("diff", "asb");
  EXPECT_EQ(blind.code, kExitUsage) << "hidden rules look absent: " << blind.out;
  EXPECT_THAT(blind.err, HasSubstr("reading the access rules"));
  Add({.principal = "User:asb",
       .resource = Resource::kCluster,
       .name = "kafka-cluster",
       .operation = Operation::kDescribe});
  const Ended partly = Bus("apply", "asb");
  EXPECT_EQ(partly.code, kExitPartly) << partly.out << partly.err;
  EXPECT_EQ(Count(partly.out, "done "), 1u) << partly.out;
  EXPECT_EQ(Count(partly.out, "FAILED make: "), 5u) << partly.out;
  EXPECT_THAT(partly.out, HasSubstr("TOPIC_AUTHORIZATION_FAILED"));
  EXPECT_THAT(partly.out, HasSubstr("CLUSTER_AUTHORIZATION_FAILED"));
  WaitUntilThere(prefix_ + ".log.v1");
  const Ended rest = Bus("apply");
  EXPECT_EQ(rest.code, kExitOk) << rest.out << rest.err;
  EXPECT_EQ(Count(rest.out, "done make: "), 5u);
  EXPECT_EQ(Count(rest.out, "done remove: "), 3u);
}

TEST_F(SecureBusTest, WhoMayNotSeeIsToldSoAndNotThatTopicsAreMissing) {
  for (const char* verb : {"apply", "diff"}) {
    const Ended refused = Bus(verb, "repairs");
    EXPECT_EQ(refused.code, verb == std::string("diff") ? kExitUsage : kExitRefused);
    EXPECT_THAT(refused.out, IsEmpty());
    EXPECT_THAT(refused.err, HasSubstr("PERMISSION_DENIED"));
  }
  const Ended hidden = Bus("diff", "repairs", {"--without-acls"});
  EXPECT_EQ(hidden.code, kExitUsage) << hidden.out;
  EXPECT_THAT(hidden.err, HasSubstr("TOPIC_AUTHORIZATION_FAILED"));
}

TEST_F(SecureBusTest, AWrongPasswordOrAuthorityIsToldAtOnceAndWithoutTheSecret) {
  TestFolder folder;
  std::ifstream file(broker_->SettingsFileOf("admin"));
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::string password = text.substr(text.find("sasl.password=") + 14, 32);
  for (const auto& [from, to, said] :
       {std::tuple("sasl.password=", "sasl.password=x", "authentication"),
        std::tuple("/authority.pem", "/broker.pem", "certificate verify failed")}) {
    const std::string path = folder.Write("changed", absl::StrReplaceAll(text, {{from, to}}));
    const absl::Time start = absl::Now();
    const Ended refused = RunProgram({"--timeout", "50", "bus", "diff", "--kafka-settings", path});
    EXPECT_LT(absl::Now() - start, absl::Seconds(40));
    EXPECT_NE(refused.code, kExitOk);
    EXPECT_NE(refused.code, kExitRefused) << "this would say that something differs";
    EXPECT_THAT(refused.err, HasSubstr(said));
    EXPECT_THAT(refused.err + refused.out, Not(HasSubstr(password)));
  }
}

TEST_F(SecureBusTest, DifferencesComeAsJsonOneLineEach) {
  const Ended diff = Bus("diff", "admin", {"--json"});
  EXPECT_EQ(diff.code, kExitRefused);
  const auto first = nlohmann::json::parse(diff.out.substr(0, diff.out.find('\n')));
  EXPECT_EQ(first["action"], "make");
  EXPECT_EQ(first["done"], false);
  EXPECT_THAT(first["text"].get<std::string>(), StartsWith("topic " + prefix_ + "."));
}

// A broker that checks no rules, and dies.
class OpenBusTest : public ::testing::Test {
 protected:
  std::vector<std::string> Arguments(const std::string& verb,
                                     const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"bus",        verb, "--kafka", broker_.address(),
                                          "--replicas", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  // A consumer group says how far it is in partition 0.
  void Commit(const std::string& group, const std::string& topic, int64_t offset) {
    auto client =
        eventstore::OpenKafkaClient(RD_KAFKA_CONSUMER, broker_.settings(), {{"group.id", group}});
    ASSERT_TRUE(client.ok()) << client.status();
    rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic.c_str(), 0)->offset = offset;
    // The coordinator of a group may have been made this moment, or move.
    const absl::Time deadline = BrokerDeadline();
    rd_kafka_resp_err_t committed;
    do {
      committed = rd_kafka_commit(client->get(), list, 0);
    } while ((committed == RD_KAFKA_RESP_ERR_NOT_COORDINATOR ||
              committed == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
              committed == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE) &&
             absl::Now() < deadline);
    EXPECT_EQ(committed, RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
  }

  Broker broker_;
};

TEST_F(OpenBusTest, NoRulesAtAllAreToldUnlessThatIsKnown) {
  const Ended told = RunProgram(Arguments("apply"));
  EXPECT_EQ(told.code, kExitPartly) << told.err;
  EXPECT_EQ(Count(told.out, "by hand: the brokers check no access rules"), 1u) << told.out;
  EXPECT_EQ(RunProgram(Arguments("diff")).code, kExitRefused);
  const Ended known = RunProgram(Arguments("diff", {"--without-acls"}));
  EXPECT_EQ(known.code, kExitOk) << known.out;

  MemoryLog files{16};
  eventstore::EventLog& log = files.Open();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(log.AppendAndWait(AppendTo(Stream(RootIn(0)))).ok());
  }
  eventstore::Relay relay(log, {.settings = broker_.settings()});
  relay.Start();
  ASSERT_TRUE(relay.WaitForAll(absl::Now() + kBrokerTimeout).ok());
  relay.Stop();
  Commit("records.views.timeline", "records.log.v1", 2);
  Commit("somebody-else", "records.log.v1", 2);
  const Ended status = RunProgram({"--json", "bus", "status", "--kafka", broker_.address()});
  ASSERT_EQ(status.code, kExitOk) << status.err;
  const auto json = nlohmann::json::parse(status.out);
  ASSERT_EQ(json["topics"].size(), 6u);
  EXPECT_EQ(json["topics"][2]["name"], "records.log.v1");
  const int64_t end = json["topics"][2]["ends"][0];
  EXPECT_GE(end, 5);  // ends of transactions count too
  ASSERT_EQ(json["groups"].size(), 1u) << status.out;
  EXPECT_EQ(json["groups"][0]["group"], "records.views.timeline");
  EXPECT_EQ(json["groups"][0]["lag"], end - 2);
  EXPECT_THAT(RunProgram(Arguments("status")).out, HasSubstr("records.views.timeline"));
  const Ended missing = RunProgram(Arguments("status", {"--prefix", "other"}));
  EXPECT_EQ(Count(missing.err, "missing: other."), 6u);
}

TEST_F(OpenBusTest, ABrokerThatStandsStillEndsItInTimeAndItCanBeInterrupted) {
  broker_.Signal(SIGSTOP);
  std::vector<std::string> long_enough = Arguments("apply");
  long_enough.insert(long_enough.begin(), {"--timeout", "600"});
  Program waits(long_enough);
  const absl::Time start = absl::Now();
  std::vector<std::string> briefly = Arguments("apply");
  briefly.insert(briefly.begin(), {"--timeout", "2"});
  const Ended ended = RunProgram(briefly);
  EXPECT_EQ(ended.code, kExitUnreachable) << ended.out << ended.err;
  EXPECT_LT(absl::Now() - start, absl::Seconds(40));
  waits.Signal(SIGINT);
  EXPECT_EQ(waits.Wait(), 128 + SIGINT);
  broker_.Signal(SIGCONT);
  broker_.Kill();
  EXPECT_EQ(RunProgram(Arguments("apply")).code, kExitUnreachable);
  broker_.Start();
  EXPECT_EQ(RunProgram(Arguments("apply", {"--without-acls"})).code, kExitOk);
}

}  // namespace
}  // namespace records::tools
