#include "services/erasure/erasure_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "services/customer/customers.h"
#include "services/erasure/certificate.h"
#include "services/runtime/entry_id.h"
#include "services/runtime/paging.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
namespace ev = records::events::v1;
using eventstore::DirectoryEntry;

constexpr char kService[] = "records.api.v1.ErasureService.";
constexpr absl::string_view kPlanLabel = "erasure-plan";

constexpr const char* kStays[] = {
    "The envelopes of the events, sealed for ever: when something was recorded and of which open "
    "type. No key, directory row or index leads from the person to them any more.",
    "What other people said or gave about themselves, under their own keys: joint tenants, "
    "household members, third parties.",
    "That a member of staff asked for this record and was refused, with the reference that they "
    "typed, in their own record.",
    "An exclusion that protects a customer from a member of staff: no erasure lifts it.",
    "Backups made before. They are destroyed or made unreadable by rotating the master key; "
    "restoring one replays the erasure ledger first.",
    "What other systems already opened and keep themselves: they are told, and answer for it.",
    "No legal hold was looked at: this version keeps none. Ask before you decide.",
};

absl::Status UnknownPlan() {
  return InvalidField("plan_token", "must come from PlanErasure, asked by the same caller");
}

}  // namespace

ErasureServiceImpl::ErasureServiceImpl(Backend backend, const records::policy::v1::Register& policy,
                                       ErasureRegister& reg, ErasureWorker& worker)
    : backend_(backend), register_(reg), worker_(worker) {
  for (const auto& role : policy.roles()) {
    taken_streams_.insert(role.work_streams().begin(), role.work_streams().end());
  }
}

grpc::ServerUnaryReactor* ErasureServiceImpl::Answer(
    grpc::CallbackServerContext* context, const char* method, const std::string& asked_for,
    std::function<void(const Authorised&, std::function<void(absl::Status)>)> work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  std::function<void(absl::Status)> finish = [reactor](absl::Status status) {
    reactor->Finish(ToGrpcStatus(status));
  };
  backend_.authoriser.Authorise(
      *context, absl::StrCat(kService, method), asked_for,
      [this, finish, asked_for, work = std::move(work)](absl::StatusOr<Authorised> caller) {
        if (!caller.ok()) return finish(caller.status());
        auto refuse_or_finish = [this, finish, asked_for, caller = *caller](absl::Status status) {
          if (!absl::IsPermissionDenied(status)) return finish(status);
          backend_.authoriser.Refuse(caller, asked_for, finish);
        };
        auto run = [work, refuse_or_finish, caller = *caller] { work(caller, refuse_or_finish); };
        if (!backend_.runtime.executor.Run(std::move(run))) finish(ServerBusy());
      });
  return reactor;
}

absl::StatusOr<std::string> ErasureServiceImpl::StateOf(const DirectoryEntry& customer) const {
  const Runtime& runtime = backend_.runtime;
  std::string state = absl::StrCat(customer.subject.bytes(), customer.root.bytes());
  for (const absl::string_view sub_stream :
       {absl::string_view(), kContactsSubStream, kDocumentsSubStream, kSealedSubStream}) {
    ASSIGN_OR_RETURN(const auto head, runtime.log.StreamHead(eventstore::Ledger::kEvents,
                                                             StreamOf(runtime, kCustomers,
                                                                      customer.root, sub_stream)));
    absl::StrAppend(&state, EncodePosition({0, head.has_value() ? head->value + 1 : 0}));
  }
  return state;
}

