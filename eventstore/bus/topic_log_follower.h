#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "eventstore/bus/topic_board.h"
#include "eventstore/bus/topic_chain.h"
#include "eventstore/bus/topic_feed.h"
#include "eventstore/log.h"

namespace records::eventstore {

struct TopicFollowerOptions {
  StoreId log;
  uint32_t partition_count = 0;
  // Before a new feed after an error; doubles up to the second.
  absl::Duration retry_wait = absl::Milliseconds(100);
  absl::Duration retry_wait_max = absl::Seconds(5);
};

// Follows one partition of the log's topic by a feed, in the thread that calls Next(): what is not
// asked for stays with the feed, which reads ahead so much and no more. A broker that is away is
// waited for; what the chain refuses is final.
//
// Next() is for one thread at a time, PlaceAt() and AtEnd() for any. Must not outlive board or
// feeds.
class TopicLogFollower final : public Follower, public PlaceSource {
 public:
  // Reads from behind `start` on and delivers what comes after `after`, which is not before it.
  TopicLogFollower(const TopicFollowerOptions& options, TopicPlace start, FollowOptions follow,
                   TopicBoard& board, TopicFeeds& feeds);
  ~TopicLogFollower() override;

  // As in Follower. kOutOfRange: the topic ends before `after`.
  absl::StatusOr<FollowMessage> Next(absl::Duration wait) override;

  std::optional<TopicPlace> PlaceAt(Position position) const override;
  bool AtEnd() const override { return at_end_.load(); }

 private:
  using Clock = std::chrono::steady_clock;

  // What there is to tell without a wait; nullopt: nothing.
  absl::StatusOr<std::optional<FollowMessage>> Poll();
  bool HasFeed();
  void RetryLater(const absl::Status& error);
  absl::Status Break(absl::Status status);
  // The event of the feed's record, where it is wanted.
  absl::StatusOr<std::optional<StoredEvent>> TakeRecord();
  absl::StatusOr<bool> TakeEnd();
  void SayHealthy();
  FollowMessage MessageWithoutEvent() const;

  const TopicFollowerOptions options_;
  const Position after_;
  const absl::flat_hash_set<std::string> types_;  // empty: all
  TopicBoard& board_;
  TopicFeeds& feeds_;

  TopicChain chain_;
  int64_t next_offset_;
  bool healthy_ = false;  // and the board knows
  bool said_caught_up_ = false;
  absl::Duration retry_wait_;
  Clock::time_point retry_at_ = Clock::time_point::min();
  absl::Status broken_;
  std::atomic<bool> at_end_{false};

  mutable absl::Mutex places_mutex_;
  TopicPlace current_ ABSL_GUARDED_BY(places_mutex_);   // of the last message
  TopicPlace previous_ ABSL_GUARDED_BY(places_mutex_);  // of the one before

  std::unique_ptr<TopicFeed> feed_;  // none: to be opened at retry_at_
};

}  // namespace records::eventstore
