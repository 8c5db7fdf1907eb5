#include "services/customer/customer_service.h"

#include <memory>
#include <utility>

#include "eventstore/status_macros.h"
#include "services/customer/registration.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using eventstore::RequestKey;

constexpr char kService[] = "records.api.v1.CustomerService.";

// Replies that hold nothing but the token of the write.
template <typename Response>
auto TokenReply(const Backend& backend) {
  return [&commands = backend.commands](const Authorised& caller, const Outcome& outcome,
                                        Response& response) -> absl::Status {
    ASSIGN_OR_RETURN(*response.mutable_token(), commands.WriteToken(caller, outcome));
    return absl::OkStatus();
  };
}

// A command about one customer that comes to one step.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* HandleOneStep(
    Backend& backend, grpc::CallbackServerContext* context, const char* method,
    const Request* request, Response* response,
    std::function<absl::StatusOr<Step>(const RequestKey&)> decide) {
  return HandleCommand<Request, Response>(
      backend, context, request, response,
      {.method = std::string(kService) + method,
       .asked_for = request->customer(),
       .planning = Planning::kMayWait,
       .plan = [decide = std::move(decide)](const Authorised&,
                                            const RequestKey& key) -> absl::StatusOr<Plan> {
         Plan plan;
         ASSIGN_OR_RETURN(Step step, decide(key));
         plan.steps.push_back(std::move(step));
         return plan;
       },
       .reply = TokenReply<Response>(backend)});
}

}  // namespace

absl::StatusOr<CustomerTarget> CustomerServiceImpl::Target(absl::string_view reference) const {
  ASSIGN_OR_RETURN(auto entry, ExistingCustomer(backend_.runtime, reference));
  return CustomerTarget{entry, backend_.runtime.organisation};
}

grpc::ServerUnaryReactor* CustomerServiceImpl::RegisterCustomer(
    grpc::CallbackServerContext* context, const api::RegisterCustomerRequest* request,
    api::RegisterCustomerResponse* response) {
  return HandleCommand<api::RegisterCustomerRequest, api::RegisterCustomerResponse>(
      backend_, context, request, response,
      {.method = std::string(kService) + "RegisterCustomer",
       .asked_for = request->person().reference(),
       .planning = Planning::kMayWait,
       .plan =
           [this, request](const Authorised&, const RequestKey&) {
             return PlanRegistration(backend_.runtime, request->person(), request->tenancy(),
                                     request->synthetic());
           },
       .reply = TokenReply<api::RegisterCustomerResponse>(backend_)});
}

grpc::ServerUnaryReactor* CustomerServiceImpl::CorrectCustomerDetails(
    grpc::CallbackServerContext* context, const api::CorrectCustomerDetailsRequest* request,
    api::CorrectCustomerDetailsResponse* response) {
  return HandleCommand<api::CorrectCustomerDetailsRequest, api::CorrectCustomerDetailsResponse>(
      backend_, context, request, response,
      {.method = std::string(kService) + "CorrectCustomerDetails",
       .asked_for = request->customer(),
       .planning = Planning::kMayWait,
       .plan = [this, request](const Authorised&, const RequestKey&) -> absl::StatusOr<Plan> {
         ASSIGN_OR_RETURN(CustomerTarget customer, Target(request->customer()));
         ASSIGN_OR_RETURN(Step step,
                          DecideCorrection(customer, *request, backend_.runtime.clock.Now()));
         Plan plan;
         if (request->has_tenancy()) {
           ASSIGN_OR_RETURN(Step joined,
                            PlanTenancyJoined(backend_.runtime, customer, request->tenancy()));
           plan.steps.push_back(std::move(joined));
         }
         plan.steps.push_back(std::move(step));
         return plan;
       },
       .reply = TokenReply<api::CorrectCustomerDetailsResponse>(backend_)});
}

grpc::ServerUnaryReactor* CustomerServiceImpl::AddHouseholdMember(
    grpc::CallbackServerContext* context, const api::AddHouseholdMemberRequest* request,
    api::AddHouseholdMemberResponse* response) {
  return HandleOneStep(backend_, context, "AddHouseholdMember", request, response,
                       [this, request](const RequestKey& key) -> absl::StatusOr<Step> {
                         ASSIGN_OR_RETURN(CustomerTarget customer, Target(request->customer()));
                         const DerivedIds member =
                             backend_.commands.Derive(key, "household-member");
                         return DecideHouseholdMember(customer, *request, member.subject,
                                                      backend_.runtime.clock.Now());
                       });
}

