#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tools/recordsctl/client.h"
#include "tools/recordsctl/exit_codes.h"
#include "tools/recordsctl/interrupt.h"
#include "tools/recordsctl/progress_line.h"
#include "tools/recordsctl/session.h"

namespace records::tools {

// A call whose server tells how far it is, and last what was done.
template <typename Service, typename Request, typename Response>
struct LongCall {
  std::string doing;    // "make the backup"
  std::string see;      // where a wrong use is sent to
  std::string stopped;  // what ^C left, for a person
  std::unique_ptr<grpc::ClientReader<Response>> (Service::Stub::*method)(grpc::ClientContext*,
                                                                         const Request&);
  std::function<std::string(const Response&)> progress;
  std::function<void(const Response&)> print;  // the last message, unless as JSON
};

// Runs it, without a deadline: it takes as long as it takes, and ^C ends it.
template <typename Service, typename Request, typename Response>
int RunLongCall(Session& session, const Request& request,
                const LongCall<Service, Request, Response>& call) {
  auto client = Client::Create(session);
  if (!client.ok()) return session.Usage(client.status().message(), call.see);
  const auto context = client->NewContext(/*endless=*/true);
  Interrupt interrupt([&context] { context->TryCancel(); });
  const auto stub = Service::NewStub(client->channel());
  const auto stream = (stub.get()->*call.method)(context.get(), request);
  Response message;
  bool done = false;
  {
    ProgressLine line(session.err);
    while (!done && stream->Read(&message)) {
      done = message.has_done();
      if (!done) line.Draw(call.progress(message), false);
    }
  }
  const absl::Status status = services::FromGrpcStatus(stream->Finish());
  if (interrupt.interrupted() && !done) {
    session.err << call.stopped;
    return kExitRefused;
  }
  if (!status.ok()) return session.Fail(call.doing, status);
  if (!done) return session.Fail(call.doing, absl::UnavailableError("the server left"));
  if (session.options.json) {
    session.PrintJson(message.done());
  } else {
    call.print(message);
  }
  return kExitOk;
}

}  // namespace records::tools
