#include "eventstore/bus/kafka_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/eventstore/temp_folder.h"

namespace records::eventstore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using testing_support::TempFolder;

class KafkaSettingsTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_ / "kafka.properties";
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }

  TempFolder folder_;
};

TEST_F(KafkaSettingsTest, BrokersOnThisMachineNeedNoFile) {
  for (const char* address :
       {"127.0.0.1:9092", "localhost:1", "[::1]:9092", "127.0.0.1:1,127.0.0.1:2"}) {
    const auto settings = KafkaSettings::FromAddress(address);
    ASSERT_TRUE(settings.ok()) << settings.status();
    EXPECT_THAT(settings->properties(), ElementsAre(Pair("bootstrap.servers", address)));
  }
}

TEST_F(KafkaSettingsTest, ABrokerElsewhereIsRefusedInTheClear) {
  EXPECT_THAT(KafkaSettings::FromAddress("kafka.example:9092").status().message(),
              HasSubstr("settings file with TLS"));
  EXPECT_FALSE(KafkaSettings::FromAddress("127.0.0.1:9092,10.0.0.1:9092").ok());
}

TEST_F(KafkaSettingsTest, WhatIsNoAddressIsRefused) {
  for (const char* address : {"", "localhost", "localhost:", ":9092", "localhost:0",
                              "localhost:65536", "localhost:9092,", "localhost:x"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(KafkaSettings::FromAddress(address).status())) << address;
  }
}

TEST_F(KafkaSettingsTest, AFileSaysHowABrokerElsewhereIsReached) {
  const auto settings = KafkaSettings::FromFile(
      Write("# the broker\n\nbootstrap.servers = kafka.example:9093\nsecurity.protocol=sasl_ssl\n"
            "sasl.password = a=b\n"));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_THAT(settings->properties(),
              ElementsAre(Pair("bootstrap.servers", "kafka.example:9093"),
                          Pair("security.protocol", "sasl_ssl"), Pair("sasl.password", "a=b")));
}

TEST_F(KafkaSettingsTest, AFileForBrokersElsewhereWithoutTlsIsRefused) {
  const std::string remote = "bootstrap.servers=localhost:1, kafka.example:9093\n";
  for (const char* more :
       {"", "security.protocol=plaintext\n", "security.protocol=sasl_plaintext\n",
        "security.protocol=ssl\nssl.endpoint.identification.algorithm=none\n"}) {
    const auto status = KafkaSettings::FromFile(Write(remote + more)).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << more << status;
    EXPECT_THAT(status.message(), HasSubstr("sasl_ssl"));
  }
  EXPECT_TRUE(KafkaSettings::FromFile(Write(remote + "security.protocol=SSL\n")).ok());
}

TEST_F(KafkaSettingsTest, ASecretThatOthersMayReadIsRefused) {
  const std::string text = "bootstrap.servers=localhost:9093\nsasl.password=hunter2\n";
  const auto status = KafkaSettings::FromFile(Write(text, 0640)).status();
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("chmod 600"));
  EXPECT_TRUE(KafkaSettings::FromFile(Write("bootstrap.servers=localhost:1\n", 0644)).ok());
}

TEST_F(KafkaSettingsTest, WhatIsTheProgramsToSetIsRefusedByLineWithoutItsValue) {
  const auto status =
      KafkaSettings::FromFile(Write("bootstrap.servers=localhost:1\ntransactional.id=hunter2\n"))
          .status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("line 2"));
  EXPECT_THAT(status.message(), Not(HasSubstr("hunter2")));
  EXPECT_FALSE(KafkaSettings::FromFile(Write("bootstrap.servers\n")).ok());
}

TEST_F(KafkaSettingsTest, AFileWithoutBrokersOrNoFileIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(KafkaSettings::FromFile(Write("")).status()));
  EXPECT_TRUE(absl::IsNotFound(KafkaSettings::FromFile(folder_ / "absent").status()));
}

}  // namespace
}  // namespace records::eventstore
