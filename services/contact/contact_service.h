#pragma once

#include "records/api/v1/contact_service.grpc.pb.h"
#include "services/contact/contact_plans.h"
#include "services/runtime/rpc.h"

namespace records::services {

// ContactService over gRPC. Thread-safe; the backend outlives it.
class ContactServiceImpl final : public records::api::v1::ContactService::CallbackService {
 public:
  explicit ContactServiceImpl(Backend backend) : backend_(backend), plans_(backend) {}

  grpc::ServerUnaryReactor* RecordContact(
      grpc::CallbackServerContext* context, const records::api::v1::RecordContactRequest* request,
      records::api::v1::RecordContactResponse* response) override;
  grpc::ServerUnaryReactor* CorrectContact(
      grpc::CallbackServerContext* context, const records::api::v1::CorrectContactRequest* request,
      records::api::v1::CorrectContactResponse* response) override;
  grpc::ServerUnaryReactor* IndexDocument(
      grpc::CallbackServerContext* context, const records::api::v1::IndexDocumentRequest* request,
      records::api::v1::IndexDocumentResponse* response) override;
  grpc::ServerUnaryReactor* SplitMessage(grpc::CallbackServerContext* context,
                                         const records::api::v1::SplitMessageRequest* request,
                                         records::api::v1::SplitMessageResponse* response) override;
  grpc::ServerBidiReactor<records::api::v1::ImportContactsRequest,
                          records::api::v1::ImportContactsResponse>*
  ImportContacts(grpc::CallbackServerContext* context) override;

 private:
  Backend backend_;
  ContactPlans plans_;
};

}  // namespace records::services
