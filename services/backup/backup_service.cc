#include "services/backup/backup_service.h"

#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using eventstore::BackupManifest;

constexpr char kCreate[] = "records.api.v1.BackupService.CreateBackup";
constexpr char kList[] = "records.api.v1.BackupService.ListBackups";
// How often a caller is told how far it is.
constexpr std::chrono::milliseconds kProgressEvery{250};

void FillHalf(const BackupManifest& manifest, api::BackupHalf& half) {
  half.set_files(manifest.files);
  half.set_bytes(manifest.bytes);
  half.set_key_store_sequence(manifest.key_store_sequence);
  half.set_master_key_generation(manifest.master_key_generation);
}

// What both halves say alike; the position is that of the log.
void FillPosition(const BackupManifest& manifest, api::Backup& backup) {
  backup.set_name(manifest.name);
  backup.set_created_at_us(absl::ToUnixMicros(manifest.created_at));
  backup.set_events(manifest.events);
  backup.set_access(manifest.access);
  backup.set_erasure_ledger_size(manifest.erasure_ledger.size);
}

void FillMade(const eventstore::MadeBackup& made, api::BackupHalf& half) {
  FillHalf(made.manifest, half);
  half.set_path(made.folder);
  half.set_manifest_sha256(absl::BytesToHexString(eventstore::AsBytes(made.manifest_sha256)));
}

void FillListed(const eventstore::ListedBackup& listed, api::Backup& backup) {
  backup.set_name(listed.name);
  if (listed.keys.has_value()) FillPosition(*listed.keys, backup);
  if (listed.log.has_value()) FillPosition(*listed.log, backup);
  backup.set_name(listed.name);
  if (listed.log.has_value()) FillHalf(*listed.log, *backup.mutable_log());
  if (listed.keys.has_value()) FillHalf(*listed.keys, *backup.mutable_keys());
}

}  // namespace

grpc::ServerWriteReactor<api::CreateBackupResponse>* BackupServiceImpl::CreateBackup(
    grpc::CallbackServerContext* context, const api::CreateBackupRequest* request) {
  auto reactor = Reactor::Create();
  AuthoriseTraced(backend_, *context, kCreate,
                  [this, reactor, name = request->name()](absl::StatusOr<Authorised> caller) {
                    if (!caller.ok()) return reactor->End(caller.status());
                    auto make = [this, reactor, name, caller = *std::move(caller)] {
                      Make(name, caller, *reactor);
                    };
                    if (!backend_.runtime.bulk_executor.Run(std::move(make))) {
                      reactor->End(ServerBusy());
                    }
                  });
  return reactor.get();
}

void BackupServiceImpl::Make(const std::string& name, const Authorised& caller, Reactor& reactor) {
  if (!eventstore::IsBackupName(name)) {
    return reactor.End(
        InvalidField("name", "must be 1 to 64 of a-z, 0-9 and hyphen, not a hyphen first"));
  }
  std::chrono::steady_clock::time_point told_at;
  absl::Status revoked;
  const auto go_on = [&](const eventstore::BackupProgress& progress) {
    if (reactor.over()) return false;
    const auto now = std::chrono::steady_clock::now();
    if (progress.bytes_done != 0 && now - told_at < kProgressEvery) return true;
    told_at = now;
    revoked = backend_.authoriser.StillAuthorised(caller);
    // Room for the last message stays free; a reader that is slow is told less.
    if (!revoked.ok() || reactor.room() < 2) return revoked.ok();
    api::CreateBackupResponse message;
    message.mutable_progress()->set_part(std::string(eventstore::NameOf(progress.part)));
    message.mutable_progress()->set_bytes_done(progress.bytes_done);
    message.mutable_progress()->set_bytes_total(progress.bytes_total);
    reactor.Push(std::move(message));
    return true;
  };
  const absl::StatusOr<eventstore::MadeBackups> made = backups_.Create(name, go_on);
  if (!made.ok()) return reactor.End(revoked.ok() ? made.status() : revoked);
  api::CreateBackupResponse message;
  FillPosition(made->log.manifest, *message.mutable_done());
  FillMade(made->log, *message.mutable_done()->mutable_log());
  FillMade(made->keys, *message.mutable_done()->mutable_keys());
  reactor.Push(std::move(message));
  reactor.End(absl::OkStatus());
}

grpc::ServerUnaryReactor* BackupServiceImpl::ListBackups(grpc::CallbackServerContext* context,
                                                         const api::ListBackupsRequest*,
                                                         api::ListBackupsResponse* response) {
  return Administer(backend_, context, kList, [this, response](const Authorised&) -> absl::Status {
    ASSIGN_OR_RETURN(const auto listed, backups_.List());
    for (const eventstore::ListedBackup& backup : listed) {
      FillListed(backup, *response->add_backups());
    }
    return absl::OkStatus();
  });
}

}  // namespace records::services
