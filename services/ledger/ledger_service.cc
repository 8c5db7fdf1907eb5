#include "services/ledger/ledger_service.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::services {
namespace {

namespace api = records::api::v1;

constexpr char kService[] = "records.api.v1.LedgerService.";
constexpr size_t kBackupNameMax = 64;

bool IsBackupName(absl::string_view name) {
  if (name.empty() || name.size() > kBackupNameMax) return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == absl::string_view::npos;
}

}  // namespace

// What administers keys or log leaves a trace with whoever does it, before it is done.
void LedgerServiceImpl::AuthoriseTraced(grpc::CallbackServerContext& context, const char* method,
                                        std::function<void(absl::StatusOr<Authorised>)> done) {
  backend_.authoriser.Authorise(context, absl::StrCat(kService, method), "",
                                [this, done = std::move(done)](absl::StatusOr<Authorised> caller) {
                                  if (!caller.ok()) return done(caller.status());
                                  backend_.tracer.Trace(
                                      caller->staff, kStaff, TraceOf(*caller, {}, 0),
                                      [done, caller = *caller](absl::Status traced) {
                                        if (!traced.ok()) return done(traced);
                                        done(caller);
                                      });
                                });
}

grpc::ServerUnaryReactor* LedgerServiceImpl::Administer(
    grpc::CallbackServerContext* context, const char* method,
    std::function<absl::Status(const Authorised&)> work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto finish = [reactor](absl::Status status) { reactor->Finish(ToGrpcStatus(status)); };
  AuthoriseTraced(
      *context, method, [this, finish, work = std::move(work)](absl::StatusOr<Authorised> caller) {
        if (!caller.ok()) return finish(caller.status());
        auto run = [finish, work, caller = *std::move(caller)] { finish(work(caller)); };
        if (!backend_.runtime.executor.Run(std::move(run))) finish(ServerBusy());
      });
  return reactor;
}

grpc::ServerWriteReactor<api::TailLogResponse>* LedgerServiceImpl::TailLog(
    grpc::CallbackServerContext* context, const api::TailLogRequest* request) {
  auto reactor = TailReactor::Create();
  AuthoriseTraced(*context, "TailLog",
                  [this, reactor, request = *request](absl::StatusOr<Authorised> caller) {
                    absl::Status started =
                        caller.ok() ? tails_.Start(reactor, *caller, request) : caller.status();
                    if (!started.ok()) reactor->End(started);
                  });
  return reactor.get();
}

grpc::ServerUnaryReactor* LedgerServiceImpl::GetCheckpoint(grpc::CallbackServerContext* context,
                                                           const api::GetCheckpointRequest*,
                                                           api::GetCheckpointResponse* response) {
  return Administer(context, "GetCheckpoint", [this, response](const Authorised&) -> absl::Status {
    ASSIGN_OR_RETURN(*response->mutable_checkpoint(), backend_.runtime.log.SignedCheckpoint());
    response->set_verifier_key(backend_.runtime.log.VerifierKey());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* LedgerServiceImpl::GetKeyStatus(grpc::CallbackServerContext* context,
                                                          const api::GetKeyStatusRequest*,
                                                          api::GetKeyStatusResponse* response) {
  return Administer(context, "GetKeyStatus", [this, response](const Authorised&) {
    const eventstore::KeyStoreStatus status = backend_.runtime.keys.GetStatus();
    response->set_master_key_generation(status.master_key_generation);
    response->set_master_key_created_at_us(absl::ToUnixMicros(status.master_key_created_at));
    response->set_keys(status.keys);
    response->set_fenced_subjects(status.fenced_subjects);
    response->set_sequence(status.sequence);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* LedgerServiceImpl::RotateMasterKey(
    grpc::CallbackServerContext* context, const api::RotateMasterKeyRequest* request,
    api::RotateMasterKeyResponse* response) {
  return Administer(context, "RotateMasterKey",
                    [this, request, response](const Authorised& caller) -> absl::Status {
                      auto id = eventstore::RequestId::FromUuid(request->request_id());
                      if (!id.ok())
                        return InvalidField("request_id", "must be a UUID as RFC 9562 writes it");
                      absl::MutexLock lock(&rotation_mutex_);
                      const std::string scoped = absl::StrCat(caller.Name(), "\n", id->ToHex());
                      if (scoped != last_rotation_request_) {
                        ASSIGN_OR_RETURN(uint64_t keys, backend_.runtime.keys.RotateMasterKey());
                        last_rotation_.set_keys(keys);
                        last_rotation_.set_master_key_generation(
                            backend_.runtime.keys.GetStatus().master_key_generation);
                        last_rotation_request_ = scoped;
                      }
                      *response = last_rotation_;
                      return absl::OkStatus();
                    });
}

grpc::ServerUnaryReactor* LedgerServiceImpl::BackupKeys(grpc::CallbackServerContext* context,
                                                        const api::BackupKeysRequest* request,
                                                        api::BackupKeysResponse* response) {
  return Administer(
      context, "BackupKeys", [this, request, response](const Authorised&) -> absl::Status {
        if (!IsBackupName(request->name())) {
          return InvalidField("name", "must be 1 to 64 of a-z, 0-9 and hyphen");
        }
        std::error_code error;
        std::filesystem::create_directories(backup_folder_, error);
        if (error) return absl::UnavailableError("the server cannot make its folder of backups");
        const std::string folder = absl::StrCat(backup_folder_, "/", request->name());
        RETURN_IF_ERROR(backend_.runtime.keys.Backup(folder));
        response->set_path(folder);
        response->set_master_key_generation(
            backend_.runtime.keys.GetStatus().master_key_generation);
        return absl::OkStatus();
      });
}

}  // namespace records::services
