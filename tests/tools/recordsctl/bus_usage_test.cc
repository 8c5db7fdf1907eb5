// `recordsctl bus` and what is wrong on its command line: no broker is needed to say so.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/recordsctl/program.h"
#include "tools/recordsctl/exit_codes.h"

namespace records::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

#ifdef RECORDS_HAS_KAFKA

class BusUsageTest : public ::testing::Test {
 protected:
  // Runs `bus diff` with these flags, which are wrong, and returns what is said.
  std::string Refused(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"bus", "diff"});
    Program program(flags);
    EXPECT_EQ(program.Wait(), kExitUsage);
    EXPECT_THAT(program.out(), IsEmpty());
    return program.err();
  }

  TestFolder folder_;
};

TEST_F(BusUsageTest, BrokersAreNamedOnce) {
  EXPECT_THAT(Refused({}), HasSubstr("--kafka ADDRESS or by --kafka-settings FILE"));
  EXPECT_THAT(Refused({"--kafka", "127.0.0.1:1", "--kafka-settings", "f"}), HasSubstr("ADDRESS"));
}

TEST_F(BusUsageTest, ABrokerElsewhereNeedsTls) {
  EXPECT_THAT(Refused({"--kafka", "kafka.example:9092"}), HasSubstr("settings file with TLS"));
}

TEST_F(BusUsageTest, AFileOfSettingsIsRefusedWithoutItsSecrets) {
  const std::string text = "bootstrap.servers=127.0.0.1:1\nsasl.password=hunter2\n";
  const std::string open = Refused({"--kafka-settings", folder_.Write("open", text, 0644)});
  EXPECT_THAT(open, HasSubstr("chmod 600"));
  const std::string odd =
      Refused({"--kafka-settings", folder_.Write("odd", text + "sasl.passwords=hunter2\n")});
  EXPECT_THAT(odd, HasSubstr("sasl.passwords is refused"));
  EXPECT_THAT(open + odd, Not(HasSubstr("hunter2")));
  EXPECT_THAT(Refused({"--kafka-settings", folder_.path("absent")}), HasSubstr("cannot read"));
}

TEST_F(BusUsageTest, ARegisterThatIsWrongIsRefusedWithEachFault) {
  const std::string said = Refused(
      {"--kafka", "127.0.0.1:1", "--topics", folder_.Write("topics", "topics { name: \"Bad\" }")});
  EXPECT_THAT(said, HasSubstr("topic 'Bad': the name is not"));
  EXPECT_THAT(said, HasSubstr("topic 'Bad': has no kind"));
  EXPECT_THAT(Refused({"--kafka", "127.0.0.1:1", "--topics", folder_.Write("x", "topics {")}),
              HasSubstr("x:1:"));
  EXPECT_THAT(Refused({"--kafka", "127.0.0.1:1", "--topics", folder_.path("absent")}),
              HasSubstr("cannot open"));
}

TEST_F(BusUsageTest, APrefixWithDotsOrTooManyReplicasAreRefused) {
  EXPECT_THAT(Refused({"--kafka", "127.0.0.1:1", "--prefix", "a.b"}), HasSubstr("the prefix"));
  EXPECT_THAT(Refused({"--kafka", "127.0.0.1:1", "--replicas", "0"}), HasSubstr("--replicas"));
}

TEST_F(BusUsageTest, WhereNobodyListensThatIsSaidWithinSeconds) {
  for (const char* verb : {"apply", "diff", "status"}) {
    Program program({"bus", verb, "--kafka", "127.0.0.1:1"});
    EXPECT_EQ(program.Wait(), kExitUnreachable);
    EXPECT_THAT(program.err(), HasSubstr("Connection refused"));
  }
}

#else

TEST(BusUsageTest, WithoutLibrdkafkaThatIsSaid) {
  for (const char* verb : {"apply", "diff", "status"}) {
    Program program({"bus", verb, "--kafka", "127.0.0.1:1"});
    EXPECT_EQ(program.Wait(), kExitUsage);
    EXPECT_THAT(program.err(), HasSubstr("built without librdkafka"));
    EXPECT_THAT(program.err(), HasSubstr("tools/setup --kafka"));
  }
}

TEST(BusUsageTest, WithoutLibrdkafkaNoTailIsRestored) {
  Program program({"backup", "restore", "--log", "x", "--keys", "x", "--erasure-ledger", "x",
                   "--master-key", "x", "--to", "x", "--tail-from-kafka", "127.0.0.1:1"});
  EXPECT_EQ(program.Wait(), kExitUsage);
  EXPECT_THAT(program.err(), HasSubstr("built without Kafka"));
}

#endif

}  // namespace
}  // namespace records::tools
