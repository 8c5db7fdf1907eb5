#include "tools/recordsctl/timeline_follow.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "records/api/v1/timeline_service.grpc.pb.h"
#include "services/errors/errors.h"
#include "tools/recordsctl/client.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/interrupt.h"
#include "tools/recordsctl/timeline_render.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;

// The call under way, so that ^C can end it from another thread. Thread-safe.
class CurrentCall {
 public:
  // Makes `context` the current call; false: already stopped.
  bool Begin(grpc::ClientContext* context) {
    absl::MutexLock lock(&mutex_);
    context_ = stopped_ ? nullptr : context;
    return !stopped_;
  }

  void End() {
    absl::MutexLock lock(&mutex_);
    context_ = nullptr;
  }

  void Stop() {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }

  // Waits for `duration` or until stopped; true when stopped.
  bool WaitStopped(absl::Duration duration) {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&stopped_), duration);
  }

 private:
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

// One follow: what was asked for, and how far it came.
class Follower {
 public:
  Follower(Session& session, api::FollowTimelineRequest request)
      : session_(session), request_(std::move(request)) {}

  int Run() {
    Interrupt interrupt([this] { call_.Stop(); });
    for (int attempt = 1;; ++attempt) {
      bool progress = false;
      const absl::Status status = FollowOnce(progress);
      if (interrupt.interrupted()) return kExitOk;
      if (is_usage_) return session_.Usage(status.message(), "see `recordsctl --help`");
      if (progress) attempt = 1;
      if (!MayResume(status)) return session_.Fail("follow the timeline", status);
      const absl::Duration wait = BackOff(attempt);
      session_.err << "recordsctl: connection lost (" << absl::StatusCodeToString(status.code())
                   << "); trying again in " << absl::FormatDuration(wait) << "\n"
                   << std::flush;
      if (call_.WaitStopped(wait)) return kExitOk;
    }
  }

 private:
  // Follows until the stream ends; says in `progress` whether anything came.
  absl::Status FollowOnce(bool& progress) {
    // Anew each time, so that a token that was renewed in its file is taken up.
    auto client = Client::Create(session_);
    if (!client.ok()) {
      is_usage_ = true;
      return client.status();
    }
    const auto context = client->NewContext(/*endless=*/true);
    if (!call_.Begin(context.get())) return absl::CancelledError("");
    const auto stub = api::TimelineService::NewStub(client->channel());
    const auto stream = stub->FollowTimeline(context.get(), request_);
    api::FollowTimelineResponse message;
    while (stream->Read(&message)) {
      if (!progress && lost_) session_.err << "recordsctl: connected again\n" << std::flush;
      progress = true;
      Take(message);
    }
    const grpc::Status status = stream->Finish();
    call_.End();
    connected_ = connected_ || progress;
    lost_ = true;
    // A server that shuts down ends the stream without an error: what follows is elsewhere.
    return status.ok() ? absl::UnavailableError("the server ended the stream")
                       : services::FromGrpcStatus(status);
  }

  void Take(const api::FollowTimelineResponse& message) {
    if (!message.resume_token().empty()) request_.set_resume_token(message.resume_token());
    if (message.caught_up() && !std::exchange(is_following_, true)) {
      session_.err << "recordsctl: following; ^C ends it\n" << std::flush;
    }
    if (session_.options.json) return session_.PrintJson(message);
    if (!message.has_entry()) return;
    google::protobuf::RepeatedPtrField<api::TimelineEntry> entries;
    *entries.Add() = message.entry();
    session_.out << RenderTimelineEntries(entries, {.zone = absl::LocalTimeZone(),
                                                    .width = session_.Width(),
                                                    .with_headings = !has_headings_})
                 << std::flush;
    has_headings_ = true;
  }

  // A first connection that fails is an answer; a lost one is taken up again, unless the server
  // refused it.
  bool MayResume(const absl::Status& status) const {
    const bool is_lost = status.code() == absl::StatusCode::kUnavailable ||
                         status.code() == absl::StatusCode::kResourceExhausted ||
                         status.code() == absl::StatusCode::kAborted;
    return is_lost && connected_;
  }

  Session& session_;
  api::FollowTimelineRequest request_;
  CurrentCall call_;
  bool is_usage_ = false;
  bool connected_ = false;
  bool lost_ = false;
  bool has_headings_ = false;
  bool is_following_ = false;
};

}  // namespace

absl::Duration BackOff(int attempt) {
  const int doublings = std::clamp(attempt - 1, 0, 10);
  return std::min(absl::Milliseconds(250) * (1 << doublings), absl::Seconds(10));
}

int FollowTimeline(Session& session, api::FollowTimelineRequest request) {
  return Follower(session, std::move(request)).Run();
}

}  // namespace records::tools
