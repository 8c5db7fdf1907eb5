#include "tools/bench/broker.h"

#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/bus/bus_plan.h"
#include "eventstore/bus/topic_admin.h"
#include "eventstore/bus/topic_reader.h"
#include "eventstore/bus/topic_register.h"
#include "eventstore/status_macros.h"

namespace records::bench {
namespace {

using eventstore::TopicAdmin;
using eventstore::TopicDescription;
using eventstore::TopicReader;

constexpr absl::Duration kPatience = absl::Minutes(3);
constexpr absl::Duration kAnswer = absl::Seconds(30);
constexpr absl::Duration kPoll = absl::Milliseconds(20);

absl::StatusOr<std::string> ReadText(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path.string()));
  return text.str();
}

// The tree that the program of the broker is of.
std::filesystem::path RootOf(const std::filesystem::path& program) {
  return program.parent_path().parent_path();
}

// A topic that was just made is not known at once to who asks.
absl::Status WaitUntilThere(TopicReader& reader, const TopicDescription& topic) {
  const absl::Time until = absl::Now() + kAnswer;
  while (absl::Now() < until) {
    const auto count = reader.CountPartitions(topic.name, kAnswer);
    if (count.ok() && *count == topic.partitions) return absl::OkStatus();
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(kPoll));
  }
  return absl::UnavailableError(absl::StrCat("the topic ", topic.name, " is not there"));
}

}  // namespace

absl::StatusOr<std::map<std::string, TopicDescription>> TopicsOf(
    const std::filesystem::path& program, const std::string& prefix) {
  const auto path = RootOf(program) / "deploy/kafka/topics.textproto";
  ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  ASSIGN_OR_RETURN(const auto reg, eventstore::ParseTopicRegister(path.string(), text));
  return eventstore::WantedBus(reg, {.prefix = prefix, .replicas_max = 1, .with_rules = false})
      .topics;
}

Broker::Broker(std::filesystem::path program, std::unique_ptr<TemporaryFolder> folder)
    : program_(std::move(program)), folder_(std::move(folder)) {}

absl::Status Broker::Run(const std::string& command, const std::filesystem::path& output) const {
  std::vector<std::string> words = {program_.string(), command, "--data",
                                    (folder_->path() / "broker").string()};
  if (command == "start") {
    words.insert(words.end(), {"--with", std::to_string(getpid())});
  } else {
    words.push_back("--kill");
  }
  ASSIGN_OR_RETURN(auto process, Process::Start(words, output));
  return process->Wait(kPatience);
}

absl::StatusOr<std::unique_ptr<Broker>> Broker::Start(const BenchOptions& options) {
  ASSIGN_OR_RETURN(auto folder, TemporaryFolder::Make(options.programs.work));
  const auto output = folder->path() / "start.log";
  std::unique_ptr<Broker> broker(
      new Broker(std::filesystem::absolute(options.programs.broker), std::move(folder)));
  RETURN_IF_ERROR(broker->Run("start", output));
  std::ifstream said(output);
  // Its last line is the address.
  for (std::string line; std::getline(said, line);) broker->address_ = line;
  RETURN_IF_ERROR(eventstore::KafkaSettings::FromAddress(broker->address_).status());
  return broker;
}

Broker::~Broker() { (void)Run("stop", folder_->path() / "stop.log"); }

eventstore::KafkaSettings Broker::settings() const {
  return *eventstore::KafkaSettings::FromAddress(address_);
}

absl::Duration Broker::CpuTime() const {
  std::ifstream file(folder_->path() / "broker" / "pid");
  pid_t pid = 0;
  file >> pid;
  return CpuTimeOf(pid);
}

absl::Status Broker::MakeTopics(const std::string& prefix) const {
  ASSIGN_OR_RETURN(const auto topics, TopicsOf(program_, prefix));
  ASSIGN_OR_RETURN(const auto admin, TopicAdmin::Open(settings()));
  ASSIGN_OR_RETURN(const auto reader, TopicReader::Open(settings()));
  for (const auto& [name, topic] : topics) RETURN_IF_ERROR(admin->Create(topic, kAnswer));
  for (const auto& [name, topic] : topics) RETURN_IF_ERROR(WaitUntilThere(*reader, topic));
  return absl::OkStatus();
}

absl::Status Broker::DropTopics(const std::string& prefix) const {
  ASSIGN_OR_RETURN(const auto topics, TopicsOf(program_, prefix));
  ASSIGN_OR_RETURN(const auto admin, TopicAdmin::Open(settings()));
  for (const auto& [name, topic] : topics) RETURN_IF_ERROR(admin->Delete(name, kAnswer));
  return absl::OkStatus();
}

}  // namespace records::bench
