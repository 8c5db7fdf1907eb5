#include "services/contact/contact_service.h"

#include <utility>

#include "eventstore/status_macros.h"
#include "services/contact/import_reactor.h"
#include "services/runtime/entry_id.h"

namespace records::services {
namespace {

namespace api = records::api::v1;
using eventstore::RequestKey;

constexpr char kService[] = "records.api.v1.ContactService.";

// Position of the first event of a command's main step: the contact, or the document.
eventstore::Position FirstOf(const Outcome& outcome) {
  return {outcome.last.partition, outcome.last.sequence + 1 - outcome.event_ids.size()};
}

}  // namespace

grpc::ServerUnaryReactor* ContactServiceImpl::RecordContact(
    grpc::CallbackServerContext* context, const api::RecordContactRequest* request,
    api::RecordContactResponse* response) {
  return HandleCommand<api::RecordContactRequest, api::RecordContactResponse>(
      backend_, context, request, response,
      {.method = std::string(kService) + "RecordContact",
       .asked_for = request->customer(),
       // Under a customer the keys are as a rule there; an applicant or an unknown person is new.
       .planning = request->customer().empty() ? Planning::kMayWait : Planning::kInline,
       .plan = [this, request](
                   const Authorised& caller,
                   const RequestKey& key) { return plans_.Record(caller, key, *request); },
       .reply = [this](const Authorised& caller, const Outcome& outcome,
                       api::RecordContactResponse& reply) -> absl::Status {
         ASSIGN_OR_RETURN(*reply.mutable_contact_id(),
                          EntryIdOf(backend_.runtime, FirstOf(outcome)));
         ASSIGN_OR_RETURN(*reply.mutable_token(), backend_.commands.WriteToken(caller, outcome));
         return absl::OkStatus();
       }});
}

grpc::ServerUnaryReactor* ContactServiceImpl::CorrectContact(
    grpc::CallbackServerContext* context, const api::CorrectContactRequest* request,
    api::CorrectContactResponse* response) {
  return HandleCommand<api::CorrectContactRequest, api::CorrectContactResponse>(
      backend_, context, request, response,
      {.method = std::string(kService) + "CorrectContact",
       .asked_for = request->customer(),
       .plan = [this, request](const Authorised& caller,
                               const RequestKey&) { return plans_.Correct(caller, *request); },
       .reply = [this](const Authorised& caller, const Outcome& outcome,
                       api::CorrectContactResponse& reply) -> absl::Status {
         ASSIGN_OR_RETURN(*reply.mutable_token(), backend_.commands.WriteToken(caller, outcome));
         return absl::OkStatus();
       }});
}

grpc::ServerUnaryReactor* ContactServiceImpl::IndexDocument(
    grpc::CallbackServerContext* context, const api::IndexDocumentRequest* request,
    api::IndexDocumentResponse* response) {
  return HandleCommand<api::IndexDocumentRequest, api::IndexDocumentResponse>(
      backend_, context, request, response,
      {.method = std::string(kService) + "IndexDocument",
       .asked_for = request->customer(),
       .planning = Planning::kMayWait,
       .plan = [this, request](const Authorised&,
                               const RequestKey& key) { return plans_.Index(key, *request); },
       .reply = [this](const Authorised& caller, const Outcome& outcome,
                       api::IndexDocumentResponse& reply) -> absl::Status {
         ASSIGN_OR_RETURN(*reply.mutable_document_id(),
                          EntryIdOf(backend_.runtime, FirstOf(outcome)));
         ASSIGN_OR_RETURN(*reply.mutable_token(), backend_.commands.WriteToken(caller, outcome));
         return absl::OkStatus();
       }});
}

grpc::ServerUnaryReactor* ContactServiceImpl::SplitMessage(grpc::CallbackServerContext* context,
                                                           const api::SplitMessageRequest* request,
                                                           api::SplitMessageResponse* response) {
  return HandleCommand<api::SplitMessageRequest, api::SplitMessageResponse>(
      backend_, context, request, response,
      {.method = std::string(kService) + "SplitMessage",
       .asked_for = request->customer(),
       .planning = Planning::kMayWait,
       .plan = [this, request](
                   const Authorised& caller,
                   const RequestKey& key) { return plans_.Split(caller, key, *request); },
       .reply = [this, request](const Authorised& caller, const Outcome& outcome,
                                api::SplitMessageResponse& reply) -> absl::Status {
         if (request->has_contact()) {
           ASSIGN_OR_RETURN(*reply.mutable_contact_id(),
                            EntryIdOf(backend_.runtime, FirstOf(outcome)));
         }
         ASSIGN_OR_RETURN(*reply.mutable_token(), backend_.commands.WriteToken(caller, outcome));
         reply.set_service_requests(static_cast<uint32_t>(request->service_requests_size()));
         reply.set_asb_report(request->has_asb_report());
         return absl::OkStatus();
       }});
}

grpc::ServerBidiReactor<api::ImportContactsRequest, api::ImportContactsResponse>*
ContactServiceImpl::ImportContacts(grpc::CallbackServerContext* context) {
  return new ImportReactor(backend_, plans_, context);
}

}  // namespace records::services
