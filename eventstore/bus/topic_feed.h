#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/bus/bus_record.h"
#include "eventstore/bus/internal/admin_call.h"
#include "eventstore/bus/kafka_settings.h"

namespace records::eventstore {

class TopicFeeds;

struct TopicFeedOptions {
  KafkaSettings settings;
  std::string topic;
  std::string group;  // what brokers know it as, and ask their access rules about
  // When nothing has come for so long, brokers are asked whether they are there: a client that has
  // lost all of them is silent, and a new one finds them again.
  absl::Duration silence_max = absl::Seconds(30);
};

// Reads one partition of a topic from an offset on: only what was committed. Nothing here waits for
// a broker, except that after a long silence one thread asks for two seconds.
//
// Not thread-safe; feeds of one client may be used by a thread each. Must not outlive the
// TopicFeeds that opened it.
class TopicFeed {
 public:
  ~TopicFeed();

  enum class Came { kNothing, kRecord, kEnd };
  // What is next: nothing yet, a record, or the end of what is committed by now. An error, as
  // KafkaStatus() says, is the end of this feed: open anew. One of the client is told by all its
  // feeds.
  [[nodiscard]] absl::StatusOr<Came> Next();

  // Whether more has come than was asked for.
  bool HasMore() const;

  // The record that came; its views are good until the next call.
  const LogTopicRecord& record() const { return record_; }

 private:
  friend class TopicFeeds;
  class Client;

  TopicFeed(TopicFeeds& feeds, Client& client, int32_t partition, std::function<void()> on_more);
  absl::Status Start(int64_t offset);
  // Whether there is more than what was taken from the queue.
  absl::StatusOr<bool> Refill();
  size_t Take();
  void LetGo();

  TopicFeeds& feeds_;
  Client& client_;
  const int32_t partition_;
  const std::function<void()> on_more_;  // told by a thread of librdkafka
  internal::KafkaQueue queue_;
  std::vector<rd_kafka_message_t*> messages_;  // `taken_` of them; null: given back
  size_t taken_ = 0;
  size_t next_ = 0;
  LogTopicRecord record_;
};

// Opens feeds of one topic, and owns their clients. Feeds share a client of librdkafka, so that a
// process has one connection and a few threads for all partitions; only a second feed of a
// partition needs a second client. A client ends with its last feed.
//
// Thread-safe.
class TopicFeeds {
 public:
  explicit TopicFeeds(TopicFeedOptions options);
  ~TopicFeeds();

  // `on_more` is called when something has come where nothing was: it must not block, nor call the
  // feed. kUnavailable, kInvalidArgument: as OpenKafkaClient().
  absl::StatusOr<std::unique_ptr<TopicFeed>> Open(uint32_t partition, int64_t offset,
                                                  std::function<void()> on_more);

 private:
  friend class TopicFeed;

  // A client that the partition is claimed of.
  absl::StatusOr<TopicFeed::Client*> ClientFor(int32_t partition);
  void Release(TopicFeed::Client& client, int32_t partition);

  const TopicFeedOptions options_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<TopicFeed::Client>> clients_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::eventstore
