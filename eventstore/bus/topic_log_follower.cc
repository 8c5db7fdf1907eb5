#include "eventstore/bus/topic_log_follower.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/clock.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

constexpr size_t kPageRecords = 512;
constexpr size_t kPageReserve = 64;
// How long a page is waited for before the thread looks whether it shall end.
constexpr absl::Duration kPageWait = absl::Milliseconds(50);

// How long brokers are asked whether they are there. The thread does not look meanwhile.
constexpr absl::Duration kSilenceWait = absl::Seconds(2);

// What an item costs besides its bytes.
constexpr size_t kItemOverhead = 512;

}  // namespace

TopicLogFollower::TopicLogFollower(const TopicFollowerOptions& options, TopicPlace start,
                                   FollowOptions follow, TopicBoard& board, TopicProbe& probe)
    : options_(options),
      after_(follow.after),
      types_(follow.types.begin(), follow.types.end()),
      board_(board),
      probe_(probe),
      chain_(options.log, options.partition_count, start.position),
      next_offset_(start.offset + 1),
      current_(start),
      previous_(std::move(start)) {
  board_.Add(after_.partition, this);
  thread_ = std::thread([this] { Run(); });
}

TopicLogFollower::~TopicLogFollower() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  board_.Remove(after_.partition, this);
}

bool TopicLogFollower::Stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_ || board_.closed();
}

void TopicLogFollower::Run() {
  absl::Duration wait = options_.retry_wait;
  while (!Stopping()) {
    const absl::Status status = ReadUntilError();
    if (absl::IsDataLoss(status) || absl::IsOutOfRange(status)) return Break(status);
    if (status.ok()) return;
    board_.SetError(after_.partition, status);
    if (std::exchange(came_, false)) wait = options_.retry_wait;
    WaitToRetry(wait);
    wait = std::min(wait * 2, options_.retry_wait_max);
  }
}

absl::Status TopicLogFollower::ReadUntilError() {
  ASSIGN_OR_RETURN(
      const auto reader,
      TopicReader::Open(options_.settings, options_.group,
                        {{"queued.max.messages.kbytes", absl::StrCat(options_.fetch_queue_kbytes)},
                         // A full queue is looked at again soon, and an idle broker
                         // is not asked a hundred times a second.
                         {"fetch.queue.backoff.ms", "10"},
                         {"fetch.wait.max.ms", "500"},
                         {"reconnect.backoff.max.ms", "1000"}}));
  RETURN_IF_ERROR(
      reader->Seek(options_.topic, static_cast<int32_t>(after_.partition), next_offset_));
  heard_at_ = std::chrono::steady_clock::now();
  while (WaitForRoom()) RETURN_IF_ERROR(ReadPage(*reader));
  return absl::OkStatus();
}

absl::Status TopicLogFollower::CheckSilence(TopicReader& reader) {
  const auto silent = std::chrono::steady_clock::now() - heard_at_;
  if (silent < absl::ToChronoNanoseconds(options_.silence_max)) return absl::OkStatus();
  if (PLANTED_BUG("silent-reader-waits")) return absl::OkStatus();
  RETURN_IF_ERROR(reader.CountPartitions(options_.topic, kSilenceWait).status());
  heard_at_ = std::chrono::steady_clock::now();
  return absl::OkStatus();
}

absl::Status TopicLogFollower::ReadPage(TopicReader& reader) {
  Page read;
  const auto passed =
      reader.PassOn(kPageRecords, kPageWait, [&](const LogTopicRecord& record) -> absl::Status {
        if (read.items.empty()) read.items.reserve(kPageReserve);
        ASSIGN_OR_RETURN(Item item, ItemOf(record));
        read.bytes += 2 * item.event.bytes.size() + kItemOverhead;
        read.items.push_back(std::move(item));
        return absl::OkStatus();
      });
  const bool at_end = passed.ok() && passed->at_end;
  if (read.items.empty() && !at_end) return passed.ok() ? CheckSilence(reader) : passed.status();
  came_ = true;
  heard_at_ = std::chrono::steady_clock::now();
  // What came before a refused record, or an error, is good.
  RETURN_IF_ERROR(Buffer(std::move(read), at_end));
  RETURN_IF_ERROR(passed.status());
  if (!at_end) RefreshHead();
  return absl::OkStatus();
}

