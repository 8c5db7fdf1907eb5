#include "services/recordsd/publisher.h"

namespace records::services {

absl::StatusOr<std::unique_ptr<Publisher>> StartPublisher(
    const eventstore::EventLog&, const eventstore::WorkStreams&, const ServerOptions&,
    std::function<void(const absl::Status&)>) {
  return absl::UnimplementedError(
      "--kafka: this recordsd was built without Kafka. Run tools/setup --kafka and build again.");
}

}  // namespace records::services
