#include "services/ledger/ledger_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "services/ledger/unseal.h"

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
                    absl::Status started = caller.status();
                    if (caller.ok()) {
                      started = tails_.Start(MakeTail(backend_.runtime, reactor, request), *caller,
                                             request.stop_at_head());
                    }
                    if (!started.ok()) reactor->End(started);
                  });
  return reactor.get();
}

grpc::ServerWriteReactor<api::FollowWorkResponse>* LedgerServiceImpl::FollowWork(
    grpc::CallbackServerContext* context, const api::FollowWorkRequest* request) {
  auto reactor = WorkReactor::Create();
  auto start = [this, reactor, request = *request](absl::StatusOr<Authorised> caller) {
    absl::Status started = caller.status();
    if (caller.ok()) {
      auto follow = MakeWorkFollow(backend_.runtime, reactor, *caller, request);
      started = follow.ok() ? follows_.Start(*std::move(follow), *caller, request.stop_at_head())
                            : follow.status();
    }
    if (!started.ok()) reactor->End(started);
  };
  backend_.authoriser.AuthoriseWork(*context, MethodName("FollowWork"), request->stream(),
                                    TraceCaller(backend_, std::move(start)));
  return reactor.get();
}

grpc::ServerUnaryReactor* LedgerServiceImpl::Unseal(grpc::CallbackServerContext* context,
                                                    const api::UnsealRequest* request,
                                                    api::UnsealResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  std::function<void(absl::Status)> finish = [reactor](absl::Status status) {
    reactor->Finish(ToGrpcStatus(status));
  };
  backend_.authoriser.AuthoriseWork(
      *context, MethodName("Unseal"), request->stream(),
      [this, request, response, finish](absl::StatusOr<Authorised> caller) {
        if (!caller.ok()) return finish(caller.status());
        auto run = [this, request, response, finish, caller = *std::move(caller)] {
          services::Unseal(backend_, caller, *request, *response, finish);
        };
        if (!backend_.runtime.executor.Run(std::move(run))) finish(ServerBusy());
      });
  return reactor;
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
