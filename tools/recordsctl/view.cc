#include <algorithm>
#include <string>

#include "records/api/v1/view_service.grpc.pb.h"
#include "tools/recordsctl/commands.h"
#include "tools/recordsctl/flag_values.h"
#include "tools/recordsctl/long_call.h"
#include "tools/recordsctl/request_command.h"
#include "tools/recordsctl/table.h"

// `view status`, `view rebuild` and `view undo`: each server is asked about what it holds.
namespace records::tools {
namespace {

namespace api = records::api::v1;
using Service = api::ViewService;

// "0-3, 7".
std::string PartitionsText(const google::protobuf::RepeatedField<uint32_t>& partitions) {
  std::string text;
  for (int i = 0; i < partitions.size(); ++i) {
    const uint32_t first = partitions[i];
    while (i + 1 < partitions.size() && partitions[i + 1] == partitions[i] + 1) ++i;
    absl::StrAppend(&text, text.empty() ? "" : ", ", first);
    if (partitions[i] != first) absl::StrAppend(&text, "-", partitions[i]);
  }
  return text;
}

std::string StateText(const api::ViewShare& share) {
  switch (share.state()) {
    case api::VIEW_STATE_OPENING:
      return "opening";
    case api::VIEW_STATE_CATCHING_UP:
      return "catching up";
    case api::VIEW_STATE_ANSWERS:
      return "answers";
    case api::VIEW_STATE_STALLED:
      return absl::StrCat("stalled: ", share.problem());
    case api::VIEW_STATE_FAILED:
      return absl::StrCat("failed: ", share.problem());
    default:
      return "unknown";
  }
}

uint64_t Percent(uint64_t done, uint64_t total) { return total == 0 ? 100 : 100 * done / total; }

std::string RebuildText(const api::ViewShare& share) {
  if (!share.has_switching()) return "none";
  const api::ViewProgress& progress = share.switching();
  if (progress.copy() == 0) return "begins";
  return absl::StrCat("copy ", progress.copy(), " at ",
                      Percent(progress.position(), progress.head()), " %");
}

std::string UndoText(const api::ViewShare& share) {
  if (share.can_undo()) return absl::StrCat("to copy ", share.previous_copy());
  if (share.previous_copy() == 0 || share.has_switching()) return "no";
  return absl::StrCat("no, copy ", share.previous_copy(), " is of version ",
                      share.previous_version());
}

void PrintViews(Session& session, const google::protobuf::RepeatedPtrField<api::View>& views) {
  Table table({"VIEW", "PARTITIONS", "STATE", "VERSION", "COPY", "POSITION", "LAG", "PARKED",
               "REBUILD", "UNDO"});
  Table elsewhere({"VIEW", "PARTITION", "SERVED BY"});
  for (const api::View& view : views) {
    for (const api::ViewShare& share : view.shares()) {
      const uint64_t lag = share.head() - std::min(share.head(), share.position());
      table.AddRow({view.name(), PartitionsText(share.partitions()), StateText(share),
                    absl::StrCat(share.version()), absl::StrCat(share.copy()),
                    absl::StrCat(share.position()), absl::StrCat(lag),
                    absl::StrCat(share.parked_roots()), RebuildText(share), UndoText(share)});
    }
    for (const api::ViewElsewhere& one : view.elsewhere()) {
      elsewhere.AddRow({view.name(), absl::StrCat(one.partition()),
                        one.owner().empty() ? "not known now" : one.owner()});
    }
  }
  session.out << table.Render(session.Width(), true);
  if (!elsewhere.empty()) session.out << "\n" << elsewhere.Render(session.Width(), true);
}

void AddStatus(CLI::App* noun, Session& session) {
  auto* command = noun->add_subcommand(
      "status",
      "The views of a server: version, position, lag, a rebuild under way, and whether the last "
      "one\ncan be undone. A view in processes of its own: ask each (--server).");
  Bind(
      command, session,
      RequestCommand<Service, api::ListViewsRequest, api::ListViewsResponse>{
          .doing = "get the status of the views",
          .method = &Service::Stub::ListViews,
          .required = {},
          .from_flags = [](api::ListViewsRequest&) { return absl::OkStatus(); },
          .print = [&session](
                       const api::ListViewsResponse& reply) { PrintViews(session, reply.views()); },
          .takes_input = false});
}

std::string ProgressText(const api::ViewProgress& progress) {
  std::string text = absl::StrCat("copy ", progress.copy(), ": ", progress.position(), " of ",
                                  progress.head(), " events");
  if (progress.shares_total() > 1) {
    absl::StrAppend(&text, ", partition ", progress.shares_done() + 1, " of ",
                    progress.shares_total());
  }
  return text;
}

// How the copies agreed between which a view was switched.
std::string ComparisonText(const api::View& view, const std::string& verb) {
  uint64_t rows = 0;
  uint64_t different = 0;
  bool any = false;
  std::string problem;
  for (const api::ViewShare& share : view.shares()) {
    any = any || share.has_comparison();
    rows += share.comparison().rows();
    different += share.comparison().different();
    if (problem.empty()) problem = share.comparison().problem();
  }
  if (!any) return "";
  if (!problem.empty()) {
    return absl::StrCat("\nThe copies could not be compared: ", problem, "\n");
  }
  if (different > 0) {
    return absl::StrCat("\n", different, " of ", rows, " rows are not as in the copy before.\n",
                        verb == "undo"
                            ? "Which copy is right is not known: `recordsctl view rebuild` folds "
                              "one from the log.\n"
                            : "What answers now was folded from the log; `recordsctl view undo` "
                              "goes back.\n");
  }
  return absl::StrCat("\nCompared with the copy before: ", rows, " rows, all alike.\n");
}

template <typename Request, typename Response, typename Method>
int Switch(Session& session, const std::string& verb, const std::string& view, Method method) {
  const std::string see = absl::StrCat("see `recordsctl view ", verb, " --help`");
  if (view.empty()) return session.Usage("--name is required", see);
  Request request;
  request.set_view(view);
  return RunLongCall<Service, Request, Response>(
      session, request,
      {.doing = absl::StrCat(verb, " the view"),
       .see = see,
       .stopped = "stopped: the copy that was there answers, unless the switch was being made "
                  "just then;\n`recordsctl view status` says which\n",
       .method = method,
       .progress = [](const Response& message) { return ProgressText(message.progress()); },
       .print =
           [&session, verb](const Response& message) {
             google::protobuf::RepeatedPtrField<api::View> views;
             *views.Add() = message.done();
             PrintViews(session, views);
             session.out << ComparisonText(message.done(), verb);
           }});
}

template <typename Run>
void AddSwitch(CLI::App* noun, Session& session, const char* verb, const char* help, Run run) {
  auto* command = noun->add_subcommand(verb, help);
  auto name = std::make_shared<std::string>();
  command->add_option("--name", *name, "name of the view, as `view status` says it");
  command->callback([&session, name, run] { session.run = [name, run] { return run(*name); }; });
}

}  // namespace

void AddViewCommands(CLI::App& app, Session& session) {
  auto* noun = app.add_subcommand("view", "The views: how they stand, fold anew, go back");
  AddStatus(noun, session);
  AddSwitch(noun, session, "rebuild",
            "Fold a view anew beside the copy that answers, then switch to it.\n"
            "Takes as long as it takes; ^C leaves the view as it was.",
            [&session](const std::string& name) {
              return Switch<api::RebuildViewRequest, api::RebuildViewResponse>(
                  session, "rebuild", name, &Service::Stub::RebuildView);
            });
  AddSwitch(noun, session, "undo",
            "Go back to the copy before the last switch; once more goes forward again.",
            [&session](const std::string& name) {
              return Switch<api::UndoRebuildRequest, api::UndoRebuildResponse>(
                  session, "undo", name, &Service::Stub::UndoRebuild);
            });
}

}  // namespace records::tools
