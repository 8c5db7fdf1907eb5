#include "eventstore/status_macros.h"
#include "records/api/v1/timeline_service.grpc.pb.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/request_command.h"
#include "tools/recordsctl/timeline_follow.h"
#include "tools/recordsctl/timeline_render.h"

namespace records::tools {
namespace {

namespace api = records::api::v1;
namespace events = records::events::v1;
using Service = api::TimelineService;

struct ShowFlags {
  std::string customer;
  int page_size = 0;
  std::string page_token;
  std::string from;
  std::string until;
  std::string channel;
  std::vector<std::string> kinds;
  std::string read_your_write;
  bool all = false;
  bool ids = false;
};

absl::Status FillShow(const ShowFlags& flags, api::GetTimelineRequest& request) {
  request.set_customer(flags.customer);
  request.set_page_size(flags.page_size);
  request.set_page_token(flags.page_token);
  request.set_read_your_write(flags.read_your_write);
  if (!flags.from.empty()) {
    ASSIGN_OR_RETURN(const int64_t from, ParseMoment("--from", flags.from));
    request.set_from_us(from);
  }
  if (!flags.until.empty()) {
    ASSIGN_OR_RETURN(const int64_t until, ParseMoment("--until", flags.until));
    request.set_until_us(until);
  }
  if (!flags.channel.empty()) {
    ASSIGN_OR_RETURN(const auto channel, ParseEnum<events::Channel>("--channel", flags.channel));
    request.set_channel(channel);
  }
  for (const std::string& name : flags.kinds) {
    ASSIGN_OR_RETURN(const auto kind, ParseEnum<api::EntryKind>("--kind", name));
    request.add_kinds(kind);
  }
  return absl::OkStatus();
}

void PrintPage(Session& session, const api::GetTimelineResponse& page, bool first, bool with_ids) {
  if (session.options.json) return session.PrintJson(page);
  const TimelineLayout layout{.zone = absl::LocalTimeZone(),
                              .width = session.Width(),
                              .with_headings = first,
                              .with_ids = with_ids};
  if (page.has_header()) {
    session.out << RenderTimelineHeader(page.header(), layout.zone, layout.width) << '\n';
  }
  const bool is_empty = first && page.entries().empty();
  session.out << (is_empty ? "no entries\n" : RenderTimelineEntries(page.entries(), layout));
}

int Show(Session& session, const CLI::App& command, const ShowFlags& flags) {
  api::GetTimelineRequest request;
  const absl::Status read = ReadRequest(
      session, command, {"--customer"}, [&] { return FillShow(flags, request); }, request);
  if (!read.ok()) return session.Usage(read.message(), "see `recordsctl timeline show --help`");
  auto client = Client::Create(session);
  if (!client.ok()) return session.Usage(client.status().message(), "see `recordsctl --help`");
  for (bool first = true;; first = false) {
    api::GetTimelineResponse page;
    const absl::Status status = client->Call<Service>(&Service::Stub::GetTimeline, request, page);
    if (!status.ok()) return session.Fail("show the timeline", status);
    PrintPage(session, page, first, flags.ids);
    if (page.next_page_token().empty()) return kExitOk;
    if (!flags.all) {
      if (!session.options.json) {
        session.err << "more: --all, or --page-token '" << page.next_page_token() << "'\n";
      }
      return kExitOk;
    }
    request.set_page_token(page.next_page_token());
  }
}

void AddShow(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand("show", "Show a customer's timeline, newest first");
  auto flags = std::make_shared<ShowFlags>();
  command->add_option("--customer", flags->customer, "the landlord's reference");
  command->add_option("--page-size", flags->page_size, "entries in a page, 50 by default");
  command->add_option("--page-token", flags->page_token, "goes on where a page ended");
  command->add_option("--from", flags->from, "only what happened at or after this time");
  command->add_option("--until", flags->until, "only what happened before this time");
  command->add_option("--channel", flags->channel, EnumHelp<events::Channel>());
  AddRepeated(command, "--kind", flags->kinds, EnumHelp<api::EntryKind>());
  command->add_option("--read-your-write", flags->read_your_write,
                      "token of a command, whose effect is then shown");
  command->add_flag("--all", flags->all, "every page");
  command->add_flag("--ids", flags->ids, "the id of each entry too, for a correction");
  command->callback([command, &session, flags] {
    session.reads_input = true;
    session.run = [command, &session, flags] { return Show(session, *command, *flags); };
  });
}

void AddFollow(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand("follow", "Print entries as they are recorded; ^C ends it");
  auto customer = std::make_shared<std::string>();
  auto resume = std::make_shared<std::string>();
  command->add_option("--customer", *customer, "the landlord's reference");
  command->add_option("--resume-token", *resume, "goes on after the message that held this token");
  command->callback([&session, customer, resume] {
    session.run = [&session, customer, resume] {
      if (customer->empty()) {
        return session.Usage("missing --customer", "see `recordsctl timeline follow --help`");
      }
      api::FollowTimelineRequest follow;
      follow.set_customer(*customer);
      follow.set_resume_token(*resume);
      return FollowTimeline(session, follow);
    };
  });
}

}  // namespace

void AddTimelineCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("timeline", "A customer's timeline");
  AddShow(noun, session);
  AddFollow(noun, session);
}

}  // namespace records::tools
