#include <utility>

#include "services/auth/metadata_processor.h"
#include "services/ledger/ledger_service.h"

// The methods for views in processes of their own.
namespace records::services {

namespace api = records::api::v1;

grpc::ServerUnaryReactor* LedgerServiceImpl::ForView(
    grpc::CallbackServerContext* context,
    std::function<void(ViewBacking& views, const std::string& view, Finish finish)> work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  Finish finish = [reactor](absl::Status status) { reactor->Finish(ToGrpcStatus(status)); };
  absl::StatusOr<std::string> view = PermissionDenied();
  if (views_ != nullptr) view = ViewOf(*context->auth_context());
  if (!view.ok()) {
    finish(view.status());
    return reactor;
  }
  // What it does waits for disks and keys.
  auto run = [this, view = *std::move(view), finish, work = std::move(work)] {
    work(*views_, view, finish);
  };
  if (!backend_.runtime.executor.Run(std::move(run))) finish(ServerBusy());
  return reactor;
}

grpc::ServerUnaryReactor* LedgerServiceImpl::IntroduceView(grpc::CallbackServerContext* context,
                                                           const api::IntroduceViewRequest* request,
                                                           api::IntroduceViewResponse* response) {
  return ForView(context, [=](ViewBacking& views, const std::string& view, const Finish& finish) {
    finish(views.Introduce(view, *request, *response));
  });
}

grpc::ServerUnaryReactor* LedgerServiceImpl::Resolve(grpc::CallbackServerContext* context,
                                                     const api::ResolveRequest* request,
                                                     api::ResolveResponse* response) {
  return ForView(context, [=](ViewBacking& views, const std::string& view, Finish finish) {
    views.Resolve(view, *request, *response, std::move(finish));
  });
}

grpc::ServerUnaryReactor* LedgerServiceImpl::AdmitOperator(grpc::CallbackServerContext* context,
                                                           const api::AdmitOperatorRequest* request,
                                                           api::AdmitOperatorResponse*) {
  return ForView(context, [=](ViewBacking& views, const std::string& view, Finish finish) {
    views.AdmitOperator(view, *request, std::move(finish));
  });
}

grpc::ServerUnaryReactor* LedgerServiceImpl::ReleaseKeys(grpc::CallbackServerContext* context,
                                                         const api::ReleaseKeysRequest* request,
                                                         api::ReleaseKeysResponse* response) {
  return ForView(context, [=](ViewBacking& views, const std::string& view, const Finish& finish) {
    const absl::Status released = views.ReleaseKeys(view, *request, *response);
    if (!released.ok()) response->Clear();
    finish(released);
  });
}

grpc::ServerUnaryReactor* LedgerServiceImpl::TraceRead(grpc::CallbackServerContext* context,
                                                       const api::TraceReadRequest* request,
                                                       api::TraceReadResponse*) {
  return ForView(context, [=](ViewBacking& views, const std::string& view, Finish finish) {
    views.TraceRead(view, *request, std::move(finish));
  });
}

grpc::ServerUnaryReactor* LedgerServiceImpl::ExchangeTokens(
    grpc::CallbackServerContext* context, const api::ExchangeTokensRequest* request,
    api::ExchangeTokensResponse* response) {
  return ForView(context, [=](ViewBacking& views, const std::string& view, const Finish& finish) {
    const absl::Status exchanged = views.ExchangeTokens(view, *request, *response);
    if (!exchanged.ok()) response->Clear();
    finish(exchanged);
  });
}

grpc::ServerUnaryReactor* LedgerServiceImpl::NameStaff(grpc::CallbackServerContext* context,
                                                       const api::NameStaffRequest* request,
                                                       api::NameStaffResponse* response) {
  return ForView(context, [=](ViewBacking& views, const std::string& view, const Finish& finish) {
    const absl::Status named = views.NameStaff(view, *request, *response);
    if (!named.ok()) response->Clear();
    finish(named);
  });
}

}  // namespace records::services
