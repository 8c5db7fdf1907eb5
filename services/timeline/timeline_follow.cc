#include "services/timeline/timeline_follow.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "services/runtime/entry_id.h"
#include "services/timeline/timeline_entries.h"

namespace records::services {
namespace {

constexpr absl::string_view kResumeLabel = "follow";
constexpr size_t kBatchMax = 16;

std::string Binding(const Authorised& caller, absl::string_view customer) {
  return absl::StrCat(caller.Name().size(), ":", caller.Name(), customer);
}

eventstore::TokenContent ResumeTokenContent(const Authorised& caller, absl::string_view customer,
                                            uint64_t sequence) {
  return {std::string(kResumeLabel), Binding(caller, customer), EncodePosition({0, sequence})};
}

}  // namespace

TimelineFollow::TimelineFollow(const ReadRuntime& runtime, ReadGate& gate, TimelineCopy copy,
                               std::shared_ptr<FollowReactor> reactor, AdmittedRead read,
                               uint64_t after_sequence)
    : runtime_(runtime),
      gate_(gate),
      copy_(std::move(copy)),
      reactor_(std::move(reactor)),
      read_(std::move(read)),
      after_sequence_(after_sequence) {}

absl::StatusOr<std::string> TimelineFollow::ResumeToken(const ReadRuntime& runtime,
                                                        const Authorised& caller,
                                                        absl::string_view customer,
                                                        uint64_t sequence) {
  const eventstore::TokenContent content = ResumeTokenContent(caller, customer, sequence);
  return runtime.keys.SealToken(content.label, content.caller, content.data);
}

absl::StatusOr<uint64_t> TimelineFollow::OpenResumeToken(const ReadRuntime& runtime,
                                                         const Authorised& caller,
                                                         absl::string_view customer,
                                                         absl::string_view token) {
  auto bytes = runtime.keys.OpenToken(kResumeLabel, Binding(caller, customer), token);
  if (bytes.ok()) {
    auto position = DecodePosition(*bytes);
    if (position.ok()) return position->sequence;
  }
  return InvalidField("resume_token", "must come from a message of the same follow");
}

absl::Status TimelineFollow::Start(eventstore::Position owed) {
  auto self = shared_from_this();
  owed_ = owed;
  // The reactor holds the follow, and lets go of it when gRPC is done with the call.
  reactor_->OnDrained([self] { self->Kick(); });
  reactor_->OnOver([self] { self->Stop(); });
  std::weak_ptr<TimelineFollow> weak = self;
  ASSIGN_OR_RETURN(auto subscription,
                   copy_.runner->Subscribe(read_.whom.root, [weak](eventstore::Position) {
                     if (auto follow = weak.lock()) follow->Kick();
                   }));
  auto open = gate_.streams().Add([weak] {
    if (auto follow = weak.lock()) follow->reactor_->End(ServerStopping());
  });
  std::unique_ptr<OpenStreams::Entry> here;
  if (copy_.streams != nullptr) {
    here = copy_.streams->Add([weak] {
      if (auto follow = weak.lock()) follow->Cut(ViewMoved());
    });
  }
  {
    absl::MutexLock lock(&mutex_);
    if (!stopped_) {
      subscription_ = std::move(subscription);
      open_ = std::move(open);
      here_ = std::move(here);
    }
  }
  ScheduleCheck();
  Kick();
  return absl::OkStatus();
}

void TimelineFollow::Stop() {
  std::unique_ptr<projections::RootListeners::Subscription> subscription;
  std::unique_ptr<grpc::Alarm> alarm;
  std::unique_ptr<OpenStreams::Entry> open;
  std::unique_ptr<OpenStreams::Entry> here;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    subscription = std::move(subscription_);
    alarm = std::move(alarm_);
    open = std::move(open_);
    here = std::move(here_);
  }
}

void TimelineFollow::ScheduleCheck() {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return;
  alarm_ = std::make_unique<grpc::Alarm>();
  std::weak_ptr<TimelineFollow> weak = shared_from_this();
  alarm_->Set(std::chrono::system_clock::now() + absl::ToChronoSeconds(kCheckEvery),
              [weak](bool fired) {
                auto follow = weak.lock();
                if (follow == nullptr || !fired) return;
                auto check = [follow] {
                  if (!follow->StillAllowed()) return;
                  follow->Beat();
                  follow->ScheduleCheck();
                };
                if (!follow->runtime_.executor.Run(check)) follow->ScheduleCheck();
              });
}

// The heartbeat goes through the pump: so it never takes the room that a batch was counted for, nor
// says a place that an entry before it has left.
void TimelineFollow::Beat() {
  {
    absl::MutexLock lock(&mutex_);
    beat_due_ = true;
  }
  Kick();
}

void TimelineFollow::Kick() {
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    if (pumping_) {
      kicked_ = true;
      return;
    }
    pumping_ = true;
  }
  if (runtime_.executor.Run([self = shared_from_this()] { self->Pump(); })) return;
  reactor_->End(ServerBusy());
}

