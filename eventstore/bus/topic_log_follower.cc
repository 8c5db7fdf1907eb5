#include "eventstore/bus/topic_log_follower.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

using Came = TopicFeed::Came;

// After so many events that nobody wants it says how far it is.
constexpr int kPassedMax = 512;
// How long it waits for what comes before it looks whether a feed is to be opened again.
constexpr absl::Duration kLookWait = absl::Milliseconds(50);

}  // namespace

TopicLogFollower::TopicLogFollower(const TopicFollowerOptions& options, TopicPlace start,
                                   FollowOptions follow, TopicBoard& board, TopicFeeds& feeds)
    : options_(options),
      after_(follow.after),
      types_(follow.types.begin(), follow.types.end()),
      board_(board),
      feeds_(feeds),
      chain_(options.log, options.partition_count, start.position),
      next_offset_(start.offset + 1),
      retry_wait_(options.retry_wait),
      current_(start),
      previous_(std::move(start)) {
  board_.Add(after_.partition, this);
}

TopicLogFollower::~TopicLogFollower() { board_.Remove(after_.partition, this); }

bool TopicLogFollower::HasFeed() {
  if (feed_ != nullptr) return true;
  if (Clock::now() < retry_at_) return false;
  auto feed = feeds_.Open(after_.partition, next_offset_, [this] {
    at_end_ = false;
    board_.Arrived();
  });
  if (!feed.ok()) {
    RetryLater(feed.status());
    return false;
  }
  feed_ = *std::move(feed);
  return true;
}

void TopicLogFollower::RetryLater(const absl::Status& error) {
  feed_.reset();
  at_end_ = healthy_ = false;
  board_.SetError(after_.partition, this, error);
  retry_at_ = Clock::now() + absl::ToChronoNanoseconds(retry_wait_);
  retry_wait_ = std::min(retry_wait_ * 2, options_.retry_wait_max);
}

absl::Status TopicLogFollower::Break(absl::Status status) {
  feed_.reset();
  board_.SetError(after_.partition, this, status);
  broken_ = status;
  return status;
}

void TopicLogFollower::SayHealthy() {
  if (std::exchange(healthy_, true)) return;
  board_.SetError(after_.partition, this, absl::OkStatus());
  retry_wait_ = options_.retry_wait;
}

absl::StatusOr<std::optional<StoredEvent>> TopicLogFollower::TakeRecord() {
  const LogTopicRecord& record = feed_->record();
  auto event = chain_.Take(record);
  if (!event.ok()) return Break(event.status());
  if (!PLANTED_BUG("follower-place-not-kept")) next_offset_ = record.offset + 1;
  at_end_ = false;
  SayHealthy();
  board_.RaiseHead(chain_.last());
  {
    const Digest leaf = HashLeaf(event->bytes);
    absl::MutexLock lock(&places_mutex_);
    current_.Advance(event->position, record.offset, leaf);
  }
  const bool wanted = event->position.sequence > after_.sequence &&
                      (types_.empty() || types_.contains(event->event.type()));
  if (!wanted) return std::nullopt;
  return *std::move(event);
}

// Whether that is news.
absl::StatusOr<bool> TopicLogFollower::TakeEnd() {
  if (chain_.last().sequence < after_.sequence) {
    return Break(absl::OutOfRangeError(absl::StrCat(
        "the topic ends with event ", chain_.last().sequence, ", before ", after_.sequence)));
  }
  at_end_ = true;
  // What has come since may have said otherwise before.
  if (feed_->HasMore()) at_end_ = false;
  SayHealthy();
  return !std::exchange(said_caught_up_, true);
}

FollowMessage TopicLogFollower::MessageWithoutEvent() const {
  FollowMessage message;
  absl::MutexLock lock(&places_mutex_);
  message.checkpoint = std::max(current_.position, after_);
  return message;
}

absl::StatusOr<std::optional<FollowMessage>> TopicLogFollower::Poll() {
  if (board_.closed()) return absl::CancelledError("the log was closed");
  RETURN_IF_ERROR(broken_);
  if (!HasFeed()) return std::nullopt;
  for (int passed = 0; passed < kPassedMax; ++passed) {
    const auto came = feed_->Next();
    if (!came.ok()) {
      RetryLater(came.status());
      return std::nullopt;
    }
    if (*came == Came::kNothing) {
      if (passed == 0) return std::nullopt;
      break;
    }
    if (*came == Came::kEnd) {
      ASSIGN_OR_RETURN(const bool news, TakeEnd());
      if (!news) continue;
      FollowMessage message = MessageWithoutEvent();
      message.kind = FollowMessage::Kind::kCaughtUp;
      return message;
    }
    ASSIGN_OR_RETURN(auto event, TakeRecord());
    if (!event.has_value()) continue;
    FollowMessage message;
    message.kind = FollowMessage::Kind::kEvent;
    message.checkpoint = event->position;
    message.event = *std::move(event);
    return message;
  }
  return MessageWithoutEvent();
}

absl::StatusOr<FollowMessage> TopicLogFollower::Next(absl::Duration wait) {
  {
    absl::MutexLock lock(&places_mutex_);
    if (previous_.position != current_.position) previous_ = current_;
  }
  ASSIGN_OR_RETURN(auto message, Poll());
  const Clock::time_point begin = Clock::now();
  while (!message.has_value()) {
    const absl::Duration left = wait - absl::FromChrono(Clock::now() - begin);
    if (left <= absl::ZeroDuration()) return MessageWithoutEvent();
    // Asked before the feed is, so that nothing comes in between unseen.
    const uint64_t seen =
        board_.WaitForBatch(std::numeric_limits<uint64_t>::max(), absl::ZeroDuration());
    ASSIGN_OR_RETURN(message, Poll());
    if (!message.has_value()) board_.WaitForBatch(seen, std::min(left, kLookWait));
  }
  return *std::move(message);
}

std::optional<TopicPlace> TopicLogFollower::PlaceAt(Position position) const {
  absl::MutexLock lock(&places_mutex_);
  if (current_.position == position) return current_;
  if (previous_.position == position) return previous_;
  return std::nullopt;
}

}  // namespace records::eventstore
