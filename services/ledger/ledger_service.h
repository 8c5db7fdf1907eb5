#pragma once

#include <string>

#include "records/api/v1/ledger_service.grpc.pb.h"
#include "services/ledger/log_tail.h"
#include "services/runtime/rpc.h"

namespace records::services {

// LedgerService over gRPC: for who runs and who audits the log. Opens no personal data.
// Thread-safe; the backend outlives it.
class LedgerServiceImpl final : public records::api::v1::LedgerService::CallbackService {
 public:
  // `backup_folder` is where backups of the key store go, each into a folder of its name.
  LedgerServiceImpl(Backend backend, std::string backup_folder)
      : backend_(backend), backup_folder_(std::move(backup_folder)), tails_(backend) {}

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
  grpc::ServerUnaryReactor* BackupKeys(grpc::CallbackServerContext* context,
                                       const records::api::v1::BackupKeysRequest* request,
                                       records::api::v1::BackupKeysResponse* response) override;

 private:
  // Authorises, and leaves a trace with the caller.
  void AuthoriseTraced(grpc::CallbackServerContext& context, const char* method,
                       std::function<void(absl::StatusOr<Authorised>)> done);
  // The same, then runs `work` on a thread of the executor: what it does waits for a disk.
  grpc::ServerUnaryReactor* Administer(grpc::CallbackServerContext* context, const char* method,
                                       std::function<absl::Status(const Authorised&)> work);

  Backend backend_;
  std::string backup_folder_;
  LogTails tails_;
  absl::Mutex rotation_mutex_;
  // The last request that rotated, and what it came to: a repeat rotates nothing.
  std::string last_rotation_request_ ABSL_GUARDED_BY(rotation_mutex_);
  records::api::v1::RotateMasterKeyResponse last_rotation_ ABSL_GUARDED_BY(rotation_mutex_);
};

}  // namespace records::services
