#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/relay.h"
#include "eventstore/bus/topic_admin.h"
#include "eventstore/bus/topic_reader.h"
#include "tests/eventstore/temp_folder.h"

// What tests against a real broker share.
namespace records::eventstore::testing_support {

// Above what the slowest machine needs; what waits ends as soon as its condition holds.
inline constexpr absl::Duration kBrokerTimeout = absl::Seconds(180);

// When a wait that begins now is given up.
inline absl::Time BrokerDeadline() { return absl::Now() + kBrokerTimeout; }

// All counts, as the issue has them, not the small ones.
inline bool FullCounts() { return std::getenv("RECORDS_FULL") != nullptr; }

// A broker of tools/broker in a folder of its own; ended, and its folder removed, with the object.
// Where the test is killed first, the broker ends with its process. Tests run in the root of the
// tree.
class Broker {
 public:
  // `flags`: more of tools/broker, such as --secure.
  explicit Broker(const std::string& flags = "") { address_ = Run(absl::StrCat("start ", flags)); }
  ~Broker() { Run("stop --kill"); }
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  KafkaSettings settings() const { return *KafkaSettings::FromAddress(address_); }
  // Of a broker made with --secure: how that principal reaches it.
  KafkaSettings SettingsOf(const std::string& principal) const {
    return *KafkaSettings::FromFile(SettingsFileOf(principal));
  }
  std::string SettingsFileOf(const std::string& principal) const {
    return folder_ / absl::StrCat("broker/secrets/", principal, ".properties");
  }
  const std::string& address() const { return address_; }

  // kill -9, and a start on what it left.
  void Kill() { Run("stop --kill"); }
  void Stop() { Run("stop"); }
  void Start() { EXPECT_EQ(Run("start"), address_); }
  // SIGSTOP, SIGCONT.
  void Signal(int signal) {
    const std::string status = Run("status");  // "<address> pid <pid>"
    EXPECT_EQ(kill(std::atoi(status.substr(status.rfind(' ') + 1).c_str()), signal), 0);
  }

 private:
  std::string Run(const std::string& command) {
    const std::string line = absl::StrCat("tools/broker ", command, " --data ", folder_.path(),
                                          "/broker --memory 256 --with ", getpid());
    FILE* output = popen(line.c_str(), "r");
    if (output == nullptr) ADD_FAILURE() << "cannot run " << line;
    std::string text;
    char buffer[256];
    while (fgets(buffer, sizeof buffer, output) != nullptr) text += buffer;
    EXPECT_EQ(pclose(output), 0) << line;
    return std::string(absl::StripAsciiWhitespace(text));
  }

