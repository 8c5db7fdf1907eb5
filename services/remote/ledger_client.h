#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "records/api/v1/ledger_service.grpc.pb.h"

namespace records::services {

// The ledger, for a view in another process: its methods for views, over one connection that shows
// both certificates and is made again whenever it is lost.
//
// Thread-safe. Each call ends within kCallMax. kUnavailable (LEDGER_AWAY): the ledger does not
// answer, or not this view; nothing was answered without it. Other errors are the ledger's.
class LedgerClient {
 public:
  static constexpr absl::Duration kCallMax = absl::Seconds(5);

  // `address` is host:port, as the ledger's certificate names it.
  LedgerClient(const std::string& address,
               const std::shared_ptr<grpc::ChannelCredentials>& credentials);

  [[nodiscard]] absl::StatusOr<records::api::v1::IntroduceViewResponse> IntroduceView(
      const records::api::v1::IntroduceViewRequest& request);
  [[nodiscard]] absl::StatusOr<records::api::v1::ResolveResponse> Resolve(
      const records::api::v1::ResolveRequest& request);
  // OK: they may, and the trace is durable.
  [[nodiscard]] absl::Status AdmitOperator(const records::api::v1::AdmitOperatorRequest& request);
  [[nodiscard]] absl::StatusOr<records::api::v1::ReleaseKeysResponse> ReleaseKeys(
      const records::api::v1::ReleaseKeysRequest& request);
  [[nodiscard]] absl::StatusOr<records::api::v1::ExchangeTokensResponse> ExchangeTokens(
      const records::api::v1::ExchangeTokensRequest& request);
  [[nodiscard]] absl::StatusOr<records::api::v1::NameStaffResponse> NameStaff(
      const records::api::v1::NameStaffRequest& request);

  // Without a thread that waits: `done` is called once, on a thread of gRPC's.
  void ResolveAsync(
      records::api::v1::ResolveRequest request,
      absl::AnyInvocable<void(absl::StatusOr<records::api::v1::ResolveResponse>)> done);
  void TraceReadAsync(records::api::v1::TraceReadRequest request,
                      absl::AnyInvocable<void(absl::Status)> done);

  // Waits until each `done` has returned. For the end, when no more calls come.
  void AwaitCalls();

 private:
  void Began();
  void Ended();

  absl::Mutex mutex_;
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  const std::unique_ptr<records::api::v1::LedgerService::Stub> stub_;
};

}  // namespace records::services
