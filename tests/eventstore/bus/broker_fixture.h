#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
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
#include "eventstore/bus/transactional_producer.h"
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

// Asks brokers until they answer. After each error another client asks: one that is told that there
// are no brokers, as one that has just come back may say, has lost them for good (librdkafka issue
// 5301).
class BrokerQuestions {
 public:
  explicit BrokerQuestions(const KafkaSettings& settings) : settings_(settings) {}

  // Until `is_wanted` takes the answer; returns the last one, which may be another once
  // kBrokerTimeout is over.
  using Partitions = absl::StatusOr<int32_t>;
  Partitions CountPartitions(const std::string& topic,
                             const std::function<bool(const Partitions&)>& is_wanted) {
    return AskUntil<Partitions>(
        [&](TopicReader& reader) { return reader.CountPartitions(topic, kOneQuestion); },
        is_wanted);
  }

  // As CountPartitions(), until it is `least` or more.
  absl::StatusOr<int64_t> FindOffset(const std::string& topic, int32_t partition, OffsetOf which,
                                     int64_t least) {
    return AskUntil<absl::StatusOr<int64_t>>(
        [&](TopicReader& reader) {
          return reader.FindOffset(topic, partition, which, kOneQuestion);
        },
        [&](const absl::StatusOr<int64_t>& found) { return found.ok() && *found >= least; });
  }

 private:
  static constexpr absl::Duration kOneQuestion = absl::Seconds(5);

  template <typename Answer>
  Answer AskUntil(const std::function<Answer(TopicReader&)>& question,
                  const std::function<bool(const Answer&)>& is_wanted) {
    const absl::Time deadline = BrokerDeadline();
    while (true) {
      if (reader_ == nullptr) {
        auto opened = TopicReader::Open(settings_);
        if (!opened.ok()) return opened.status();
        reader_ = *std::move(opened);
      }
      Answer answer = question(*reader_);
      if (!answer.ok()) reader_.reset();
      if (is_wanted(answer) || absl::Now() >= deadline) return answer;
    }
  }

  const KafkaSettings settings_;
  std::unique_ptr<TopicReader> reader_;
};

// A topic that was just made is not known at once to who asks, nor to who leads its partitions.
inline void WaitUntilThere(const KafkaSettings& settings, const TopicDescription& topic) {
  BrokerQuestions questions(settings);
  const auto count = questions.CountPartitions(
      topic.name, [&](const auto& found) { return found.ok() && *found == topic.partitions; });
  ASSERT_TRUE(count.ok()) << count.status();
  ASSERT_EQ(*count, topic.partitions) << topic.name;
  for (int32_t partition = 0; partition < topic.partitions; ++partition) {
    const auto end = questions.FindOffset(topic.name, partition, OffsetOf::kCommittedEnd, 0);
    ASSERT_TRUE(end.ok()) << end.status();
  }
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
  // The deletion goes on behind: the old topic must not be taken for the new one.
  const auto old = BrokerQuestions(settings).CountPartitions(
      topic.name, [](const auto& found) { return absl::IsNotFound(found.status()); });
  ASSERT_TRUE(absl::IsNotFound(old.status())) << topic.name << " is still there: " << old.status();
  const absl::Time deadline = BrokerDeadline();
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
  BrokerQuestions questions(settings);
  for (const int32_t partition : partitions) {
    const auto written = questions.FindOffset(topic, partition, OffsetOf::kWrittenEnd, 0);
    ASSERT_TRUE(written.ok()) << written.status();
    const auto committed =
        questions.FindOffset(topic, partition, OffsetOf::kCommittedEnd, *written);
    ASSERT_TRUE(committed.ok()) << committed.status();
    ASSERT_GE(*committed, *written) << topic << "/" << partition << " has an open transaction";
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
    const auto count =
        BrokerQuestions(broker_->settings())
            .CountPartitions(LogTopic(prefix_), [](const auto& found) { return found.ok(); });
    ASSERT_TRUE(count.ok()) << count.status();
    std::vector<int32_t> partitions(static_cast<size_t>(*count));
    std::iota(partitions.begin(), partitions.end(), 0);
    WaitUntilCommitted(broker_->settings(), LogTopic(prefix_), partitions);
  }

  // Records that some other writer puts into a topic.
  void Intrude(const std::vector<BusRecord>& records) {
    auto producer = TransactionalProducer::Start(broker_->settings(),
                                                 {.transactional_id = prefix_ + "-intruder"});
    ASSERT_TRUE(producer.ok()) << producer.status();
    ASSERT_TRUE((*producer)->Write(records).ok());
  }

  // Until `condition` takes what `watched`, such as a relay, says of itself; returns what that was.
  template <typename Watched, typename Condition>
  static auto WaitForStatus(const Watched& watched, Condition condition) {
    const absl::Time deadline = BrokerDeadline();
    auto status = watched.GetStatus();
    while (!condition(status) && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(5));  // lint: allow(sleep) leaves the broker the processor
      status = watched.GetStatus();
    }
    EXPECT_TRUE(condition(status)) << "never came";
    return status;
  }

  inline static std::unique_ptr<Broker> broker_;
  const std::string prefix_ =
      absl::AsciiStrToLower(::testing::UnitTest::GetInstance()->current_test_info()->name());
};

}  // namespace records::eventstore::testing_support
