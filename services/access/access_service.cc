#include "services/access/access_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/status_macros.h"
#include "records/events/v1/access.pb.h"
#include "services/access/role_decisions.h"
#include "services/customer/customers.h"
#include "services/runtime/entry_id.h"
#include "services/runtime/paging.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
namespace ev = records::events::v1;

constexpr char kService[] = "records.api.v1.AccessService.";
constexpr absl::string_view kTraceCategory = "access-trace";
constexpr absl::Duration kFoldWait = absl::Seconds(10);

template <typename Request>
RoleChange ChangeFrom(const Request& request, const Authorised& caller, bool grant) {
  return {.subject = request.subject(),
          .issuer = request.issuer().empty() ? caller.caller.issuer : request.issuer(),
          .role = request.role(),
          .grant = grant};
}

// The subject of a token out of a reference of the directory.
std::string SubjectOfReference(const std::string& reference) {
  return reference.substr(reference.find('\n') + 1);
}

}  // namespace

template <typename Request, typename Response>
grpc::ServerUnaryReactor* AccessServiceImpl::ChangeRole(grpc::CallbackServerContext* context,
                                                        const char* method, const Request* request,
                                                        Response* response, bool grant) {
  // A call without a deadline must not hold a thread for as long as the view stands still.
  const absl::Time deadline = std::min(DeadlineOf(*context), absl::Now() + kFoldWait);
  return HandleCommand<Request, Response>(
      backend_, context, request, response,
      {.method = absl::StrCat(kService, method),
       .asked_for = "",
       .planning = Planning::kMayWait,
       .plan = [this, request, grant](const Authorised& caller,
                                      const eventstore::RequestKey&) -> absl::StatusOr<Plan> {
         const RoleChange change = ChangeFrom(*request, caller, grant);
         RETURN_IF_ERROR(CheckRoleChange(change, caller.Name(), policy_, issuers_));
         const Runtime& runtime = backend_.runtime;
         ASSIGN_OR_RETURN(auto staff,
                          runtime.keys.Claim(runtime.organisation, kStaffReferences,
                                             absl::StrCat(change.issuer, "\n", change.subject)));
         Plan plan;
         plan.steps.push_back(
             DecideRoleChange(change, staff, runtime.organisation, runtime.clock.Now()));
         return plan;
       },
       // Acknowledged when the decision point has folded it, so that no later call is decided by
       // what stood before.
       .reply = [this, deadline](const Authorised&, const Outcome& outcome,
                                 Response&) { return await_grants_(outcome.last, deadline); },
       .reply_waits = true});
}

grpc::ServerUnaryReactor* AccessServiceImpl::GrantRole(grpc::CallbackServerContext* context,
                                                       const api::GrantRoleRequest* request,
                                                       api::GrantRoleResponse* response) {
  return ChangeRole(context, "GrantRole", request, response, true);
}

grpc::ServerUnaryReactor* AccessServiceImpl::RevokeRole(grpc::CallbackServerContext* context,
                                                        const api::RevokeRoleRequest* request,
                                                        api::RevokeRoleResponse* response) {
  return ChangeRole(context, "RevokeRole", request, response, false);
}

absl::Status AccessServiceImpl::FillAccess(const Authorised& caller,
                                           const eventstore::DirectoryEntry& customer,
                                           const api::ListAccessRequest& request,
                                           api::ListAccessResponse& response) const {
  const Runtime& runtime = backend_.runtime;
  ASSIGN_OR_RETURN(size_t page_size, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(std::string after,
                   OpenPageToken(runtime, caller, request.customer(), request.page_token()));
  eventstore::Revision from{UINT64_MAX};
  if (!after.empty()) {
    ASSIGN_OR_RETURN(auto position, DecodePosition(after));
    if (position.sequence == 0) return absl::OkStatus();
    from = eventstore::Revision{position.sequence - 1};
  }
  const auto stream = backend_.tracer.StreamOf(customer.root, kCustomers);
  ASSIGN_OR_RETURN(auto page, runtime.log.ReadStream(eventstore::Ledger::kAccess, stream, from,
                                                     eventstore::ReadDirection::kBackward,
                                                     {.events = page_size}));
  auto traces_only = [](absl::string_view category) { return category == kTraceCategory; };
  for (const auto& stored : page) {
    ASSIGN_OR_RETURN(auto opened, runtime.sealer.Open(stored.event, traces_only));
    const auto* read = dynamic_cast<const ev::RecordRead*>(opened.message.get());
    if (read == nullptr || !read->has_trace()) continue;  // erased
    auto* entry = response.add_entries();
    entry->set_at_us(stored.event.recorded_at_us());
    ASSIGN_OR_RETURN(auto reader, eventstore::SubjectId::FromBytes(read->trace().reader()));
    ASSIGN_OR_RETURN(auto reference, runtime.keys.ReferenceOf(reader));
    if (reference.has_value()) entry->set_reader(SubjectOfReference(*reference));
    entry->set_role(read->trace().role());
    entry->set_purpose(read->trace().purpose());
    entry->set_method(read->trace().method());
    *entry->mutable_categories() = read->trace().categories();
    entry->set_events_opened(read->trace().events_opened());
  }
  if (!page.empty() && page.back().event.revision() > 0) {
    // The cursor is a revision of the stream, carried like a position.
    ASSIGN_OR_RETURN(*response.mutable_next_page_token(),
                     SealPageToken(runtime, caller, request.customer(),
                                   EncodePosition({0, page.back().event.revision()})));
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AccessServiceImpl::ListAccess(grpc::CallbackServerContext* context,
                                                        const api::ListAccessRequest* request,
                                                        api::ListAccessResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  std::function<void(absl::Status)> finish = [reactor](absl::Status status) {
    reactor->Finish(ToGrpcStatus(status));
  };
  backend_.authoriser.Authorise(
      *context, absl::StrCat(kService, "ListAccess"), request->customer(),
      [this, request, response, finish](absl::StatusOr<Authorised> caller) {
        if (!caller.ok()) return finish(caller.status());
        auto customer = ExistingCustomer(backend_.runtime, request->customer());
        if (absl::IsPermissionDenied(customer.status()) || !caller->MayOpen(kTraceCategory)) {
          return backend_.authoriser.Refuse(*caller, request->customer(), finish);
        }
        if (!customer.ok()) return finish(customer.status());
        absl::Status filled = FillAccess(*caller, *customer, *request, *response);
        if (!filled.ok()) return finish(filled);
        const auto trace = TraceOf(*caller, {std::string(kTraceCategory)},
                                   static_cast<uint32_t>(response->entries_size()));
        // Reading the trail leaves one trace itself.
        backend_.tracer.Trace(*customer, kCustomers, trace, finish);
      });
  return reactor;
}

}  // namespace records::services
