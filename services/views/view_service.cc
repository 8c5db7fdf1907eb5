#include "services/views/view_service.h"

#include <atomic>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eventstore/clock.h"
#include "eventstore/status_macros.h"
#include "services/errors/errors.h"
#include "services/runtime/rpc.h"

namespace records::services {
namespace {

namespace api = records::api::v1;

constexpr char kList[] = "records.api.v1.ViewService.ListViews";
constexpr char kRebuild[] = "records.api.v1.ViewService.RebuildView";
constexpr char kUndo[] = "records.api.v1.ViewService.UndoRebuild";
// How often a caller is told how far it is.
constexpr absl::Duration kTellEvery = absl::Milliseconds(250);

absl::Time Now() { return eventstore::SystemClock().Now(); }

// What a view's errors mean to who runs the system, and what to do.
absl::Status ForOperator(const absl::Status& status, const std::string& view) {
  switch (status.code()) {
    case absl::StatusCode::kAborted:
      return Refusal(absl::StatusCode::kAborted, "VIEW_REBUILD_RUNNING",
                     "A rebuild or an undo of this view is under way already. Wait until it is "
                     "done, or end the call that began it.")
          .With("view", view);
    case absl::StatusCode::kNotFound:
      return Refusal(absl::StatusCode::kFailedPrecondition, "VIEW_NOTHING_TO_UNDO",
                     "There is no copy of this version to go back to: the view was not rebuilt, "
                     "or an erasure has removed the copy before. Rebuild the view instead.")
          .With("view", view);
    case absl::StatusCode::kFailedPrecondition:
      return Refusal(absl::StatusCode::kFailedPrecondition, "VIEW_REBUILD_PARKED",
                     absl::StrCat("Nothing was switched: ", status.message(),
                                  ", which the copy that answers could fold. The keys or the "
                                  "program are not what they were; the old copy goes on."))
          .With("view", view);
    case absl::StatusCode::kUnavailable:
      if (!ReasonOf(status).empty()) return status;
      return Refusal(absl::StatusCode::kUnavailable, "VIEW_NOT_READY", status.message())
          .With("view", view)
          .RetryAfter(absl::Seconds(1));
    default:
      return status;
  }
}

}  // namespace

absl::StatusOr<ManagedView*> ViewServiceImpl::Find(const std::string& name) const {
  std::vector<std::string> names;
  for (ManagedView* view : views_) {
    if (view->name() == name) return view;
    names.push_back(view->name());
  }
  return Refusal(
      absl::StatusCode::kNotFound, "VIEW_UNKNOWN",
      absl::StrCat("This server has no such view. It has: ", absl::StrJoin(names, ", "), "."));
}

grpc::ServerUnaryReactor* ViewServiceImpl::ListViews(grpc::CallbackServerContext* context,
                                                     const api::ListViewsRequest*,
                                                     api::ListViewsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto finish = [reactor](const absl::Status& status) {
    reactor->Finish(ToGrpcStatus(status));
  };
  gate_.AdmitOperator(*context, kList,
                      [this, response, finish](absl::StatusOr<AdmittedOperator> caller) {
                        if (!caller.ok()) return finish(caller.status());
                        auto list = [this, response, finish] {
                          for (const ManagedView* view : views_) {
                            *response->add_views() = view->Describe();
                          }
                          finish(absl::OkStatus());
                        };
                        if (!executor_.Run(std::move(list))) finish(ServerBusy());
                      });
  return reactor;
}

template <typename Response>
grpc::ServerWriteReactor<Response>* ViewServiceImpl::Start(grpc::CallbackServerContext* context,
                                                           const char* method,
                                                           const std::string& view, Change change) {
  auto reactor = PushReactor<Response>::Create();
  const absl::Time deadline = DeadlineOf(*context);
  gate_.AdmitOperator(
      *context, method,
      [this, reactor, view, change, deadline](absl::StatusOr<AdmittedOperator> caller) {
        if (!caller.ok()) return reactor->End(caller.status());
        auto run = [this, reactor, view, change, deadline, caller = *std::move(caller)] {
          Run(view, caller, deadline, change, *reactor);
        };
        if (!bulk_executor_.Run(std::move(run))) reactor->End(ServerBusy());
      });
  return reactor.get();
}

template <typename Response>
void ViewServiceImpl::Run(const std::string& name, const AdmittedOperator& caller,
                          absl::Time deadline, Change change, PushReactor<Response>& reactor) {
  const absl::StatusOr<ManagedView*> view = Find(name);
  if (!view.ok()) return reactor.End(view.status());
  auto stopping = std::make_shared<std::atomic<bool>>(false);
  const auto open = gate_.streams().Add([stopping] { *stopping = true; });
  absl::Time tell_at = absl::InfinitePast();
  absl::Time check_at = Now() + kCheckEvery;
  absl::Status ended;
  const SwitchTold told = [&](const api::ViewProgress& progress) {
    if (*stopping) ended.Update(ServerStopping());
    const absl::Time now = Now();
    if (ended.ok() && now >= check_at) {
      ended = gate_.StillAdmitted(caller);
      check_at = Now() + kCheckEvery;
    }
    if (reactor.over() || !ended.ok()) return false;
    // Room for the last message stays free; a reader that is slow is told less.
    if (now < tell_at || reactor.room() < 2) return true;
    tell_at = now + kTellEvery;
    Response message;
    *message.mutable_progress() = progress;
    reactor.Push(std::move(message));
    return true;
  };
  const absl::Status switched = ((*view)->*change)(deadline, told);
  if (!ended.ok() && absl::IsCancelled(switched)) return reactor.End(ended);
  if (!switched.ok()) return reactor.End(ForOperator(switched, name));
  Response message;
  *message.mutable_done() = (*view)->Describe();
  reactor.Push(std::move(message));
  reactor.End(absl::OkStatus());
}

grpc::ServerWriteReactor<api::RebuildViewResponse>* ViewServiceImpl::RebuildView(
    grpc::CallbackServerContext* context, const api::RebuildViewRequest* request) {
  return Start<api::RebuildViewResponse>(context, kRebuild, request->view(), &ManagedView::Rebuild);
}

grpc::ServerWriteReactor<api::UndoRebuildResponse>* ViewServiceImpl::UndoRebuild(
    grpc::CallbackServerContext* context, const api::UndoRebuildRequest* request) {
  return Start<api::UndoRebuildResponse>(context, kUndo, request->view(), &ManagedView::Undo);
}

}  // namespace records::services
