#pragma once

#include <functional>
#include <string>

#include "records/api/v1/ledger_service.grpc.pb.h"
#include "services/ledger/log_tail.h"
#include "services/ledger/view_backing.h"
#include "services/ledger/work_follow.h"
#include "services/runtime/administration.h"

namespace records::services {

// LedgerService over gRPC: for who runs and who audits the log, and for the systems that take their
// work from it.
// Thread-safe; the backend outlives it.
class LedgerServiceImpl final : public records::api::v1::LedgerService::CallbackService {
 public:
  // `views` serves views in processes of their own; null: there are none, and they are refused.
  explicit LedgerServiceImpl(Backend backend, ViewBacking* views = nullptr)
      : backend_(backend),
        views_(views),
        tails_(backend, TailLimits()),
        follows_(backend, WorkLimits()) {}

  grpc::ServerWriteReactor<records::api::v1::TailLogResponse>* TailLog(
      grpc::CallbackServerContext* context,
      const records::api::v1::TailLogRequest* request) override;
  grpc::ServerUnaryReactor* GetCheckpoint(
      grpc::CallbackServerContext* context, const records::api::v1::GetCheckpointRequest* request,
      records::api::v1::GetCheckpointResponse* response) override;
  grpc::ServerUnaryReactor* GetKeyStatus(grpc::CallbackServerContext* context,
                                         const records::api::v1::GetKeyStatusRequest* request,
                                         records::api::v1::GetKeyStatusResponse* response) override;
  grpc::ServerUnaryReactor* RotateMasterKey(
      grpc::CallbackServerContext* context, const records::api::v1::RotateMasterKeyRequest* request,
      records::api::v1::RotateMasterKeyResponse* response) override;

  grpc::ServerUnaryReactor* Unseal(grpc::CallbackServerContext* context,
                                   const records::api::v1::UnsealRequest* request,
                                   records::api::v1::UnsealResponse* response) override;
  grpc::ServerWriteReactor<records::api::v1::FollowWorkResponse>* FollowWork(
      grpc::CallbackServerContext* context,
      const records::api::v1::FollowWorkRequest* request) override;

  // For views: each is refused to who shows no certificate of one.
  grpc::ServerUnaryReactor* IntroduceView(
      grpc::CallbackServerContext* context, const records::api::v1::IntroduceViewRequest* request,
      records::api::v1::IntroduceViewResponse* response) override;
  grpc::ServerUnaryReactor* Resolve(grpc::CallbackServerContext* context,
                                    const records::api::v1::ResolveRequest* request,
                                    records::api::v1::ResolveResponse* response) override;
  grpc::ServerUnaryReactor* AdmitOperator(
      grpc::CallbackServerContext* context, const records::api::v1::AdmitOperatorRequest* request,
      records::api::v1::AdmitOperatorResponse* response) override;
  grpc::ServerUnaryReactor* ReleaseKeys(grpc::CallbackServerContext* context,
                                        const records::api::v1::ReleaseKeysRequest* request,
                                        records::api::v1::ReleaseKeysResponse* response) override;
  grpc::ServerUnaryReactor* TraceRead(grpc::CallbackServerContext* context,
                                      const records::api::v1::TraceReadRequest* request,
                                      records::api::v1::TraceReadResponse* response) override;
  grpc::ServerUnaryReactor* ExchangeTokens(
      grpc::CallbackServerContext* context, const records::api::v1::ExchangeTokensRequest* request,
      records::api::v1::ExchangeTokensResponse* response) override;
  grpc::ServerUnaryReactor* NameStaff(grpc::CallbackServerContext* context,
                                      const records::api::v1::NameStaffRequest* request,
                                      records::api::v1::NameStaffResponse* response) override;

 private:
  // Runs `work`, which calls what it is given once, for the view whose certificate was shown.
  using Finish = std::function<void(absl::Status)>;
  grpc::ServerUnaryReactor* ForView(
      grpc::CallbackServerContext* context,
      std::function<void(ViewBacking& views, const std::string& view, Finish finish)> work);

  Backend backend_;
  ViewBacking* const views_;
  LogFollows tails_;
  LogFollows follows_;
  absl::Mutex rotation_mutex_;
  // The last request that rotated, and what it came to: a repeat rotates nothing.
  std::string last_rotation_request_ ABSL_GUARDED_BY(rotation_mutex_);
  records::api::v1::RotateMasterKeyResponse last_rotation_ ABSL_GUARDED_BY(rotation_mutex_);
};

}  // namespace records::services
