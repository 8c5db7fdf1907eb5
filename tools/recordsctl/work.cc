#include <google/protobuf/util/json_util.h>

#include "absl/strings/escaping.h"
#include "records/api/v1/erasure_service.grpc.pb.h"
#include "records/api/v1/ledger_service.grpc.pb.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/interrupt.h"
#include "tools/recordsctl/request_command.h"
#include "tools/recordsctl/table.h"
#include "tools/recordsctl/text.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;
using Service = api::LedgerService;

constexpr size_t kReferencesMax = 100;  // of one Unseal

struct FollowFlags {
  std::string stream;
  std::string resume_token;
  bool stop_at_head = false;
  bool open = false;
};

std::string DayOf(int64_t microseconds) {
  return absl::FormatTime("%Y-%m-%d", absl::FromUnixMicros(microseconds), absl::UTCTimeZone());
}

std::string StateText(const api::UnsealResult& result) {
  switch (result.state()) {
    case api::UNSEAL_STATE_OPENED:
      return ShortName(result.opened().type());
    case api::UNSEAL_STATE_ERASED:
      return "erased";
    default:
      return "not readable";
  }
}

// One run of `work follow`: prints records as they come, and what is in them where that was asked
// for.
class WorkPrinter {
 public:
  WorkPrinter(Session& session, const Client& client, const FollowFlags& flags)
      : session_(session), client_(client), flags_(flags) {}

  // Whether something was taken and is not printed.
  bool owes() const { return !records_.empty(); }

  absl::Status Take(const api::FollowWorkResponse& message) {
    caught_up_ = caught_up_ || message.caught_up();
    if (session_.options.json) session_.PrintJson(message);
    if (message.has_record()) {
      records_.push_back(message.record());
      if (!flags_.open) PrintRecords();
    }
    // Up to the head many are opened at once, then each as it comes.
    if (!flags_.open || (!caught_up_ && records_.size() < kReferencesMax)) {
      return absl::OkStatus();
    }
    return OpenRecords();
  }

 private:
  void PrintRow(const api::WorkRecord& record, const std::string& state) {
    Table table({"DAY", "SUBJECT", "ID", "TYPE"});
    constexpr size_t kWidths[] = {10, 32, 32};
    for (size_t i = 0; i < std::size(kWidths); ++i) table.FixWidth(i, kWidths[i]);
    table.AddRow({DayOf(record.time_us()), record.subject(), record.id(), state});
    session_.out << table.Render(session_.Width(), !std::exchange(has_headings_, true))
                 << std::flush;
  }

  void PrintRecords() {
    if (!session_.options.json) {
      for (const api::WorkRecord& record : records_) PrintRow(record, ShortName(record.type()));
    }
    records_.clear();
  }

  void PrintResult(const api::WorkRecord& record, const api::UnsealResult& result) {
    PrintRow(record, StateText(result));
    if (result.state() != api::UNSEAL_STATE_OPENED) return;
    std::string json;
    if (google::protobuf::util::MessageToJsonString(result.opened().event(), &json).ok()) {
      session_.out << "  " << PrintableJson(json) << '\n' << std::flush;
    }
  }

  absl::Status OpenRecords() {
    while (!records_.empty()) {
      api::UnsealRequest request;
      request.set_stream(flags_.stream);
      for (size_t i = 0; i < records_.size() && i < kReferencesMax; ++i) {
        request.add_references(records_[i].reference());
      }
      api::UnsealResponse reply;
      const absl::Status status = client_.Call<Service>(&Service::Stub::Unseal, request, reply);
      if (!status.ok()) return status;
      if (reply.results().empty() || reply.results_size() > request.references_size()) {
        return absl::InternalError("the server answered what was not asked");
      }
      if (session_.options.json) session_.PrintJson(reply);
      for (int i = 0; i < reply.results_size() && !session_.options.json; ++i) {
        PrintResult(records_[static_cast<size_t>(i)], reply.results(i));
      }
      records_.erase(records_.begin(), records_.begin() + reply.results_size());
    }
    return absl::OkStatus();
  }

