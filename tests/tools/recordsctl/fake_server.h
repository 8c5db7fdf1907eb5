#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "records/api/v1/access_service.grpc.pb.h"
#include "records/api/v1/contact_service.grpc.pb.h"
#include "records/api/v1/customer_service.grpc.pb.h"
#include "records/api/v1/ledger_service.grpc.pb.h"
#include "records/api/v1/timeline_service.grpc.pb.h"

namespace records::tools {

namespace api = records::api::v1;

// A server on a free loopback port that answers what a test tells it to, and keeps what it was
// asked. Thread-safe; the callbacks run on threads of gRPC.
class FakeServer : public api::CustomerService::Service,
                   public api::ContactService::Service,
                   public api::TimelineService::Service,
                   public api::AccessService::Service,
                   public api::LedgerService::Service {
 public:
  explicit FakeServer(int port = 0);
  ~FakeServer() override;

  int port() const { return port_; }
  std::string address() const;

  // What the next answers are; set before the first call.
  grpc::Status status;
  std::vector<api::GetTimelineResponse> pages;
  std::vector<api::FollowWorkResponse> work;
  std::vector<api::UnsealResponse> unsealed;  // taken from the front
  std::function<grpc::Status(grpc::ServerContext*, const api::FollowTimelineRequest&,
                             grpc::ServerWriter<api::FollowTimelineResponse>*)>
      follow;
  using ImportStream =
      grpc::ServerReaderWriter<api::ImportContactsResponse, api::ImportContactsRequest>;
  std::function<grpc::Status(grpc::ServerContext*, ImportStream*)> import;

  // What was asked so far.
  template <typename Request>
  std::vector<Request> Requests() const {
    absl::MutexLock lock(&mutex_);
    std::vector<Request> requests;
    const auto found = requests_.find(std::string(Request::descriptor()->full_name()));
    if (found == requests_.end()) return requests;
    for (const std::string& bytes : found->second) requests.emplace_back().ParseFromString(bytes);
    return requests;
  }
  std::string Metadata(const std::string& name) const;

  grpc::Status RegisterCustomer(grpc::ServerContext*, const api::RegisterCustomerRequest*,
                                api::RegisterCustomerResponse*) override;
  grpc::Status SetContactSafety(grpc::ServerContext*, const api::SetContactSafetyRequest*,
                                api::SetContactSafetyResponse*) override;
  grpc::Status RecordContact(grpc::ServerContext*, const api::RecordContactRequest*,
                             api::RecordContactResponse*) override;
  grpc::Status SplitMessage(grpc::ServerContext*, const api::SplitMessageRequest*,
                            api::SplitMessageResponse*) override;
  grpc::Status ImportContacts(grpc::ServerContext*, ImportStream*) override;
  grpc::Status GetTimeline(grpc::ServerContext*, const api::GetTimelineRequest*,
                           api::GetTimelineResponse*) override;
  grpc::Status FollowTimeline(grpc::ServerContext*, const api::FollowTimelineRequest*,
                              grpc::ServerWriter<api::FollowTimelineResponse>*) override;
  grpc::Status GrantRole(grpc::ServerContext*, const api::GrantRoleRequest*,
                         api::GrantRoleResponse*) override;
  grpc::Status ListAccess(grpc::ServerContext*, const api::ListAccessRequest*,
                          api::ListAccessResponse*) override;
  grpc::Status RotateMasterKey(grpc::ServerContext*, const api::RotateMasterKeyRequest*,
                               api::RotateMasterKeyResponse*) override;
  grpc::Status TailLog(grpc::ServerContext*, const api::TailLogRequest*,
                       grpc::ServerWriter<api::TailLogResponse>*) override;
  grpc::Status FollowWork(grpc::ServerContext*, const api::FollowWorkRequest*,
                          grpc::ServerWriter<api::FollowWorkResponse>*) override;
  grpc::Status Unseal(grpc::ServerContext*, const api::UnsealRequest*,
                      api::UnsealResponse*) override;

 private:
  void Keep(const grpc::ServerContext& context, const google::protobuf::Message& request);

  mutable absl::Mutex mutex_;
  std::map<std::string, std::vector<std::string>> requests_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> metadata_ ABSL_GUARDED_BY(mutex_);
  size_t next_page_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t next_unsealed_ ABSL_GUARDED_BY(mutex_) = 0;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace records::tools
