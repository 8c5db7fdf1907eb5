#include "tools/bench/methods.h"

#include <atomic>
#include <memory>

#include "records/api/v1/contact_service.grpc.pb.h"
#include "records/api/v1/timeline_service.grpc.pb.h"
#include "tools/bench/requests.h"

namespace records::bench {
namespace {

namespace api = records::api::v1;

void ConnectContacts(RecordContactMethod& method) {
  method.connect = [](const std::shared_ptr<grpc::Channel>& channel) {
    return [stub = std::shared_ptr(api::ContactService::NewStub(channel))](
               grpc::ClientContext* context, const api::RecordContactRequest& request,
               grpc::CompletionQueue* queue) {
      return stub->AsyncRecordContact(context, request, queue);
    };
  };
}

}  // namespace

RecordContactMethod RecordContacts(uint64_t customers) {
  RecordContactMethod method;
  method.fill = [customers](std::mt19937_64& random, api::RecordContactRequest& request) {
    FillRecordContact(random, random() % customers, request);
  };
  ConnectContacts(method);
  return method;
}

RecordContactMethod RecordContactsInTurn(uint64_t customers) {
  RecordContactMethod method;
  method.fill = [customers, next = std::make_shared<std::atomic<uint64_t>>(0)](
                    std::mt19937_64& random, api::RecordContactRequest& request) {
    FillRecordContact(random, (*next)++ % customers, request);
  };
  ConnectContacts(method);
  return method;
}

GetTimelineMethod GetTimelines(uint64_t customers, int page_size) {
  GetTimelineMethod method;
  method.fill = [customers, page_size](std::mt19937_64& random, api::GetTimelineRequest& request) {
    request.set_customer(CustomerReference(random() % customers));
    request.set_page_size(page_size);
  };
  method.connect = [](const std::shared_ptr<grpc::Channel>& channel) {
    return [stub = std::shared_ptr(api::TimelineService::NewStub(channel))](
               grpc::ClientContext* context, const api::GetTimelineRequest& request,
               grpc::CompletionQueue* queue) {
      return stub->AsyncGetTimeline(context, request, queue);
    };
  };
  return method;
}

}  // namespace records::bench
