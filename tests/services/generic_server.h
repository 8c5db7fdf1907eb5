#pragma once

// A server whose one handler takes every method, and a client for it, without any proto.

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace records::services::testing {

using Metadata = std::multimap<std::string, std::string>;

// Answers every call with the text that `answer` makes of it, and counts the calls.
class GenericService final : public grpc::CallbackGenericService {
 public:
  using Answer = std::function<std::string(const grpc::ServerContextBase&)>;
  explicit GenericService(Answer answer) : answer_(std::move(answer)) {}

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    ++handled_;
    return new Reactor(answer_(*context));
  }
  int handled() const { return handled_; }

 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Reactor(const std::string& text) {
      grpc::Slice slice(text);
      reply_ = grpc::ByteBuffer(&slice, 1);
      StartWriteAndFinish(&reply_, grpc::WriteOptions(), grpc::Status::OK);
    }
    void OnDone() override { delete this; }

   private:
    grpc::ByteBuffer reply_;
  };

  const Answer answer_;
  std::atomic<int> handled_{0};
};

struct Reply {
  grpc::Status status;
  std::string text;
};

// Calls `method` with an empty message and waits at most two minutes.
inline Reply Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                  const Metadata& metadata) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(120));
  for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
  grpc::Slice empty;
  const grpc::ByteBuffer request(&empty, 1);
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  Reply reply;
  call->Finish(&response, &reply.status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  grpc::Slice slice;
  if (reply.status.ok() && response.DumpToSingleSlice(&slice).ok()) {
    reply.text.assign(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return reply;
}

}  // namespace records::services::testing