void TimelineFollow::Pump() {
  bool more = false;
  absl::Status status = SendBatch(more);
  if (!status.ok()) return reactor_->End(status);
  // A batch that was sent goes on from its trace.
  if (more) return;
  bool again = false;
  {
    absl::MutexLock lock(&mutex_);
    again = std::exchange(kicked_, false) && !stopped_;
    pumping_ = again;
  }
  if (again && !runtime_.executor.Run([self = shared_from_this()] { self->Pump(); })) {
    reactor_->End(ServerBusy());
  }
}

bool TimelineFollow::StillAllowed() {
  if (reactor_->over()) return false;
  if (!copy_.Answers()) {
    Cut(ViewMoved());
    return false;
  }
  const absl::StatusOr<bool> still = gate_.StillAdmitted(read_);
  if (!still.ok()) {
    Cut(still.status());
    return false;
  }
  if (*still) return true;
  // Who is erased is refused as who never was, and what waited for a slow reader goes with them.
  gate_.Refuse(
      read_, [self = shared_from_this()](absl::Status refused) { self->Cut(std::move(refused)); });
  return false;
}

void TimelineFollow::Cut(absl::Status status) {
  reactor_->Cut(std::move(status));
  Stop();
}

absl::Status TimelineFollow::SendBatch(bool& more) {
  if (!StillAllowed()) return absl::OkStatus();
  const size_t room = reactor_->room();
  if (room == 0) return absl::OkStatus();  // goes on when it is drained
  uint64_t after = 0;
  {
    absl::MutexLock lock(&mutex_);
    after = after_sequence_;
  }
  // Asked before the read: what the view takes in meanwhile is not in it.
  const bool owes_nothing =
      copy_.runner->AppliedPosition(owed_.partition).sequence >= owed_.sequence;
  auto may_open = [this](absl::string_view category) { return read_.caller.MayOpen(category); };
  ASSIGN_OR_RETURN(auto arrivals, copy_.reader.GetArrivals(read_.whom.root, after,
                                                           std::min(room, kBatchMax), may_open));
  if (arrivals.entries.empty()) {
    bool first = false;
    bool beat = false;
    {
      absl::MutexLock lock(&mutex_);
      after_sequence_ = std::max(after, arrivals.last_sequence);
      if (!arrivals.more && owes_nothing) first = !std::exchange(caught_up_, true);
      if (arrivals.more) kicked_ = true;
      beat = std::exchange(beat_due_, false);
    }
    if (first || beat) SendMarker(first);
    return absl::OkStatus();
  }
  more = true;
  const std::vector<std::string> categories(arrivals.opened.categories.begin(),
                                            arrivals.opened.categories.end());
  const uint32_t events = arrivals.opened.events;
  auto shared = std::make_shared<projections::TimelineArrivals>(std::move(arrivals));
  gate_.Trace(read_, categories, events, [self = shared_from_this(), shared](absl::Status traced) {
    self->SendTraced(std::move(*shared), std::move(traced));
  });
  return absl::OkStatus();
}

void TimelineFollow::SendTraced(projections::TimelineArrivals arrivals, absl::Status traced) {
  if (!traced.ok()) return reactor_->End(traced);
  const auto resumes_after = [&arrivals](const projections::OpenedEntry& entry) {
    const bool last = &entry == &arrivals.entries.back();
    return last ? arrivals.last_sequence : entry.position.sequence;
  };
  std::vector<eventstore::TokenContent> tokens;
  for (const projections::OpenedEntry& entry : arrivals.entries) {
    tokens.push_back(ResumeTokenContent(read_.caller, read_.asked_for, resumes_after(entry)));
  }
  ExpectEntries(runtime_, arrivals.entries, std::move(tokens));
  for (projections::OpenedEntry& entry : arrivals.entries) {
    records::api::v1::FollowTimelineResponse message;
    const uint64_t sequence = resumes_after(entry);
    auto sent = EntryFrom(runtime_, std::move(entry));
    if (!sent.ok()) return reactor_->End(sent.status());
    *message.mutable_entry() = *std::move(sent);
    auto token = ResumeToken(runtime_, read_.caller, read_.asked_for, sequence);
    if (!token.ok()) return reactor_->End(token.status());
    message.set_resume_token(*token);
    if (!reactor_->Push(std::move(message))) return;
  }
  {
    absl::MutexLock lock(&mutex_);
    after_sequence_ = std::max(after_sequence_, arrivals.last_sequence);
    pumping_ = false;
  }
  Kick();
}

void TimelineFollow::SendMarker(bool caught_up) {
  uint64_t after = 0;
  {
    absl::MutexLock lock(&mutex_);
    after = after_sequence_;
  }
  if (PLANTED_BUG("heartbeat-beyond")) ++after;
  auto token = ResumeToken(runtime_, read_.caller, read_.asked_for, after);
  if (!token.ok()) return reactor_->End(token.status());
  records::api::v1::FollowTimelineResponse message;
  message.set_resume_token(*token);
  message.set_caught_up(caught_up);
  reactor_->Push(std::move(message));
}

}  // namespace records::services
