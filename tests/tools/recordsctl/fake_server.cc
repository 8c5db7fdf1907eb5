#include "tests/tools/recordsctl/fake_server.h"

#include <grpcpp/security/server_credentials.h>

#include <chrono>

#include "absl/strings/str_cat.h"

namespace records::tools {

FakeServer::FakeServer(int port) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", port),
                           grpc::experimental::LocalServerCredentials(LOCAL_TCP), &port_);
  builder.RegisterService(static_cast<api::CustomerService::Service*>(this));
  builder.RegisterService(static_cast<api::ContactService::Service*>(this));
  builder.RegisterService(static_cast<api::TimelineService::Service*>(this));
  builder.RegisterService(static_cast<api::AccessService::Service*>(this));
  builder.RegisterService(static_cast<api::LedgerService::Service*>(this));
  server_ = builder.BuildAndStart();
}

FakeServer::~FakeServer() {
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
}

std::string FakeServer::address() const { return absl::StrCat("127.0.0.1:", port_); }

std::string FakeServer::Metadata(const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  const auto found = metadata_.find(name);
  return found == metadata_.end() ? "" : found->second;
}

void FakeServer::Keep(const grpc::ServerContext& context,
                      const google::protobuf::Message& request) {
  absl::MutexLock lock(&mutex_);
  requests_[request.GetDescriptor()->full_name()].push_back(request.SerializeAsString());
  for (const auto& [name, value] : context.client_metadata()) {
    metadata_[std::string(name.data(), name.size())] = std::string(value.data(), value.size());
  }
}

grpc::Status FakeServer::RegisterCustomer(grpc::ServerContext* context,
                                          const api::RegisterCustomerRequest* request,
                                          api::RegisterCustomerResponse* reply) {
  Keep(*context, *request);
  reply->set_token("token-1");
  return status;
}

grpc::Status FakeServer::SetContactSafety(grpc::ServerContext* context,
                                          const api::SetContactSafetyRequest* request,
                                          api::SetContactSafetyResponse* reply) {
  Keep(*context, *request);
  reply->set_token("token-1");
  return status;
}

grpc::Status FakeServer::RecordContact(grpc::ServerContext* context,
                                       const api::RecordContactRequest* request,
                                       api::RecordContactResponse* reply) {
  Keep(*context, *request);
  reply->set_contact_id("contact-1");
  reply->set_token("token-1");
  return status;
}

grpc::Status FakeServer::SplitMessage(grpc::ServerContext* context,
                                      const api::SplitMessageRequest* request,
                                      api::SplitMessageResponse* reply) {
  Keep(*context, *request);
  reply->set_asb_report(request->has_asb_report());
  return status;
}

grpc::Status FakeServer::ImportContacts(grpc::ServerContext* context, ImportStream* stream) {
  return import(context, stream);
}

grpc::Status FakeServer::GetTimeline(grpc::ServerContext* context,
                                     const api::GetTimelineRequest* request,
                                     api::GetTimelineResponse* reply) {
  Keep(*context, *request);
  absl::MutexLock lock(&mutex_);
  if (next_page_ < pages.size()) *reply = pages[next_page_++];
  return status;
}

grpc::Status FakeServer::FollowTimeline(grpc::ServerContext* context,
                                        const api::FollowTimelineRequest* request,
                                        grpc::ServerWriter<api::FollowTimelineResponse>* writer) {
  Keep(*context, *request);
  return follow(context, *request, writer);
}

grpc::Status FakeServer::GrantRole(grpc::ServerContext* context,
                                   const api::GrantRoleRequest* request, api::GrantRoleResponse*) {
  Keep(*context, *request);
  return status;
}

grpc::Status FakeServer::ListAccess(grpc::ServerContext* context,
                                    const api::ListAccessRequest* request,
                                    api::ListAccessResponse* reply) {
  Keep(*context, *request);
  api::AccessEntry& entry = *reply->add_entries();
  entry.set_reader("amy");
  entry.set_purpose("service-delivery");
  return status;
}

grpc::Status FakeServer::RotateMasterKey(grpc::ServerContext* context,
                                         const api::RotateMasterKeyRequest* request,
                                         api::RotateMasterKeyResponse* reply) {
  Keep(*context, *request);
  reply->set_master_key_generation(2);
  return status;
}

grpc::Status FakeServer::TailLog(grpc::ServerContext* context, const api::TailLogRequest* request,
                                 grpc::ServerWriter<api::TailLogResponse>* writer) {
  Keep(*context, *request);
  api::TailLogResponse message;
  message.set_sequence(7);
  message.set_type("records.events.v1.Restricted");
  writer->Write(message);
  return status;
}

grpc::Status FakeServer::FollowWork(grpc::ServerContext* context,
                                    const api::FollowWorkRequest* request,
                                    grpc::ServerWriter<api::FollowWorkResponse>* writer) {
  Keep(*context, *request);
  for (const api::FollowWorkResponse& message : work) writer->Write(message);
  return status;
}

grpc::Status FakeServer::Unseal(grpc::ServerContext* context, const api::UnsealRequest* request,
                                api::UnsealResponse* reply) {
  Keep(*context, *request);
  absl::MutexLock lock(&mutex_);
  if (next_unsealed_ < unsealed.size()) *reply = unsealed[next_unsealed_++];
  return status;
}

}  // namespace records::tools
