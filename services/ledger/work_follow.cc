#include "services/ledger/work_follow.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "services/runtime/entry_id.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using eventstore::Ledger;
using eventstore::Position;

constexpr absl::string_view kResumeLabel = "follow-work";

// How far a follow has come, by partition.
struct WorkProgress {
  std::vector<uint64_t> covered;  // the last sequence that was looked at
  std::vector<uint64_t> last;     // the last one that was on the stream; 0: none
};

std::string BindingOf(const Authorised& caller) {
  return absl::StrCat(caller.Name().size(), ":", caller.Name(), caller.work_stream);
}

// Of one length for a log, and another one each time: whether anything was recorded elsewhere does
// not show in it.
absl::StatusOr<std::string> ResumeToken(const Runtime& runtime, const Authorised& caller,
                                        const WorkProgress& progress) {
  const auto now = static_cast<uint64_t>(absl::ToUnixMicros(runtime.clock.Now()));
  std::string bytes = absl::StrCat(runtime.log.store_id().bytes(), EncodePosition({0, now}));
  for (uint32_t p = 0; p < progress.covered.size(); ++p) {
    absl::StrAppend(&bytes, EncodePosition({p, progress.covered[p]}),
                    EncodePosition({p, progress.last[p]}));
  }
  return runtime.keys.SealToken(kResumeLabel, BindingOf(caller), bytes);
}

absl::StatusOr<Position> TakePosition(absl::string_view& bytes, uint32_t partition) {
  const size_t size = EncodePosition({}).size();
  ASSIGN_OR_RETURN(const Position position, DecodePosition(bytes.substr(0, size)));
  bytes.remove_prefix(size);
  if (position.partition == partition) return position;
  return absl::InvalidArgumentError("of another partition");
}

absl::StatusOr<WorkProgress> DecodeProgress(const Runtime& runtime, absl::string_view bytes) {
  const absl::Status refused = absl::InvalidArgumentError("not of this log");
  const auto store = runtime.log.store_id();
  if (!absl::ConsumePrefix(&bytes, store.bytes())) return refused;
  RETURN_IF_ERROR(TakePosition(bytes, 0).status());  // when it was made
  WorkProgress progress;
  for (uint32_t p = 0; p < runtime.log.partition_count(); ++p) {
    ASSIGN_OR_RETURN(const Position covered, TakePosition(bytes, p));
    ASSIGN_OR_RETURN(const Position last, TakePosition(bytes, p));
    if (last.sequence > covered.sequence ||
        covered.sequence > runtime.log.Head(Ledger::kEvents, p).sequence) {
      return refused;
    }
    progress.covered.push_back(covered.sequence);
    progress.last.push_back(PLANTED_BUG("work-chain-forgotten") ? 0 : last.sequence);
  }
  return bytes.empty() ? absl::StatusOr<WorkProgress>(std::move(progress)) : refused;
}

absl::StatusOr<WorkProgress> ProgressFrom(const Runtime& runtime, const Authorised& caller,
                                          const std::string& token) {
  if (token.empty()) {
    const std::vector<uint64_t> none(runtime.log.partition_count(), 0);
    return WorkProgress{none, none};
  }
  const auto bytes = runtime.keys.OpenToken(kResumeLabel, BindingOf(caller), token);
  if (bytes.ok()) {
    auto progress = DecodeProgress(runtime, *bytes);
    if (progress.ok()) return progress;
  }
  return InvalidField("resume_token", "must come from a message of the same follow");
}

class WorkFollow final : public PushedFollow<api::FollowWorkResponse> {
 public:
  WorkFollow(const Runtime& runtime, std::shared_ptr<WorkReactor> reactor, const Authorised& caller,
             WorkProgress progress)
      : PushedFollow(std::move(reactor), progress.covered),
        runtime_(runtime),
        caller_(caller),
        progress_(std::move(progress)) {}

  absl::StatusOr<bool> Send(const eventstore::StoredEvent& event) override {
    const Position position = event.position;
    progress_.covered[position.partition] = position.sequence;
    ASSIGN_OR_RETURN(const auto items, runtime_.work.ItemsOf(event));
    const auto item = absl::c_find_if(
        items, [this](const auto& one) { return one.topic == caller_.work_stream; });
    if (item == items.end()) return false;
    uint64_t& last = progress_.last[position.partition];
    api::FollowWorkResponse message;
    api::WorkRecord& record = *message.mutable_record();
    record.set_id(item->id);
    record.set_previous(runtime_.work.IdOf(item->topic, {position.partition, last}));
    record.set_subject(item->subject);
    record.set_type(item->type);
    record.set_time_us(absl::ToUnixMicros(item->day));
    record.set_reference(item->reference);
    record.set_erased(item->erased);
    last = position.sequence;
    ASSIGN_OR_RETURN(*message.mutable_resume_token(), ResumeToken(runtime_, caller_, progress_));
    Push(std::move(message));
    return true;
  }

  absl::Status SendMarker(bool caught_up) override {
    api::FollowWorkResponse message;
    message.set_caught_up(caught_up);
    ASSIGN_OR_RETURN(*message.mutable_resume_token(), ResumeToken(runtime_, caller_, progress_));
    Push(std::move(message));
    return absl::OkStatus();
  }

 private:
  const Runtime& runtime_;
  const Authorised caller_;
  WorkProgress progress_;
};

}  // namespace

LogFollowLimits WorkLimits() {
  return {.open_max = 32,
          .open_of_one_caller_max = 4,
          .reason = "FOLLOWS_TOO_MANY",
          .message = "Too many follows of work streams are open. Close one."};
}

absl::StatusOr<std::unique_ptr<LogFollow>> MakeWorkFollow(const Runtime& runtime,
                                                          std::shared_ptr<WorkReactor> reactor,
                                                          const Authorised& caller,
                                                          const api::FollowWorkRequest& request) {
  ASSIGN_OR_RETURN(WorkProgress progress, ProgressFrom(runtime, caller, request.resume_token()));
  return std::make_unique<WorkFollow>(runtime, std::move(reactor), caller, std::move(progress));
}

}  // namespace records::services
