#include "eventstore/bus/topic_feed.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/internal/kafka_message.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using internal::CountPartitions;
using internal::IsLostConnection;
using internal::KafkaError;
using internal::KafkaMessage;
using internal::KafkaPartitions;
using internal::PartitionAt;
using std::chrono::steady_clock;

constexpr size_t kTakenAtOnce = 256;
// How long brokers are asked whether they are there.
constexpr absl::Duration kSilenceWait = absl::Seconds(2);

KafkaProperties ReadingAhead() {
  return {{"queued.max.messages.kbytes", "2048"},
          // A full queue is looked at again soon.
          {"fetch.queue.backoff.ms", "10"},
          // A partition that has room again waits for the question under way about the others.
          {"fetch.wait.max.ms", "100"},
          // A message keeps the whole answer that it came in, also what others had in it. Where all
          // partitions have about as much, one that is not read keeps so many times its own; at
          // worst an answer for each of its messages.
          {"fetch.max.bytes", "4194304"},
          {"queued.min.messages", "2000"}};
}

bool IsEnd(const rd_kafka_message_t& message) {
  return message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
}

}  // namespace

// A client of librdkafka and which partitions it reads. Thread-safe.
class TopicFeed::Client {
 public:
  static absl::StatusOr<std::unique_ptr<Client>> Open(const TopicFeedOptions& options) {
    ASSIGN_OR_RETURN(KafkaClient client,
                     internal::OpenKafkaReader(options.settings, options.group, ReadingAhead()));
    return std::make_unique<Client>(options, std::move(client));
  }

  Client(const TopicFeedOptions& options, KafkaClient client)
      : options_(options), client_(std::move(client)) {}

  rd_kafka_t* get() const { return client_.get(); }
  const std::string& topic() const { return options_.topic; }

  // Whether the partition is the caller's from now on: not once the client has ended, nor while
  // another has it.
  bool Claim(int32_t partition) {
    absl::MutexLock lock(&mutex_);
    return ended_.ok() && claimed_.insert(partition).second;
  }
  // Whether that was the last.
  bool Release(int32_t partition) {
    absl::MutexLock lock(&mutex_);
    claimed_.erase(partition);
    return claimed_.empty();
  }

  absl::Status ended() const {
    absl::MutexLock lock(&mutex_);
    return ended_;
  }
  absl::Status End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (ended_.ok()) ended_ = status;
    return status;
  }

  void Heard(const rd_kafka_message_t& first) {
    heard_at_ = steady_clock::now().time_since_epoch();
    if (first.err == RD_KAFKA_RESP_ERR_NO_ERROR || IsEnd(first)) gives_ = true;
  }

  // An error of one partition. A client that gave nothing since the one before ends: what it knows
  // of topics or brokers may be what is wrong, and none of its feeds loses by a new one.
  absl::Status PartitionError(const absl::Status& status) {
    return gives_.exchange(false) ? status : End(status);
  }

  // For who has found nothing: what the client has to say of itself, and whether it is still alive.
  absl::Status Serve() {
    const KafkaMessage message(rd_kafka_consumer_poll(client_.get(), 0));
    if (message != nullptr && message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
        !IsLostConnection(message->err)) {
      return End(KafkaStatus(message->err, "reading"));
    }
    return CheckSilence();
  }

 private:
  absl::Status CheckSilence() {
    const steady_clock::duration now = steady_clock::now().time_since_epoch();
    steady_clock::duration heard = heard_at_;
    if (now - heard < absl::ToChronoNanoseconds(options_.silence_max)) return absl::OkStatus();
    // One asks for all.
    if (!heard_at_.compare_exchange_strong(heard, now)) return absl::OkStatus();
    if (PLANTED_BUG("silent-reader-waits")) return absl::OkStatus();
    const auto counted = CountPartitions(client_.get(), options_.topic, kSilenceWait);
    if (counted.ok() || heard_at_.load() != now) return absl::OkStatus();
    return End(counted.status());
  }

  const TopicFeedOptions options_;
  const KafkaClient client_;
  std::atomic<steady_clock::duration> heard_at_{steady_clock::now().time_since_epoch()};
  std::atomic<bool> gives_{false};
  mutable absl::Mutex mutex_;
  std::set<int32_t> claimed_ ABSL_GUARDED_BY(mutex_);
  absl::Status ended_ ABSL_GUARDED_BY(mutex_);
};

TopicFeed::TopicFeed(TopicFeeds& feeds, Client& client, int32_t partition,
                     std::function<void()> on_more)
    : feeds_(feeds),
      client_(client),
      partition_(partition),
      on_more_(std::move(on_more)),
      queue_(rd_kafka_queue_get_partition(client_.get(), client_.topic().c_str(), partition)),
      messages_(kTakenAtOnce) {}