absl::Status ErasureServiceImpl::FillPlan(const Authorised& caller, const DirectoryEntry& customer,
                                          api::PlanErasureResponse& response) const {
  const Runtime& runtime = backend_.runtime;
  ASSIGN_OR_RETURN(const auto holdings, runtime.keys.HoldingsOf(customer.subject));
  for (const auto& [number, keys] : holdings.keys) {
    const eventstore::CategoryRule* category = runtime.categories.Find(number);
    // That there is something of another category is itself not everybody's to know.
    if (category == nullptr || !caller.MayOpen(category->id)) continue;
    auto* held = response.add_categories();
    held->set_category(category->id);
    held->set_keys(keys);
  }
  response.set_directory_rows(holdings.directory_rows);
  for (const std::string& view : worker_.ViewNames()) response.add_views(view);
  for (const char* stays : kStays) response.add_stays(stays);
  ASSIGN_OR_RETURN(const std::string state, StateOf(customer));
  ASSIGN_OR_RETURN(*response.mutable_plan_token(),
                   runtime.keys.SealToken(kPlanLabel, caller.Name(), state));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ErasureServiceImpl::PlanErasure(grpc::CallbackServerContext* context,
                                                          const api::PlanErasureRequest* request,
                                                          api::PlanErasureResponse* response) {
  return Answer(context, "PlanErasure", request->customer(),
                [this, request, response](const Authorised& caller,
                                          const std::function<void(absl::Status)>& finish) {
                  const auto customer = ExistingCustomer(backend_.runtime, request->customer());
                  if (!customer.ok()) return finish(customer.status());
                  const absl::Status filled = FillPlan(caller, *customer, *response);
                  if (!filled.ok()) return finish(filled);
                  backend_.tracer.Trace(*customer, kCustomers, TraceOf(caller, {}, 0), finish);
                });
}

absl::StatusOr<Plan> ErasureServiceImpl::Decide(const Authorised& caller,
                                                const eventstore::RequestKey& key,
                                                const api::EraseSubjectRequest& request) {
  const Runtime& runtime = backend_.runtime;
  if (request.ground() == ev::ERASURE_GROUND_UNSPECIFIED ||
      request.ground() == ev::ERASURE_GROUND_REPLAYED ||
      !ev::ErasureGround_IsValid(request.ground())) {
    return InvalidField("ground", "must be one of the grounds of a decision");
  }
  const auto seen = runtime.keys.OpenToken(kPlanLabel, caller.Name(), request.plan_token());
  if (!seen.ok() || seen->size() < 2 * eventstore::kIdSize) return UnknownPlan();
  DirectoryEntry customer;
  ASSIGN_OR_RETURN(customer.subject, eventstore::SubjectId::FromBytes(
                                         absl::string_view(*seen).substr(0, eventstore::kIdSize)));
  ASSIGN_OR_RETURN(customer.root, eventstore::RootId::FromBytes(absl::string_view(*seen).substr(
                                      eventstore::kIdSize, eventstore::kIdSize)));
  RETURN_IF_ERROR(register_.Refresh());
  if (runtime.keys.IsFenced(customer.subject) ||
      register_.FindSubject(customer.subject).has_value()) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "ALREADY_DECIDED",
                   "The erasure of this customer was decided before.");
  }
  ASSIGN_OR_RETURN(const std::string now, StateOf(customer));
  if (now != *seen) {
    return Refusal(absl::StatusCode::kAborted, "PLAN_CHANGED",
                   "Something was recorded since the plan was made. Plan again, and decide on "
                   "what you see then.");
  }
  auto decided = std::make_unique<ev::SubjectErasureDecided>();
  const eventstore::SubjectId erasure(backend_.commands.Derive(key, "erasure").root.array());
  decided->set_erasure(std::string(erasure.bytes()));
  decided->set_subject(std::string(customer.subject.bytes()));
  decided->set_root(std::string(customer.root.bytes()));
  decided->set_collection(std::string(kCustomers));
  decided->set_ground(request.ground());
  ASSIGN_OR_RETURN(*decided->mutable_work_subjects(),
                   runtime.work.NamesOf(customer.subject, customer.root));
  Step step;
  step.facts.push_back({.stream = register_.stream(),
                        .subject = customer.subject,
                        .message = std::move(decided),
                        .occurred_at = runtime.clock.Now()});
  step.expectations.push_back(register_.Expected());
  step.from_reserve = true;
  // The customer's own would end before a retry is told.
  step.digest_subject = erasure;
  Plan plan;
  plan.steps.push_back(std::move(step));
  return plan;
}

