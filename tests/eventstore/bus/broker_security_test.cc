// A broker that demands TLS, SCRAM and ACLs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "tests/eventstore/bus/broker_fixture.h"

namespace records::eventstore {
namespace {

using testing_support::Broker;
using testing_support::kBrokerTimeout;
using testing_support::TempFolder;

class BrokerSecurityTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { broker_ = std::make_unique<Broker>("--secure"); }
  static void TearDownTestSuite() { broker_.reset(); }

  // The settings of a principal with something in them replaced.
  KafkaSettings Changed(const std::string& principal, const std::string& from,
                        const std::string& to) {
    std::stringstream text;
    text << std::ifstream(broker_->SettingsFileOf(principal)).rdbuf();
    const std::string path = folder_ / "changed.properties";
    std::ofstream(path) << absl::StrReplaceAll(text.str(), {{from, to}});
    chmod(path.c_str(), 0600);
    return *KafkaSettings::FromFile(path);
  }

  static absl::Status MakeTopic(const KafkaSettings& settings, absl::Duration timeout) {
    auto admin = TopicAdmin::Open(settings);
    if (!admin.ok()) return admin.status();
    return (*admin)->Create({.name = "secured"}, timeout);
  }

  static std::unique_ptr<Broker> broker_;
  TempFolder folder_;
};

std::unique_ptr<Broker> BrokerSecurityTest::broker_;

// SCRAM with a nonce sent twice, as librdkafka before 2.6.1 does, is refused by this broker.
TEST_F(BrokerSecurityTest, WhoHasThePasswordIsLetIn) {
  const absl::Status status = MakeTopic(broker_->SettingsOf("admin"), kBrokerTimeout);
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(BrokerSecurityTest, WhatNoAclAllowsIsRefused) {
  EXPECT_TRUE(absl::IsPermissionDenied(MakeTopic(broker_->SettingsOf("repairs"), kBrokerTimeout)));
}

TEST_F(BrokerSecurityTest, AnotherPasswordOrNoEncryptionIsNotLetIn) {
  const auto briefly = absl::Seconds(3);
  EXPECT_FALSE(MakeTopic(Changed("admin", "sasl.password=", "sasl.password=x"), briefly).ok());
  EXPECT_FALSE(MakeTopic(Changed("admin", "sasl_ssl", "plaintext"), briefly).ok());
  EXPECT_FALSE(MakeTopic(Changed("admin", "sasl_ssl", "ssl"), briefly).ok());
}

TEST_F(BrokerSecurityTest, ABrokerOfAnotherAuthorityIsNotTalkedTo) {
  EXPECT_FALSE(MakeTopic(Changed("admin", "/authority.pem", "/broker.pem"), absl::Seconds(3)).ok());
}

}  // namespace
}  // namespace records::eventstore