absl::StatusOr<TopicLogFollower::Item> TopicLogFollower::ItemOf(const LogTopicRecord& record) {
  Item item{.offset = record.offset};
  ASSIGN_OR_RETURN(item.event, chain_.Take(record));
  item.leaf = HashLeaf(item.event.bytes);
  item.wanted = item.event.position.sequence > after_.sequence &&
                (types_.empty() || types_.contains(item.event.event.type()));
  if (!item.wanted) item.event = {.position = item.event.position};
  next_offset_ = item.offset + 1;
  return item;
}

absl::Status TopicLogFollower::Buffer(Page page, bool at_end) {
  const bool has_items = !page.items.empty();
  // Nobody has come further than the head.
  board_.RaiseHead(chain_.last());
  {
    absl::MutexLock lock(&mutex_);
    buffer_bytes_ += page.bytes;
    if (has_items) buffer_.push_back(std::move(page));
    at_end_ = at_end;
  }
  if (has_items) board_.Delivered(after_.partition);
  if (at_end) {
    board_.SetError(after_.partition, absl::OkStatus());
    if (chain_.last().sequence < after_.sequence) {
      return absl::OutOfRangeError(absl::StrCat(
          "the topic ends with event ", chain_.last().sequence, ", before ", after_.sequence));
    }
  }
  return absl::OkStatus();
}

bool TopicLogFollower::WaitForRoom() const {
  absl::MutexLock lock(&mutex_);
  const auto may_go_on = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || buffer_bytes_ + taken_bytes_ < options_.buffered_bytes;
  };
  mutex_.Await(absl::Condition(&may_go_on));
  return !stopping_ && !board_.closed();
}

void TopicLogFollower::RefreshHead() {
  const absl::Time now = SystemClock().Now();
  if (now < next_refresh_) return;
  next_refresh_ = now + options_.head_refresh;
  const auto last = probe_.Last(after_.partition);
  if (!last.ok() || !last->has_value()) return;
  if (const auto head = PositionOf(**last); head.ok() && head->partition == after_.partition) {
    board_.RaiseHead(*head);
  }
}

void TopicLogFollower::WaitToRetry(absl::Duration wait) const {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&stopping_), wait);
}

void TopicLogFollower::Break(absl::Status status) {
  board_.SetError(after_.partition, status);
  absl::MutexLock lock(&mutex_);
  broken_ = std::move(status);
}

bool TopicLogFollower::TakePage(absl::Duration wait) {
  taken_ = {};
  next_taken_ = 0;
  absl::MutexLock lock(&mutex_);
  const auto has_come = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !buffer_.empty() || !broken_.ok() || board_.closed() || (at_end_ && !said_caught_up_);
  };
  taken_bytes_ = 0;
  mutex_.AwaitWithTimeout(absl::Condition(&has_come), wait);
  if (buffer_.empty()) return false;
  taken_ = std::move(buffer_.front());
  buffer_.pop_front();
  taken_bytes_ = taken_.bytes;
  buffer_bytes_ -= taken_.bytes;
  return true;
}

absl::StatusOr<FollowMessage> TopicLogFollower::WithoutEvent() {
  FollowMessage message;
  {
    absl::MutexLock lock(&places_mutex_);
    message.checkpoint = std::max(current_.position, after_);
  }
  if (board_.closed()) return absl::CancelledError("the log was closed");
  absl::MutexLock lock(&mutex_);
  if (buffer_.empty()) RETURN_IF_ERROR(broken_);
  if (buffer_.empty() && at_end_ && !said_caught_up_) {
    said_caught_up_ = true;
    message.kind = FollowMessage::Kind::kCaughtUp;
  }
  return message;
}

absl::StatusOr<FollowMessage> TopicLogFollower::Next(absl::Duration wait) {
  {
    absl::MutexLock lock(&places_mutex_);
    if (previous_.position != current_.position) previous_ = current_;
  }
  if (next_taken_ == taken_.items.size() && !TakePage(wait)) return WithoutEvent();
  absl::MutexLock lock(&places_mutex_);
  while (next_taken_ < taken_.items.size()) {
    Item& item = taken_.items[next_taken_++];
    current_.Advance(item.event.position, item.offset, item.leaf);
    if (!item.wanted) continue;
    FollowMessage message;
    message.kind = FollowMessage::Kind::kEvent;
    message.checkpoint = item.event.position;
    message.event = std::move(item.event);
    return message;
  }
  FollowMessage message;
  message.checkpoint = std::max(current_.position, after_);
  return message;
}

std::optional<TopicPlace> TopicLogFollower::PlaceAt(Position position) const {
  absl::MutexLock lock(&places_mutex_);
  if (current_.position == position) return current_;
  if (previous_.position == position) return previous_;
  return std::nullopt;
}

}  // namespace records::eventstore
