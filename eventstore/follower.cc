#include "eventstore/follower.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/limits.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

// What a follower holds in memory at most.
constexpr ReadLimits kFollowPage{.events = 256, .bytes = 1024 * 1024};

using Steady = std::chrono::steady_clock;

class PageFollower final : public Follower {
 public:
  PageFollower(const LogReader& reader, const HeadBoard& board, std::atomic<size_t>& count,
               FollowOptions options)
      : reader_(reader),
        board_(board),
        count_(count),
        ledger_(options.ledger),
        filter_(std::move(options.types)),
        checkpoint_(options.after),
        looked_(options.after.sequence) {
    if (PLANTED_BUG("follow-repeats-at-resume") && looked_ > 0) --looked_;
  }

  ~PageFollower() override { --count_; }

  absl::StatusOr<FollowMessage> Next(absl::Duration wait) override {
    const Steady::time_point start = Steady::now();
    bool looked = false;
    while (true) {
      if (board_.closed()) return absl::CancelledError("the log was closed");
      if (next_in_page_ < page_.size()) return TakeEvent();
      const uint64_t head = board_.Head(ledger_, checkpoint_.partition);
      // What was looked at is delivered now, or was filtered out.
      checkpoint_.sequence = looked_;
      if (live_ && head - looked_ > kFellBehindEvents) {
        live_ = false;
        return Sign(FollowMessage::Kind::kFellBehind);
      }
      if (looked_ == head && !live_) {
        live_ = true;
        return Sign(FollowMessage::Kind::kCaughtUp);
      }
      const absl::Duration left = wait - absl::FromChrono(Steady::now() - start);
      if (looked_ == head) {
        if (left <= absl::ZeroDuration()) return Sign(FollowMessage::Kind::kHeartbeat);
        board_.WaitBeyond(ledger_, checkpoint_.partition, head, left);
        continue;
      }
      // A long stretch of filtered events must not outlast the wait.
      if (left <= absl::ZeroDuration() && looked) return Sign(FollowMessage::Kind::kHeartbeat);
      RETURN_IF_ERROR(ReadPage());
      looked = true;
    }
  }

 private:
  FollowMessage TakeEvent() {
    FollowMessage message;
    message.kind = FollowMessage::Kind::kEvent;
    message.event = std::move(page_[next_in_page_++]);
    checkpoint_ = message.event.position;
    if (PLANTED_BUG("checkpoint-beyond-delivered")) checkpoint_.sequence = looked_;
    message.checkpoint = checkpoint_;
    return message;
  }

  FollowMessage Sign(FollowMessage::Kind kind) const {
    FollowMessage message;
    message.kind = kind;
    message.checkpoint = checkpoint_;
    return message;
  }

  absl::Status ReadPage() {
    const Position from{checkpoint_.partition, looked_ + 1};
    ASSIGN_OR_RETURN(PartitionPage page, reader_.ReadPage(ledger_, from, ReadDirection::kForward,
                                                          kFollowPage, filter_));
    page_ = std::move(page.events);
    next_in_page_ = 0;
    looked_ = page.next_sequence - 1;
    if (PLANTED_BUG("follow-skips-at-page-end") && page_.size() == kFollowPage.events) ++looked_;
    return absl::OkStatus();
  }

  const LogReader& reader_;
  const HeadBoard& board_;
  std::atomic<size_t>& count_;
  const Ledger ledger_;
  const TypeFilter filter_;
  Position checkpoint_;
  uint64_t looked_;  // last sequence that was read or filtered out
  std::vector<StoredEvent> page_;
  size_t next_in_page_ = 0;
  bool live_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Follower>> OpenFollower(const LogReader& reader,
                                                       const HeadBoard& board,
                                                       std::atomic<size_t>& open_followers,
                                                       FollowOptions options) {
  RETURN_IF_ERROR(reader.CheckPartition(options.after.partition));
  const uint64_t head = board.Head(options.ledger, options.after.partition);
  if (options.after.sequence > head) {
    return absl::OutOfRangeError(absl::StrCat("a follower cannot start after sequence ",
                                              options.after.sequence, ": the head is ", head));
  }
  if (open_followers.fetch_add(1) >= kFollowersMax) {
    --open_followers;
    return absl::ResourceExhaustedError(
        absl::StrCat("TOO_MANY_FOLLOWERS: the log has ", kFollowersMax, " open"));
  }
  return std::make_unique<PageFollower>(reader, board, open_followers, std::move(options));
}

}  // namespace records::eventstore
