#include "services/ledger/ledger_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::services {
namespace {

namespace api = records::api::v1;

constexpr char kService[] = "records.api.v1.LedgerService.";

std::string MethodName(absl::string_view method) { return absl::StrCat(kService, method); }

}  // namespace

grpc::ServerWriteReactor<api::TailLogResponse>* LedgerServiceImpl::TailLog(
    grpc::CallbackServerContext* context, const api::TailLogRequest* request) {
  auto reactor = TailReactor::Create();
  AuthoriseTraced(backend_, *context, MethodName("TailLog"),
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
  return Administer(backend_, context, MethodName("GetCheckpoint"),
                    [this, response](const Authorised&) -> absl::Status {
                      ASSIGN_OR_RETURN(*response->mutable_checkpoint(),
                                       backend_.runtime.log.SignedCheckpoint());
                      response->set_verifier_key(backend_.runtime.log.VerifierKey());
                      return absl::OkStatus();
                    });
}

grpc::ServerUnaryReactor* LedgerServiceImpl::GetKeyStatus(grpc::CallbackServerContext* context,
                                                          const api::GetKeyStatusRequest*,
                                                          api::GetKeyStatusResponse* response) {
  return Administer(
      backend_, context, MethodName("GetKeyStatus"), [this, response](const Authorised&) {
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
  return Administer(backend_, context, MethodName("RotateMasterKey"),
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

}  // namespace records::services
