#include "tools/bench/bus_consumer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/bus/list_offsets.h"
#include "eventstore/bus/topic_reader.h"
#include "eventstore/status_macros.h"
#include "records/log/v1/event.pb.h"

namespace records::bench {
namespace {

using eventstore::KafkaClient;
using eventstore::KafkaSettings;
using eventstore::KafkaStatus;
using eventstore::OffsetOf;
using eventstore::PartitionOffsets;
using eventstore::TopicReader;

constexpr absl::Duration kAnswer = absl::Seconds(30);
constexpr char kContactType[] = "records.events.v1.ContactRecorded";

// Where each partition ends now: a place to start that later records cannot overtake.
absl::Status AssignEnds(rd_kafka_t* client, const std::string& topic, int32_t partitions) {
  PartitionOffsets ends;
  for (int32_t partition = 0; partition < partitions; ++partition) ends[{topic, partition}] = 0;
  RETURN_IF_ERROR(ListOffsets(client, OffsetOf::kCommittedEnd, kAnswer, ends));
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(partitions);
  for (const auto& [partition, end] : ends) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition.second)->offset = end;
  }
  const rd_kafka_resp_err_t code = rd_kafka_assign(client, list);
  rd_kafka_topic_partition_list_destroy(list);
  return KafkaStatus(code, absl::StrCat("reading ", topic));
}

}  // namespace

absl::StatusOr<std::unique_ptr<BusConsumer>> BusConsumer::Start(const KafkaSettings& settings,
                                                                const std::string& topic) {
  ASSIGN_OR_RETURN(const auto reader, TopicReader::Open(settings));
  ASSIGN_OR_RETURN(const int32_t partitions, reader->CountPartitions(topic, kAnswer));
  ASSIGN_OR_RETURN(KafkaClient client,
                   eventstore::OpenKafkaClient(RD_KAFKA_CONSUMER, settings,
                                               {{"group.id", "bench"},
                                                {"isolation.level", "read_committed"},
                                                {"enable.auto.commit", "false"},
                                                {"enable.auto.offset.store", "false"}}));
  rd_kafka_poll_set_consumer(client.get());
  RETURN_IF_ERROR(AssignEnds(client.get(), topic, partitions));
  return std::unique_ptr<BusConsumer>(
      new BusConsumer(std::move(client), static_cast<size_t>(partitions)));
}

BusConsumer::BusConsumer(KafkaClient client, size_t partitions)
    : client_(std::move(client)), newest_us_(partitions, 0) {
  thread_ = std::thread([this] { Run(); });
}

BusConsumer::~BusConsumer() {
  stopping_ = true;
  thread_.join();
}

void BusConsumer::Run() {
  records::log::v1::Event event;
  while (!stopping_) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(client_.get(), 100);
    if (message == nullptr) continue;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      absl::MutexLock lock(&mutex_);
      error_.Update(KafkaStatus(message->err, "reading"));
    } else if (event.ParseFromArray(message->payload, static_cast<int>(message->len)) &&
               event.type() == kContactType) {
      Take(message->partition, event.occurred_at_us());
    }
    rd_kafka_message_destroy(message);
  }
}

void BusConsumer::Take(int32_t partition, int64_t occurred_at_us) {
  const absl::Time now = absl::Now();
  absl::MutexLock lock(&mutex_);
  if (!seen_.insert(occurred_at_us).second) ++repeated_;
  times_.Record(now - absl::FromUnixMicros(occurred_at_us));
  int64_t& newest = newest_us_[static_cast<size_t>(partition)];
  newest = std::max(newest, occurred_at_us);
}

void BusConsumer::StartTiming() {
  absl::MutexLock lock(&mutex_);
  times_ = {};
}

Histogram BusConsumer::Times() const {
  absl::MutexLock lock(&mutex_);
  return times_;
}

uint64_t BusConsumer::contacts() const {
  absl::MutexLock lock(&mutex_);
  return seen_.size();
}

uint64_t BusConsumer::repeated() const {
  absl::MutexLock lock(&mutex_);
  return repeated_;
}

std::optional<absl::Duration> BusConsumer::OldestAge() const {
  absl::MutexLock lock(&mutex_);
  const int64_t oldest = *std::min_element(newest_us_.begin(), newest_us_.end());
  if (oldest == 0) return std::nullopt;
  return absl::Now() - absl::FromUnixMicros(oldest);
}

absl::Status BusConsumer::WaitFor(uint64_t contacts, absl::Time deadline) const {
  absl::MutexLock lock(&mutex_);
  const auto settled = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return seen_.size() >= contacts || !error_.ok();
  };
  if (mutex_.AwaitWithDeadline(absl::Condition(&settled), deadline)) return error_;
  return absl::DeadlineExceededError(
      absl::StrCat("only ", seen_.size(), " of ", contacts, " contacts have come"));
}

}  // namespace records::bench
