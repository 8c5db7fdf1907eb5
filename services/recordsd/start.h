#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "services/recordsd/options.h"
#include "services/recordsd/server.h"

namespace records::services {

// Starts what --serve asks for: the server that has the log, or a view alone. kInvalidArgument: a
// combination of options that makes neither. Else as Server::Start() and StartViewServer().
[[nodiscard]] absl::StatusOr<std::unique_ptr<RunningServer>> StartServer(
    const ServerOptions& options);

}  // namespace records::services
