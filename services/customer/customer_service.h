#pragma once

#include "records/api/v1/customer_service.grpc.pb.h"
#include "services/customer/customer_decisions.h"
#include "services/runtime/rpc.h"

namespace records::services {

// CustomerService over gRPC. Thread-safe; the backend outlives it.
class CustomerServiceImpl final : public records::api::v1::CustomerService::CallbackService {
 public:
  explicit CustomerServiceImpl(Backend backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* RegisterCustomer(
      grpc::CallbackServerContext* context,
      const records::api::v1::RegisterCustomerRequest* request,
      records::api::v1::RegisterCustomerResponse* response) override;
  grpc::ServerUnaryReactor* CorrectCustomerDetails(
      grpc::CallbackServerContext* context,
      const records::api::v1::CorrectCustomerDetailsRequest* request,
      records::api::v1::CorrectCustomerDetailsResponse* response) override;
  grpc::ServerUnaryReactor* AddHouseholdMember(
      grpc::CallbackServerContext* context,
      const records::api::v1::AddHouseholdMemberRequest* request,
      records::api::v1::AddHouseholdMemberResponse* response) override;
  grpc::ServerUnaryReactor* SetCommunicationNeeds(
      grpc::CallbackServerContext* context,
      const records::api::v1::SetCommunicationNeedsRequest* request,
      records::api::v1::SetCommunicationNeedsResponse* response) override;
  grpc::ServerUnaryReactor* SetContactSafety(
      grpc::CallbackServerContext* context,
      const records::api::v1::SetContactSafetyRequest* request,
      records::api::v1::SetContactSafetyResponse* response) override;
  grpc::ServerUnaryReactor* SetConfidentialAddress(
      grpc::CallbackServerContext* context,
      const records::api::v1::SetConfidentialAddressRequest* request,
      records::api::v1::SetConfidentialAddressResponse* response) override;
  grpc::ServerUnaryReactor* RecordThirdPartyAuthority(
      grpc::CallbackServerContext* context,
      const records::api::v1::RecordThirdPartyAuthorityRequest* request,
      records::api::v1::RecordThirdPartyAuthorityResponse* response) override;
  grpc::ServerUnaryReactor* ListJointTenants(
      grpc::CallbackServerContext* context,
      const records::api::v1::ListJointTenantsRequest* request,
      records::api::v1::ListJointTenantsResponse* response) override;

 private:
  absl::StatusOr<CustomerTarget> Target(absl::string_view reference) const;

  Backend backend_;
};

}  // namespace records::services
