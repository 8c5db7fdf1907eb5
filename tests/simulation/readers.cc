#include "tests/simulation/readers.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace records::simulation {
namespace {

using eventstore::FollowMessage;

constexpr uint64_t kAllMessages = 1'000'000;

}  // namespace

Readers::Readers(const Options& options, Machine& machine, Report& report)
    : machine_(machine), report_(report), dice_(options.seed ^ 0x4ead) {
  for (uint64_t i = 0; i < options.followers; ++i) {
    std::vector<std::string> types;
    if (dice_.OneIn(2)) types.emplace_back("simulation.A");
    if (dice_.OneIn(4)) types.emplace_back("records.events.v1.ContactRecorded");
    const auto partition = static_cast<uint32_t>(dice_.Below(options.partitions));
    followings_.push_back({.checker = FollowChecker(partition, std::move(types))});
  }
}

void Readers::Act(Process& process) {
  if (dice_.OneIn(5)) return Sign(process);
  Following& following = followings_[dice_.Below(followings_.size())];
  Take(process, following, dice_.Between(1, 40));
  if (dice_.OneIn(4)) Keep(process, following);
  if (dice_.OneIn(6)) following.follower.reset();
}

// Returns whether the follower stands at the head now.
bool Readers::Take(Process& process, Following& following, uint64_t messages) {
  if (following.follower == nullptr) {
    auto follower = process.log().Follow(
        {.after = following.checker.checkpoint(), .types = following.checker.types()});
    if (!follower.ok()) {
      report_.Broken("follow", absl::StrCat("a follower cannot go on at its checkpoint: ",
                                            follower.status().message()));
      return false;
    }
    following.follower = *std::move(follower);
    report_.Fired("follower-opened");
  }
  for (; messages > 0; --messages) {
    const auto message = following.follower->Next(absl::ZeroDuration());
    if (!message.ok()) {
      following.follower.reset();
      return false;
    }
    following.checker.Took(*message, report_);
    if (message->kind != FollowMessage::Kind::kHeartbeat) continue;
    // Also said in the midst of events that the filter drops.
    const auto partition = following.checker.checkpoint().partition;
    return following.checker.checkpoint() ==
           process.log().Head(eventstore::Ledger::kEvents, partition);
  }
  return false;
}

void Readers::Keep(Process& process, Following& following) {
  auto kept =
      process.log().CheckpointAt(eventstore::Ledger::kEvents, following.checker.checkpoint());
  if (kept.ok()) following.kept = *kept;
}

void Readers::Sign(Process& process) {
  const auto note = process.log().SignedCheckpoint();
  report_.Trace("checkpoint: ", absl::StatusCodeToString(note.status().code()));
  if (!note.ok()) return;
  trees_.Signed(*note, process.log(), report_);
  report_.Fired("checkpoint-signed");
}

bool Readers::Settle(Process& process) {
  bool settled = true;
  for (Following& following : followings_) settled &= Take(process, following, kAllMessages);
  return settled;
}

void Readers::ProcessEnds() {
  for (Following& following : followings_) following.follower.reset();
}

void Readers::Check(Process& process, const LogSnapshot& snapshot) {
  trees_.Check(snapshot, machine_.log_memory, report_);
  for (const Following& following : followings_) {
    following.checker.Check(snapshot, report_);
    if (!following.kept.has_value()) continue;
    const absl::Status same =
        process.log().VerifyCheckpoint(eventstore::Ledger::kEvents, *following.kept);
    if (!same.ok()) {
      report_.Broken("trees", absl::StrCat("a kept checkpoint is not confirmed: ", same.message()));
    }
  }
}

}  // namespace records::simulation
