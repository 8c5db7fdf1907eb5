#include "services/recordsd/start.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "services/recordsd/view_server.h"

namespace records::services {
namespace {

absl::Status CheckServe(const std::vector<std::string>& serve) {
  for (const std::string& part : serve) {
    if (part == "all" || part == "ledger" || part == "timeline") continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--serve ", part, ": there are all, ledger and timeline"));
  }
  if (!serve.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("--serve names nothing");
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunningServer>> StartServer(const ServerOptions& options) {
  RETURN_IF_ERROR(CheckServe(options.serve));
  const bool is_view =
      absl::c_all_of(options.serve, [](const std::string& part) { return part == "timeline"; });
  if (is_view) return StartViewServer(options);
  if (!options.ledger.empty()) {
    return absl::InvalidArgumentError(
        "--ledger is for a view alone (--serve timeline): this server has the log itself.");
  }
  ASSIGN_OR_RETURN(auto server, Server::Start(options));
  return std::unique_ptr<RunningServer>(std::move(server));
}

}  // namespace records::services
