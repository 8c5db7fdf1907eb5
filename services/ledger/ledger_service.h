#pragma once

#include <string>

#include "records/api/v1/ledger_service.grpc.pb.h"
#include "services/ledger/log_tail.h"
#include "services/ledger/work_follow.h"
#include "services/runtime/administration.h"

namespace records::services {

// LedgerService over gRPC: for who runs and who audits the log, and for the systems that take their
// work from it.
// Thread-safe; the backend outlives it.
class LedgerServiceImpl final : public records::api::v1::LedgerService::CallbackService {
 public:
  explicit LedgerServiceImpl(Backend backend)
      : backend_(backend), tails_(backend, TailLimits()), follows_(backend, WorkLimits()) {}

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

 private:
  Backend backend_;
  LogFollows tails_;
  LogFollows follows_;
  absl::Mutex rotation_mutex_;
  // The last request that rotated, and what it came to: a repeat rotates nothing.
  std::string last_rotation_request_ ABSL_GUARDED_BY(rotation_mutex_);
  records::api::v1::RotateMasterKeyResponse last_rotation_ ABSL_GUARDED_BY(rotation_mutex_);
};

}  // namespace records::services
