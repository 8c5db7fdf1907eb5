#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "records/api/v1/erasure_service.grpc.pb.h"
#include "records/policy/v1/register.pb.h"
#include "services/erasure/erasure_register.h"
#include "services/erasure/erasure_worker.h"
#include "services/runtime/rpc.h"

namespace records::services {

// ErasureService over gRPC: plan, decide, follow, tell. What it takes to carry one out is the
// worker's.
//
// Thread-safe. Backend, register and worker outlive it.
class ErasureServiceImpl final : public records::api::v1::ErasureService::CallbackService {
 public:
  // `policy`: says which work streams are taken by anybody.
  ErasureServiceImpl(Backend backend, const records::policy::v1::Register& policy,
                     ErasureRegister& reg, ErasureWorker& worker);

  grpc::ServerUnaryReactor* PlanErasure(grpc::CallbackServerContext* context,
                                        const records::api::v1::PlanErasureRequest* request,
                                        records::api::v1::PlanErasureResponse* response) override;
  grpc::ServerUnaryReactor* EraseSubject(grpc::CallbackServerContext* context,
                                         const records::api::v1::EraseSubjectRequest* request,
                                         records::api::v1::EraseSubjectResponse* response) override;
  grpc::ServerUnaryReactor* GetErasure(grpc::CallbackServerContext* context,
                                       const records::api::v1::GetErasureRequest* request,
                                       records::api::v1::GetErasureResponse* response) override;
  grpc::ServerUnaryReactor* ListErasures(grpc::CallbackServerContext* context,
                                         const records::api::v1::ListErasuresRequest* request,
                                         records::api::v1::ListErasuresResponse* response) override;
  grpc::ServerUnaryReactor* AcknowledgeErasure(
      grpc::CallbackServerContext* context,
      const records::api::v1::AcknowledgeErasureRequest* request,
      records::api::v1::AcknowledgeErasureResponse* response) override;
  grpc::ServerUnaryReactor* ConfirmErasure(
      grpc::CallbackServerContext* context, const records::api::v1::ConfirmErasureRequest* request,
      records::api::v1::ConfirmErasureResponse* response) override;

 private:
  // Authorises, then runs `work` on a thread of the executor; kPermissionDenied is traced.
  grpc::ServerUnaryReactor* Answer(
      grpc::CallbackServerContext* context, const char* method, const std::string& asked_for,
      std::function<void(const Authorised&, std::function<void(absl::Status)>)> work);
  absl::Status FillPlan(const Authorised& caller, const eventstore::DirectoryEntry& customer,
                        records::api::v1::PlanErasureResponse& response) const;
  // What the plan token says of a customer: who, and how far the streams of the record are.
  absl::StatusOr<std::string> StateOf(const eventstore::DirectoryEntry& customer) const;
  absl::StatusOr<Plan> Decide(const Authorised& caller, const eventstore::RequestKey& key,
                              const records::api::v1::EraseSubjectRequest& request);
  absl::StatusOr<Plan> Acknowledge(const Authorised& caller,
                                   const records::api::v1::AcknowledgeErasureRequest& request);
  absl::StatusOr<Plan> Confirm(const Authorised& caller,
                               const records::api::v1::ConfirmErasureRequest& request);
  // One event more in the register, recorded by the caller.
  Plan Note(const Authorised& caller, std::unique_ptr<google::protobuf::Message> message) const;
  // The erasure that an Erased record tells of; nullopt: it is no such record of that stream.
  absl::StatusOr<std::optional<ErasureEntry>> FindTold(absl::string_view stream,
                                                       absl::string_view reference);
  // Leaves the trace of an answer that shows so many erasures, unless it is an error.
  void FinishTraced(const Authorised& caller, int shown, absl::Status status,
                    const std::function<void(absl::Status)>& finish);
  // kPermissionDenied: there is none.
  absl::StatusOr<ErasureEntry> Find(const std::string& id);
  absl::Status Fill(const ErasureEntry& entry, records::api::v1::Erasure& erasure) const;
  absl::Status FillConfirmations(const ErasureEntry& entry,
                                 records::api::v1::Erasure& erasure) const;
  // The name in the token of a member of staff or a system; empty: erased, or nobody.
  absl::StatusOr<std::string> NameOf(const eventstore::SubjectId& subject) const;
  absl::Status FillList(const Authorised& caller,
                        const records::api::v1::ListErasuresRequest& request,
                        records::api::v1::ListErasuresResponse& response);

  Backend backend_;
  std::set<std::string> taken_streams_;  // that some role takes
  ErasureRegister& register_;
  ErasureWorker& worker_;
};

}  // namespace records::services
