#include <grpcpp/grpcpp.h>
#include <grpcpp/security/server_credentials.h>
#include <signal.h>

#include <cstdio>
#include <string>

#include "records/api/v1/contact_service.grpc.pb.h"
#include "tools/bench/servers.h"

namespace records::bench {
namespace {

namespace api = records::api::v1;

// Lengths of the real reply: a sealed position, and a sealed position bound to the caller.
constexpr size_t kContactIdBytes = 48;
constexpr size_t kTokenBytes = 80;

class EchoService final : public api::ContactService::CallbackService {
  grpc::ServerUnaryReactor* RecordContact(grpc::CallbackServerContext* context,
                                          const api::RecordContactRequest*,
                                          api::RecordContactResponse* response) override {
    response->set_contact_id(std::string(kContactIdBytes, 'c'));
    response->set_token(std::string(kTokenBytes, 't'));
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace

int RunEchoServer() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  EchoService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::experimental::LocalServerCredentials(LOCAL_TCP),
                           &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::printf("{\"event\":\"serving\",\"port\":\"%d\"}\n", port);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

}  // namespace records::bench