grpc::ServerUnaryReactor* ErasureServiceImpl::EraseSubject(grpc::CallbackServerContext* context,
                                                           const api::EraseSubjectRequest* request,
                                                           api::EraseSubjectResponse* response) {
  return HandleCommand<api::EraseSubjectRequest, api::EraseSubjectResponse>(
      backend_, context, request, response,
      {.method = absl::StrCat(kService, "EraseSubject"),
       .asked_for = "",
       .planning = Planning::kMayWait,
       .plan = [this, request](
                   const Authorised& caller,
                   const eventstore::RequestKey& key) { return Decide(caller, key, *request); },
       .reply =
           [this](const Authorised&, const Outcome& outcome, api::EraseSubjectResponse& reply) {
             reply.set_erasure(backend_.commands.Derive(outcome.key, "erasure").root.ToHex());
             worker_.Wake();
             return absl::OkStatus();
           }});
}

// Of no customer, who is gone: the trace is with the member of staff who read.
void ErasureServiceImpl::FinishTraced(const Authorised& caller, int shown, absl::Status status,
                                      const std::function<void(absl::Status)>& finish) {
  if (!status.ok()) return finish(status);
  backend_.tracer.Trace(caller.staff, kStaff, TraceOf(caller, {}, static_cast<uint32_t>(shown)),
                        finish);
}

absl::StatusOr<ErasureEntry> ErasureServiceImpl::Find(const std::string& id) {
  const auto erasure = ErasureId::FromHex(id);
  if (!erasure.ok()) return InvalidField("erasure", "must be 32 hexadecimal digits");
  RETURN_IF_ERROR(register_.Refresh());
  const auto found = register_.Find(*erasure);
  if (!found.has_value()) return PermissionDenied();
  return *found;
}

absl::StatusOr<std::string> ErasureServiceImpl::NameOf(const eventstore::SubjectId& subject) const {
  if (subject.is_nil()) return "";
  ASSIGN_OR_RETURN(const auto reference, backend_.runtime.keys.ReferenceOf(subject));
  // Issuer, line end, subject of the token.
  return reference.has_value() ? reference->substr(reference->find('\n') + 1) : "";
}