TopicFeed::~TopicFeed() {
  LetGo();
  rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
  const KafkaPartitions list = PartitionAt(client_.topic(), partition_, 0);
  const KafkaError ignored(rd_kafka_incremental_unassign(client_.get(), list.get()));
  // What was read ahead is of no use to who claims the partition next, and is let go of by this.
  taken_ = Take();
  LetGo();
  queue_.reset();
  feeds_.Release(client_, partition_);
}

absl::Status TopicFeed::Start(int64_t offset) {
  // Before it is assigned, or what comes first may go the way of the client's other messages.
  rd_kafka_queue_forward(queue_.get(), nullptr);
  rd_kafka_queue_cb_event_enable(
      queue_.get(),
      [](rd_kafka_t*, void* feed) { static_cast<const TopicFeed*>(feed)->on_more_(); }, this);
  const KafkaPartitions list = PartitionAt(client_.topic(), partition_, offset);
  const KafkaError error(rd_kafka_incremental_assign(client_.get(), list.get()));
  if (error == nullptr) return absl::OkStatus();
  return client_.End(KafkaStatus(rd_kafka_error_code(error.get()),
                                 absl::StrCat("reading ", client_.topic(), "/", partition_)));
}

void TopicFeed::LetGo() {
  for (size_t i = 0; i < taken_; ++i) {
    if (messages_[i] != nullptr) rd_kafka_message_destroy(std::exchange(messages_[i], nullptr));
  }
  next_ = taken_ = 0;
}

size_t TopicFeed::Take() {
  const ssize_t taken =
      rd_kafka_consume_batch_queue(queue_.get(), 0, messages_.data(), messages_.size());
  return static_cast<size_t>(std::max<ssize_t>(taken, 0));
}

bool TopicFeed::HasMore() const {
  return next_ < taken_ || rd_kafka_queue_length(queue_.get()) > 0;
}

absl::StatusOr<bool> TopicFeed::Refill() {
  RETURN_IF_ERROR(client_.ended());
  taken_ = Take();
  if (taken_ > 0) {
    client_.Heard(*messages_[0]);
    return true;
  }
  RETURN_IF_ERROR(client_.Serve());
  return false;
}

absl::StatusOr<TopicFeed::Came> TopicFeed::Next() {
  while (true) {
    if (next_ > 0) rd_kafka_message_destroy(std::exchange(messages_[next_ - 1], nullptr));
    if (next_ == taken_) {
      next_ = taken_ = 0;
      ASSIGN_OR_RETURN(const bool more, Refill());
      if (!more) return Came::kNothing;
    }
    const rd_kafka_message_t& message = *messages_[next_++];
    if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      record_ = internal::LogTopicRecordOf(message);
      return Came::kRecord;
    }
    if (IsEnd(message)) return Came::kEnd;
    if (!IsLostConnection(message.err)) {
      return client_.PartitionError(KafkaStatus(message.err, "reading"));
    }
  }
}

TopicFeeds::TopicFeeds(TopicFeedOptions options) : options_(std::move(options)) {}
TopicFeeds::~TopicFeeds() = default;

absl::StatusOr<TopicFeed::Client*> TopicFeeds::ClientFor(int32_t partition) {
  absl::MutexLock lock(&mutex_);
  for (const auto& client : clients_) {
    if (client->Claim(partition)) return client.get();
  }
  ASSIGN_OR_RETURN(clients_.emplace_back(), TopicFeed::Client::Open(options_));
  clients_.back()->Claim(partition);
  return clients_.back().get();
}

void TopicFeeds::Release(TopicFeed::Client& client, int32_t partition) {
  std::unique_ptr<TopicFeed::Client> last;  // ends without the lock: its threads are joined
  absl::MutexLock lock(&mutex_);
  if (!client.Release(partition)) return;
  const auto it = std::find_if(clients_.begin(), clients_.end(),
                               [&](const auto& known) { return known.get() == &client; });
  last = std::move(*it);
  clients_.erase(it);
}

absl::StatusOr<std::unique_ptr<TopicFeed>> TopicFeeds::Open(uint32_t partition, int64_t offset,
                                                            std::function<void()> on_more) {
  ASSIGN_OR_RETURN(TopicFeed::Client* const client, ClientFor(static_cast<int32_t>(partition)));
  std::unique_ptr<TopicFeed> feed(
      new TopicFeed(*this, *client, static_cast<int32_t>(partition), std::move(on_more)));
  RETURN_IF_ERROR(feed->Start(offset));
  return feed;
}

}  // namespace records::eventstore
