#include "services/recordsd/view_server.h"

namespace records::services {

absl::StatusOr<std::unique_ptr<RunningServer>> StartViewServer(const ServerOptions&) {
  return absl::UnimplementedError(
      "--serve timeline alone: a view in a process of its own is fed by Kafka, which this program "
      "was built without. Run tools/setup --kafka and build again, or serve ledger,timeline.");
}

}  // namespace records::services