  TempFolder folder_;
  std::string address_;
};

// A topic that was just made is not known at once to who asks.
inline void WaitUntilThere(const KafkaSettings& settings, const TopicDescription& topic) {
  auto reader = TopicReader::Open(settings);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const absl::Time deadline = absl::Now() + kBrokerTimeout;
  absl::StatusOr<int32_t> count;
  do {
    count = (*reader)->CountPartitions(topic.name, kBrokerTimeout);
  } while ((!count.ok() || *count != topic.partitions) && absl::Now() < deadline);
  ASSERT_TRUE(count.ok()) << count.status();
}

// The topics that a relay of one log needs, and those of its work streams with fewer partitions.
inline void MakeTopics(const KafkaSettings& settings, const std::string& prefix, int32_t partitions,
                       const std::vector<std::string>& streams = {},
                       int32_t stream_partitions = 1) {
  auto admin = TopicAdmin::Open(settings);
  ASSERT_TRUE(admin.ok()) << admin.status();
  std::vector<TopicDescription> topics = {{.name = LogTopic(prefix),
                                           .partitions = partitions,
                                           .configuration = {{"retention.ms", "-1"}}},
                                          {.name = ProgressTopic(prefix),
                                           .partitions = 1,
                                           .configuration = {{"cleanup.policy", "compact"}}}};
  for (const std::string& stream : streams) {
    topics.push_back({.name = WorkTopic(prefix, stream),
                      .partitions = stream_partitions,
                      .configuration = {{"retention.ms", "-1"}}});
  }
  for (const TopicDescription& topic : topics) {
    const absl::Status status = (*admin)->Create(topic, kBrokerTimeout);
    ASSERT_TRUE(status.ok()) << status;
    WaitUntilThere(settings, topic);
  }
}

// Deletes a topic and makes it again, empty.
inline void MakeAnew(const KafkaSettings& settings, const TopicDescription& topic) {
  auto admin = TopicAdmin::Open(settings);
  ASSERT_TRUE(admin.ok()) << admin.status();
  ASSERT_TRUE((*admin)->Delete(topic.name, kBrokerTimeout).ok());
  // The deletion goes on behind.
  const absl::Time deadline = absl::Now() + kBrokerTimeout;
  absl::Status made = absl::UnknownError("");
  while (!(made = (*admin)->Create(topic, kBrokerTimeout)).ok() && absl::Now() < deadline) {
    std::this_thread::yield();
  }
  ASSERT_TRUE(made.ok()) << made;
  WaitUntilThere(settings, topic);
}

// Waits until no transaction is open in partitions of a topic: brokers acknowledge one before who
// reads what is committed sees it.
inline void WaitUntilCommitted(const KafkaSettings& settings, const std::string& topic,
                               const std::vector<int32_t>& partitions) {
  auto reader = TopicReader::Open(settings);
  ASSERT_TRUE(reader.ok()) << reader.status();
  // -1 while a broker does not say: one that has just come back may not lead yet.
  const auto find = [&](int32_t partition, OffsetOf which) {
    return (*reader)->FindOffset(topic, partition, which, kBrokerTimeout).value_or(-1);
  };
  for (const int32_t partition : partitions) {
    const absl::Time deadline = absl::Now() + kBrokerTimeout;
    int64_t written = -1;
    int64_t committed = -1;
    while (written < 0 || committed < written) {
      ASSERT_LT(absl::Now(), deadline) << topic << "/" << partition << " is committed up to "
                                       << committed << " of " << written << " (-1: not known)";
      if (written < 0) written = find(partition, OffsetOf::kWrittenEnd);
      committed = find(partition, OffsetOf::kCommittedEnd);
    }
  }
}

// All committed records of a partition, once no transaction is open there.
inline std::vector<BusRecord> ReadTopic(const KafkaSettings& settings, const std::string& topic,
                                        int32_t partition) {
  WaitUntilCommitted(settings, topic, {partition});
  auto reader = TopicReader::Open(settings);
  EXPECT_TRUE(reader.ok()) << reader.status();
  EXPECT_TRUE((*reader)->Seek(topic, partition, 0).ok());
  std::vector<BusRecord> all;
  const absl::Time deadline = absl::Now() + kBrokerTimeout;
  while (absl::Now() < deadline) {
    auto page = (*reader)->Read(10'000, absl::Seconds(1));
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) return all;
    for (BusRecord& record : page->records) all.push_back(std::move(record));
    if (page->at_end) return all;
  }
  ADD_FAILURE() << "the end of " << topic << "/" << partition << " was not reached";
  return all;
}

// One broker for all tests of a suite, and a prefix for each.
class BrokerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { broker_ = std::make_unique<Broker>(); }
  static void TearDownTestSuite() { broker_.reset(); }

  RelayOptions Options() {
    RelayOptions options{.settings = broker_->settings(), .prefix = prefix_};
    options.batch_events = 64;
    options.retry_wait = absl::Milliseconds(50);
    options.retry_wait_max = absl::Milliseconds(500);
    options.broker_timeout = absl::Seconds(20);
    return options;
  }

  // Until all that the log holds is published, and readers of the log's topic can see it.
  void WaitForAll(const Relay& relay) {
    const absl::Status status = relay.WaitForAll(absl::Now() + kBrokerTimeout);
    ASSERT_TRUE(status.ok()) << status;
    auto reader = TopicReader::Open(broker_->settings());
    ASSERT_TRUE(reader.ok()) << reader.status();
    const auto count = (*reader)->CountPartitions(LogTopic(prefix_), kBrokerTimeout);
    ASSERT_TRUE(count.ok()) << count.status();
    std::vector<int32_t> partitions(static_cast<size_t>(*count));
    std::iota(partitions.begin(), partitions.end(), 0);
    WaitUntilCommitted(broker_->settings(), LogTopic(prefix_), partitions);
  }

  inline static std::unique_ptr<Broker> broker_;
  const std::string prefix_ =
      absl::AsciiStrToLower(::testing::UnitTest::GetInstance()->current_test_info()->name());
};

}  // namespace records::eventstore::testing_support
