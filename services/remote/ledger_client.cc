#include "services/remote/ledger_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <utility>

#include "services/errors/errors.h"

namespace records::services {
namespace {

namespace api = records::api::v1;

std::shared_ptr<grpc::Channel> OpenChannel(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments how;
  // A ledger that starts anew is found again within a second. The first is also how long one try
  // may take, with its handshake.
  how.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  how.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  how.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  return grpc::CreateCustomChannel(address, credentials, how);
}

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(LedgerClient::kCallMax));
}

absl::Status StatusOf(const grpc::Status& answer) {
  const absl::Status status = FromGrpcStatus(answer);
  // The caller did nothing wrong when it is the view that the ledger does not know or wait for.
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
      absl::IsUnimplemented(status) || ReasonOf(status) == "SERVICE_UNKNOWN" ||
      ReasonOf(status) == "REGISTER_DIFFERS") {
    return Refusal(absl::StatusCode::kUnavailable, "LEDGER_AWAY",
                   "The ledger does not answer this view. Try again later.")
        .RetryAfter(absl::Seconds(1));
  }
  return status;
}

using Stub = api::LedgerService::Stub;

template <typename Request, typename Response>
absl::StatusOr<Response> Call(Stub& stub,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                           Response*),
                              const Request& request) {
  grpc::ClientContext context;
  SetDeadline(context);
  Response response;
  const grpc::Status answer = (stub.*method)(&context, request, &response);
  if (!answer.ok()) return StatusOf(answer);
  return response;
}

// What a call without a waiting thread needs until it is answered.
template <typename Request, typename Response>
struct Pending {
  grpc::ClientContext context;
  Request request;
  Response response;
};

}  // namespace

LedgerClient::LedgerClient(const std::string& address,
                           const std::shared_ptr<grpc::ChannelCredentials>& credentials)
    : stub_(api::LedgerService::NewStub(OpenChannel(address, credentials))) {}

absl::StatusOr<api::IntroduceViewResponse> LedgerClient::IntroduceView(
    const api::IntroduceViewRequest& request) {
  grpc::ClientContext context;
  SetDeadline(context);
  api::IntroduceViewResponse response;
  const grpc::Status answer = stub_->IntroduceView(&context, request, &response);
  // Told as it is: this one is for the operator.
  if (!answer.ok()) return FromGrpcStatus(answer);
  return response;
}

absl::StatusOr<api::ResolveResponse> LedgerClient::Resolve(const api::ResolveRequest& request) {
  return Call(*stub_, &Stub::Resolve, request);
}

absl::Status LedgerClient::AdmitOperator(const api::AdmitOperatorRequest& request) {
  return Call(*stub_, &Stub::AdmitOperator, request).status();
}

absl::StatusOr<api::ReleaseKeysResponse> LedgerClient::ReleaseKeys(
    const api::ReleaseKeysRequest& request) {
  return Call(*stub_, &Stub::ReleaseKeys, request);
}

absl::StatusOr<api::ExchangeTokensResponse> LedgerClient::ExchangeTokens(
    const api::ExchangeTokensRequest& request) {
  return Call(*stub_, &Stub::ExchangeTokens, request);
}

absl::StatusOr<api::NameStaffResponse> LedgerClient::NameStaff(
    const api::NameStaffRequest& request) {
  return Call(*stub_, &Stub::NameStaff, request);
}

void LedgerClient::Began() {
  absl::MutexLock lock(&mutex_);
  ++under_way_;
}

void LedgerClient::Ended() {
  absl::MutexLock lock(&mutex_);
  --under_way_;
}

void LedgerClient::AwaitCalls() {
  const auto none = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return under_way_ == 0; };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&none));
}

void LedgerClient::ResolveAsync(
    api::ResolveRequest request,
    absl::AnyInvocable<void(absl::StatusOr<api::ResolveResponse>)> done) {
  auto call = std::make_shared<Pending<api::ResolveRequest, api::ResolveResponse>>();
  call->request = std::move(request);
  SetDeadline(call->context);
  auto shared = std::make_shared<decltype(done)>(std::move(done));
  Began();
  stub_->async()->Resolve(&call->context, &call->request, &call->response,
                          [this, call, shared](const grpc::Status& answer) {
                            if (answer.ok()) {
                              (*shared)(std::move(call->response));
                            } else {
                              (*shared)(StatusOf(answer));
                            }
                            Ended();
                          });
}

void LedgerClient::TraceReadAsync(api::TraceReadRequest request,
                                  absl::AnyInvocable<void(absl::Status)> done) {
  auto call = std::make_shared<Pending<api::TraceReadRequest, api::TraceReadResponse>>();
  call->request = std::move(request);
  SetDeadline(call->context);
  auto shared = std::make_shared<decltype(done)>(std::move(done));
  Began();
  stub_->async()->TraceRead(&call->context, &call->request, &call->response,
                            [this, call, shared](const grpc::Status& answer) {
                              (*shared)(answer.ok() ? absl::OkStatus() : StatusOf(answer));
                              Ended();
                            });
}

}  // namespace records::services