  Session& session_;
  const Client& client_;
  const FollowFlags& flags_;
  std::vector<api::WorkRecord> records_;
  bool caught_up_ = false;
  bool has_headings_ = false;
};

int FollowWork(Session& session, const FollowFlags& flags) {
  if (flags.stream.empty()) {
    return session.Usage("missing --stream", "see `recordsctl work follow --help`");
  }
  auto client = Client::Create(session);
  if (!client.ok()) return session.Usage(client.status().message(), "see `recordsctl --help`");
  const auto context = client->NewContext(/*endless=*/true);
  Interrupt interrupt([&context] { context->TryCancel(); });
  api::FollowWorkRequest request;
  request.set_stream(flags.stream);
  request.set_resume_token(flags.resume_token);
  request.set_stop_at_head(flags.stop_at_head);
  const auto stub = Service::NewStub(client->channel());
  const auto stream = stub->FollowWork(context.get(), request);
  WorkPrinter printer(session, *client, flags);
  api::FollowWorkResponse message;
  std::string token;  // after which nothing is owed
  absl::Status taken;
  while (taken.ok() && stream->Read(&message)) {
    taken = printer.Take(message);
    if (taken.ok() && !printer.owes()) token = message.resume_token();
  }
  if (!taken.ok()) context->TryCancel();
  const absl::Status status = services::FromGrpcStatus(stream->Finish());
  if (!token.empty() && !session.options.json) {
    session.err << "recordsctl: goes on with --resume-token '" << Printable(token) << "'\n";
  }
  if (interrupt.interrupted()) return kExitOk;
  if (!taken.ok()) return session.Fail("open the work", taken);
  return status.ok() ? kExitOk : session.Fail("follow the work", status);
}

void AddConfirmErased(CLI::App* noun, Session& session) {
  struct Flags {
    std::string stream;
    std::string reference;
  };
  auto* command = noun->add_subcommand(
      "confirm-erased", "Say that your system has dropped what it held of an erased subject");
  auto flags = std::make_shared<Flags>();
  command->add_option("--stream", flags->stream, "name of the work stream: repairs.v1");
  command->add_option("--reference", flags->reference,
                      "of its Erased record, as `work follow --json` prints it");
  Bind(command, session,
       RequestCommand<api::ErasureService, api::ConfirmErasureRequest, api::ConfirmErasureResponse>{
           .doing = "confirm the erasure",
           .method = &api::ErasureService::Stub::ConfirmErasure,
           .required = {"--stream", "--reference"},
           .from_flags =
               [flags](api::ConfirmErasureRequest& request) {
                 request.set_stream(flags->stream);
                 return absl::Base64Unescape(flags->reference, request.mutable_reference())
                            ? absl::OkStatus()
                            : absl::InvalidArgumentError("--reference is not Base64");
               },
           .print =
               [&session](const api::ConfirmErasureResponse&) {
                 session.out << RenderFields({{"done", "confirmed"}}, session.Width());
               }});
}

}  // namespace

void AddWorkCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("work", "Work streams, for systems without a broker");
  AddConfirmErased(noun, session);
  auto* command = noun->add_subcommand(
      "follow", "Print the records of a work stream from the first on; ^C ends it");
  auto flags = std::make_shared<FollowFlags>();
  command->add_option("--stream", flags->stream, "name of the work stream: repairs.v1");
  command->add_option("--resume-token", flags->resume_token,
                      "goes on after the message that held this token");
  command->add_flag("--stop-at-head", flags->stop_at_head, "end when all that stands was printed");
  command->add_flag("--open", flags->open,
                    "open the events, as far as your role may; each leaves a trace");
  command->callback([&session, flags] {
    session.run = [&session, flags] { return FollowWork(session, *flags); };
  });
}

}  // namespace records::tools