absl::Status ErasureServiceImpl::Fill(const ErasureEntry& entry, api::Erasure& erasure) const {
  erasure.set_erasure(entry.id.ToHex());
  erasure.set_ground(entry.ground);
  erasure.set_decided_at_us(absl::ToUnixMicros(entry.decided_at));
  erasure.set_acknowledged(entry.acknowledged);
  erasure.set_objection(entry.objection);
  ASSIGN_OR_RETURN(*erasure.mutable_decided_by(), NameOf(entry.decided_by));
  RETURN_IF_ERROR(FillConfirmations(entry, erasure));
  if (entry.certified.has_value()) {
    erasure.set_state(api::ERASURE_STATE_CERTIFIED);
    erasure.set_certified_at_us(absl::ToUnixMicros(entry.certified_at));
    erasure.set_keys_destroyed(entry.keys_destroyed);
    return absl::OkStatus();
  }
  const absl::Status problem = worker_.ProblemOf(entry.id);
  erasure.set_state(problem.ok() ? api::ERASURE_STATE_RUNNING : api::ERASURE_STATE_STUCK);
  erasure.set_problem(std::string(problem.message()));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ErasureServiceImpl::GetErasure(grpc::CallbackServerContext* context,
                                                         const api::GetErasureRequest* request,
                                                         api::GetErasureResponse* response) {
  return Answer(context, "GetErasure", "",
                [this, request, response](const Authorised& caller,
                                          const std::function<void(absl::Status)>& finish) {
                  const auto entry = Find(request->erasure());
                  if (!entry.ok()) return finish(entry.status());
                  absl::Status status = Fill(*entry, *response->mutable_erasure());
                  if (status.ok() && entry->certified.has_value()) {
                    auto text = CertificateText(backend_.runtime.log, *entry->certified);
                    status = text.status();
                    if (text.ok()) response->set_certificate(*std::move(text));
                  }
                  FinishTraced(caller, 1, std::move(status), finish);
                });
}

absl::Status ErasureServiceImpl::FillList(const Authorised& caller,
                                          const api::ListErasuresRequest& request,
                                          api::ListErasuresResponse& response) {
  const absl::string_view arguments = request.unacknowledged_only() ? "unacknowledged" : "all";
  ASSIGN_OR_RETURN(const size_t page_size, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(const std::string after,
                   OpenPageToken(backend_.runtime, caller, arguments, request.page_token()));
  RETURN_IF_ERROR(register_.Refresh());
  const std::vector<ErasureEntry> entries = register_.Entries();
  // The cursor counts from the oldest, so that what comes meanwhile moves nothing.
  size_t left = entries.size();
  if (!after.empty()) {
    ASSIGN_OR_RETURN(const auto position, DecodePosition(after));
    left = std::min<size_t>(left, position.sequence);
  }
  size_t filled = 0;
  for (; left > 0 && filled < page_size; --left) {
    const ErasureEntry& entry = entries[left - 1];
    if (request.unacknowledged_only() && entry.acknowledged) continue;
    RETURN_IF_ERROR(Fill(entry, *response.add_erasures()));
    ++filled;
  }
  if (left == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(*response.mutable_next_page_token(),
                   SealPageToken(backend_.runtime, caller, arguments, EncodePosition({0, left})));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ErasureServiceImpl::ListErasures(grpc::CallbackServerContext* context,
                                                           const api::ListErasuresRequest* request,
                                                           api::ListErasuresResponse* response) {
  return Answer(context, "ListErasures", "",
                [this, request, response](const Authorised& caller,
                                          const std::function<void(absl::Status)>& finish) {
                  absl::Status status = FillList(caller, *request, *response);
                  FinishTraced(caller, response->erasures_size(), std::move(status), finish);
                });
}

absl::StatusOr<Plan> ErasureServiceImpl::Acknowledge(
    const Authorised& caller, const api::AcknowledgeErasureRequest& request) {
  ASSIGN_OR_RETURN(const ErasureEntry entry, Find(request.erasure()));
  if (entry.acknowledged) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "ALREADY_ACKNOWLEDGED",
                   "This erasure was acknowledged before.");
  }
  auto acknowledged = std::make_unique<ev::ErasureAcknowledged>();
  acknowledged->set_erasure(std::string(entry.id.bytes()));
  acknowledged->set_objection(request.objection());
  return Note(caller, std::move(acknowledged));
}

Plan ErasureServiceImpl::Note(const Authorised& caller,
                              std::unique_ptr<google::protobuf::Message> message) const {
  Step step;
  step.facts.push_back({.stream = register_.stream(),
                        .subject = caller.staff.subject,
                        .message = std::move(message),
                        .occurred_at = backend_.runtime.clock.Now()});
  step.expectations.push_back(register_.Expected());
  Plan plan;
  plan.steps.push_back(std::move(step));
  return plan;
}

grpc::ServerUnaryReactor* ErasureServiceImpl::AcknowledgeErasure(
    grpc::CallbackServerContext* context, const api::AcknowledgeErasureRequest* request,
    api::AcknowledgeErasureResponse* response) {
  return HandleCommand<api::AcknowledgeErasureRequest, api::AcknowledgeErasureResponse>(
      backend_, context, request, response,
      {.method = absl::StrCat(kService, "AcknowledgeErasure"),
       .asked_for = "",
       .planning = Planning::kMayWait,
       .plan = [this, request](
                   const Authorised& caller,
                   const eventstore::RequestKey&) { return Acknowledge(caller, *request); },
       .reply = [](const Authorised&, const Outcome&,
                   api::AcknowledgeErasureResponse&) { return absl::OkStatus(); }});
}

}  // namespace records::services
