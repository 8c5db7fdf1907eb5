#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/topic_board.h"
#include "eventstore/bus/topic_chain.h"
#include "eventstore/bus/topic_probe.h"
#include "eventstore/bus/topic_reader.h"
#include "eventstore/log.h"

namespace records::eventstore {

struct TopicFollowerOptions {
  KafkaSettings settings;
  std::string topic;
  std::string group;
  StoreId log;
  uint32_t partition_count = 0;
  // Before a new reader after an error; doubles up to the second.
  absl::Duration retry_wait = absl::Milliseconds(100);
  absl::Duration retry_wait_max = absl::Seconds(5);
  // How often a follower that has not come to the end asks where that is.
  absl::Duration head_refresh = absl::Seconds(5);
  // When nothing has come for so long, brokers are asked whether they are there: a client that has
  // lost all of them is silent, and a new one finds them again.
  absl::Duration silence_max = absl::Seconds(30);
  size_t buffered_bytes = 2 * 1024 * 1024;
  int fetch_queue_kbytes = 2048;
};

// Follows one partition of the log's topic with a reader and a thread of its own, which fills a
// bounded buffer. A broker that is away is waited for; what the chain refuses is final.
//
// Next() is for one thread at a time, PlaceAt() for any. Must not outlive board or probe.
class TopicLogFollower final : public Follower, public PlaceSource {
 public:
  // Reads from behind `start` on and delivers what comes after `after`, which is not before it.
  TopicLogFollower(const TopicFollowerOptions& options, TopicPlace start, FollowOptions follow,
                   TopicBoard& board, TopicProbe& probe);
  ~TopicLogFollower() override;

  // As in Follower. kOutOfRange: the topic ends before `after`.
  absl::StatusOr<FollowMessage> Next(absl::Duration wait) override;

  std::optional<TopicPlace> PlaceAt(Position position) const override;

 private:
  struct Item {
    StoredEvent event;  // without its content where it is not wanted
    bool wanted = false;
    int64_t offset = 0;
    Digest leaf{};
  };
  struct Page {
    std::vector<Item> items;
    size_t bytes = 0;
  };

  // The thread's part.
  void Run();
  absl::Status ReadUntilError();
  absl::Status ReadPage(TopicReader& reader);
  absl::StatusOr<Item> ItemOf(const LogTopicRecord& record);
  // Nothing came just now. kUnavailable: nor in a long while, and no broker answers.
  absl::Status CheckSilence(TopicReader& reader);
  absl::Status Buffer(Page page, bool at_end);
  bool WaitForRoom() const;
  void RefreshHead();
  void WaitToRetry(absl::Duration wait) const;
  bool Stopping() const;
  void Break(absl::Status status);

  // The reader's part.
  bool TakePage(absl::Duration wait);
  absl::StatusOr<FollowMessage> WithoutEvent();

  const TopicFollowerOptions options_;
  const Position after_;
  const absl::flat_hash_set<std::string> types_;  // empty: all
  TopicBoard& board_;
  TopicProbe& probe_;

  // Touched by the thread alone.
  TopicChain chain_;
  int64_t next_offset_;
  bool came_ = false;                               // something, since the last error
  std::chrono::steady_clock::time_point heard_at_;  // something, or of brokers
  absl::Time next_refresh_ = absl::InfinitePast();

  // Touched by Next() alone.
  Page taken_;
  size_t next_taken_ = 0;
  bool said_caught_up_ = false;

  mutable absl::Mutex places_mutex_;
  TopicPlace current_ ABSL_GUARDED_BY(places_mutex_);   // of the last message
  TopicPlace previous_ ABSL_GUARDED_BY(places_mutex_);  // of the one before

  mutable absl::Mutex mutex_;
  std::deque<Page> buffer_ ABSL_GUARDED_BY(mutex_);
  size_t buffer_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t taken_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool at_end_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace records::eventstore
