#pragma once

#include <functional>
#include <memory>

#include "eventstore/backup.h"
#include "records/api/v1/backup_service.grpc.pb.h"
#include "services/runtime/administration.h"
#include "services/runtime/push_reactor.h"

namespace records::services {

// BackupService over gRPC: backups of log and keys, for who runs the system. The copying runs on
// the bulk executor, one backup at a time, and ends when the call is cancelled or its time is up.
// Thread-safe; backend and backups outlive it.
class BackupServiceImpl final : public records::api::v1::BackupService::CallbackService {
 public:
  BackupServiceImpl(Backend backend, eventstore::Backups& backups)
      : backend_(backend), backups_(backups) {}

  grpc::ServerWriteReactor<records::api::v1::CreateBackupResponse>* CreateBackup(
      grpc::CallbackServerContext* context,
      const records::api::v1::CreateBackupRequest* request) override;
  grpc::ServerUnaryReactor* ListBackups(grpc::CallbackServerContext* context,
                                        const records::api::v1::ListBackupsRequest* request,
                                        records::api::v1::ListBackupsResponse* response) override;

 private:
  using Reactor = PushReactor<records::api::v1::CreateBackupResponse>;

  // Makes the backup, and ends the stream.
  void Make(const std::string& name, const Authorised& caller, Reactor& reactor);

  Backend backend_;
  eventstore::Backups& backups_;
};

}  // namespace records::services
