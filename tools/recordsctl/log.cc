#include "records/api/v1/ledger_service.grpc.pb.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/interrupt.h"
#include "tools/recordsctl/log_verify.h"
#include "tools/recordsctl/request_command.h"
#include "tools/recordsctl/table.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;
using Service = api::LedgerService;

Table TailTable() {
  Table table({"RECORDED", "PARTITION", "SEQUENCE", "BYTES", "SEALED", "COLLECTION", "TYPE"});
  constexpr size_t kWidths[] = {16, 9, 10, 7, 6, 12};
  for (size_t i = 0; i < std::size(kWidths); ++i) table.FixWidth(i, kWidths[i]);
  return table;
}

void PrintTail(Session& session, const api::TailLogResponse& message, bool with_headings) {
  Table table = TailTable();
  table.AddRow({FormatMoment(message.recorded_at_us(), absl::LocalTimeZone()),
                absl::StrCat(message.partition()), absl::StrCat(message.sequence()),
                absl::StrCat(message.bytes()), absl::StrCat(message.sealed_parts()),
                message.collection(), ShortName(message.type())});
  session.out << table.Render(session.Width(), with_headings) << std::flush;
}

int Tail(Session& session, uint32_t last, bool follow) {
  auto client = Client::Create(session);
  if (!client.ok()) return session.Usage(client.status().message(), "see `recordsctl --help`");
  const auto context = client->NewContext(/*endless=*/follow);
  Interrupt interrupt([&context] { context->TryCancel(); });
  api::TailLogRequest request;
  request.set_last(last);
  request.set_stop_at_head(!follow);
  const auto stub = Service::NewStub(client->channel());
  const auto stream = stub->TailLog(context.get(), request);
  api::TailLogResponse message;
  bool with_headings = true;
  while (stream->Read(&message)) {
    if (session.options.json) {
      session.PrintJson(message);
    } else if (message.sequence() > 0) {
      PrintTail(session, message, with_headings);
      with_headings = false;
    }
  }
  const absl::Status status = services::FromGrpcStatus(stream->Finish());
  if (interrupt.interrupted() || status.ok()) return kExitOk;
  return session.Fail("read the log", status);
}

void AddTail(CLI::App* noun, Session& session) {
  struct Flags {
    uint32_t last = 10;
    bool follow = false;
  };
  auto* command =
      noun->add_subcommand("tail", "Envelopes of the last events: what is clear, nothing sealed");
  auto flags = std::make_shared<Flags>();
  command->add_option("--last", flags->last, "events before the head of each partition");
  command->add_flag("--follow", flags->follow, "go on as events are recorded; ^C ends it");
  command->callback([&session, flags] {
    session.run = [&session, flags] { return Tail(session, flags->last, flags->follow); };
  });
}

void AddCheckpoint(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "checkpoint", "Print the newest signed checkpoint; keep it elsewhere, for `log verify`");
  Bind(command, session,
       RequestCommand<Service, api::GetCheckpointRequest, api::GetCheckpointResponse>{
           .doing = "get the checkpoint",
           .method = &Service::Stub::GetCheckpoint,
           .required = {},
           .from_flags = [](api::GetCheckpointRequest&) { return absl::OkStatus(); },
           .print =
               [&session](const api::GetCheckpointResponse& reply) {
                 // The note alone on stdout, byte for byte, so that a redirect keeps it.
                 session.out << reply.checkpoint() << std::flush;
                 session.err << "verifier key: " << reply.verifier_key() << "\n";
               }});
}

}  // namespace

void AddLogCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("log", "The log of events");
  AddTail(noun, session);
  AddCheckpoint(noun, session);
  AddLogVerify(noun, session);
}

}  // namespace records::tools
