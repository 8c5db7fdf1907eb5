#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "eventstore/log.h"
#include "records/api/v1/access_service.grpc.pb.h"
#include "records/policy/v1/register.pb.h"
#include "services/runtime/rpc.h"

namespace records::services {

// AccessService over gRPC. Thread-safe; everything given outlives it.
class AccessServiceImpl final : public records::api::v1::AccessService::CallbackService {
 public:
  // Waits until the view of grants contains a position, as projections::Runner::WaitFor().
  using AwaitGrants =
      std::function<absl::Status(eventstore::Position position, absl::Time deadline)>;

  AccessServiceImpl(Backend backend, const records::policy::v1::Register& policy,
                    std::vector<std::string> issuers, AwaitGrants await_grants)
      : backend_(backend),
        policy_(policy),
        issuers_(std::move(issuers)),
        await_grants_(std::move(await_grants)) {}

  grpc::ServerUnaryReactor* GrantRole(grpc::CallbackServerContext* context,
                                      const records::api::v1::GrantRoleRequest* request,
                                      records::api::v1::GrantRoleResponse* response) override;
  grpc::ServerUnaryReactor* RevokeRole(grpc::CallbackServerContext* context,
                                       const records::api::v1::RevokeRoleRequest* request,
                                       records::api::v1::RevokeRoleResponse* response) override;
  grpc::ServerUnaryReactor* ListAccess(grpc::CallbackServerContext* context,
                                       const records::api::v1::ListAccessRequest* request,
                                       records::api::v1::ListAccessResponse* response) override;

 private:
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* ChangeRole(grpc::CallbackServerContext* context, const char* method,
                                       const Request* request, Response* response, bool grant);
  absl::Status FillAccess(const Authorised& caller, const eventstore::DirectoryEntry& customer,
                          const records::api::v1::ListAccessRequest& request,
                          records::api::v1::ListAccessResponse& response) const;

  Backend backend_;
  const records::policy::v1::Register& policy_;
  const std::vector<std::string> issuers_;  // whose tokens the server takes
  const AwaitGrants await_grants_;
};

}  // namespace records::services