grpc::ServerUnaryReactor* CustomerServiceImpl::SetCommunicationNeeds(
    grpc::CallbackServerContext* context, const api::SetCommunicationNeedsRequest* request,
    api::SetCommunicationNeedsResponse* response) {
  return HandleOneStep(backend_, context, "SetCommunicationNeeds", request, response,
                       [this, request](const RequestKey&) -> absl::StatusOr<Step> {
                         ASSIGN_OR_RETURN(CustomerTarget customer, Target(request->customer()));
                         return DecideNeeds(customer, *request, backend_.runtime.clock.Now());
                       });
}

grpc::ServerUnaryReactor* CustomerServiceImpl::SetContactSafety(
    grpc::CallbackServerContext* context, const api::SetContactSafetyRequest* request,
    api::SetContactSafetyResponse* response) {
  return HandleOneStep(backend_, context, "SetContactSafety", request, response,
                       [this, request](const RequestKey&) -> absl::StatusOr<Step> {
                         ASSIGN_OR_RETURN(CustomerTarget customer, Target(request->customer()));
                         return DecideSafety(customer, *request, backend_.runtime.clock.Now());
                       });
}

grpc::ServerUnaryReactor* CustomerServiceImpl::SetConfidentialAddress(
    grpc::CallbackServerContext* context, const api::SetConfidentialAddressRequest* request,
    api::SetConfidentialAddressResponse* response) {
  return HandleOneStep(backend_, context, "SetConfidentialAddress", request, response,
                       [this, request](const RequestKey&) -> absl::StatusOr<Step> {
                         ASSIGN_OR_RETURN(CustomerTarget customer, Target(request->customer()));
                         return DecideConfidentialAddress(customer, *request,
                                                          backend_.runtime.clock.Now());
                       });
}

grpc::ServerUnaryReactor* CustomerServiceImpl::RecordThirdPartyAuthority(
    grpc::CallbackServerContext* context, const api::RecordThirdPartyAuthorityRequest* request,
    api::RecordThirdPartyAuthorityResponse* response) {
  return HandleCommand<api::RecordThirdPartyAuthorityRequest,
                       api::RecordThirdPartyAuthorityResponse>(
      backend_, context, request, response,
      {.method = std::string(kService) + "RecordThirdPartyAuthority",
       .asked_for = request->customer(),
       .planning = Planning::kMayWait,
       .plan = [this, request](const Authorised&, const RequestKey& key) -> absl::StatusOr<Plan> {
         ASSIGN_OR_RETURN(CustomerTarget customer, Target(request->customer()));
         const DerivedIds derived = backend_.commands.Derive(key, "third-party");
         ASSIGN_OR_RETURN(Step step, DecideAuthority(customer, *request, derived.subject,
                                                     backend_.runtime.clock.Now()));
         Plan plan;
         plan.steps.push_back(std::move(step));
         return plan;
       },
       .reply = [this](const Authorised& caller, const Outcome& outcome,
                       api::RecordThirdPartyAuthorityResponse& reply) -> absl::Status {
         ASSIGN_OR_RETURN(*reply.mutable_token(), backend_.commands.WriteToken(caller, outcome));
         const DerivedIds derived = backend_.commands.Derive(outcome.key, "third-party");
         reply.set_third_party(std::string(derived.subject.bytes()));
         return absl::OkStatus();
       }});
}

grpc::ServerUnaryReactor* CustomerServiceImpl::ListJointTenants(
    grpc::CallbackServerContext* context, const api::ListJointTenantsRequest* request,
    api::ListJointTenantsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto finish = [reactor](absl::Status status) { reactor->Finish(ToGrpcStatus(status)); };
  const std::string method = std::string(kService) + "ListJointTenants";
  backend_.authoriser.Authorise(
      *context, method, request->customer(),
      [this, request, response, finish](absl::StatusOr<Authorised> caller) {
        if (!caller.ok()) return finish(caller.status());
        auto customer = ExistingCustomer(backend_.runtime, request->customer());
        if (absl::IsPermissionDenied(customer.status())) {
          return backend_.authoriser.Refuse(*caller, request->customer(), finish);
        }
        if (!customer.ok()) return finish(customer.status());
        auto may_open = [&caller](absl::string_view category) { return caller->MayOpen(category); };
        auto tenants = FindJointTenants(backend_.runtime, *customer, may_open);
        if (!tenants.ok()) return finish(tenants.status());
        std::vector<eventstore::DirectoryEntry> read{*customer};
        for (const JointTenant& tenant : *tenants) {
          auto* entry = response->add_joint_tenants();
          entry->set_reference(tenant.reference);
          entry->set_name(tenant.name);
          read.push_back(tenant.entry);
        }
        TraceAll(backend_, *caller, std::move(read), {"identity", "tenancy"}, finish);
      });
  return reactor;
}

}  // namespace records::services
