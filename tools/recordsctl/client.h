#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/errors/errors.h"
#include "tools/recordsctl/session.h"

namespace records::tools {

// Says whether `server` ("host:port") is this machine, so that nothing leaves it.
bool IsLoopback(absl::string_view server);

// The way to the server: local credentials on loopback, TLS anywhere else, never in the clear.
// kInvalidArgument: not host:port; the authority file cannot be read.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const GlobalOptions& options);

// Calls of one command: its channel, token and purpose.
//
// Thread-safe. Owns the token; the session must outlive it.
class Client {
 public:
  // Reads the token file, and warns on session.err when others can read it. Nothing is sent yet.
  // kInvalidArgument: no --token-file, no --purpose, or one that cannot be used.
  static absl::StatusOr<Client> Create(Session& session);

  // With a token of one's own instead of the file's.
  Client(std::shared_ptr<grpc::Channel> channel, std::string token, std::string purpose,
         absl::Duration timeout);

  // A context with token, purpose, and the deadline of --timeout unless `endless`.
  std::unique_ptr<grpc::ClientContext> NewContext(bool endless = false) const;

  // Calls one method and waits for the reply, at most --timeout.
  template <typename Service, typename Request, typename Reply>
  absl::Status Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Reply*),
                    const Request& request, Reply& reply) const {
    const auto stub = Service::NewStub(channel_);
    const auto context = NewContext();
    return services::FromGrpcStatus((stub.get()->*method)(context.get(), request, &reply));
  }

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::string token_;
  std::string purpose_;
  absl::Duration timeout_;
};

// The life of a simple command: makes the client, calls, prints the reply as JSON or by `print`.
template <typename Service, typename Request, typename Reply, typename Print>
int CallAndPrint(Session& session, absl::string_view doing,
                 grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&,
                                                       Reply*),
                 const Request& request, const Print& print) {
  absl::StatusOr<Client> client = Client::Create(session);
  if (!client.ok()) return session.Usage(client.status().message(), "see `recordsctl --help`");
  Reply reply;
  const absl::Status status = client->Call<Service>(method, request, reply);
  if (!status.ok()) return session.Fail(doing, status);
  if (session.options.json) {
    session.PrintJson(reply);
  } else {
    print(reply);
  }
  return 0;
}

}  // namespace records::tools
