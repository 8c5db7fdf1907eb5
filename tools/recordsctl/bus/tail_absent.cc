// In the place of tail_topic.cc where librdkafka is not.

#include "tools/recordsctl/bus/tail_topic.h"

namespace records::tools {

absl::StatusOr<std::unique_ptr<eventstore::TailSource>> OpenTail(const TailFlags&, absl::Duration) {
  return absl::UnimplementedError(
      "--tail-from-kafka: this recordsctl was built without Kafka. Run tools/setup --kafka and "
      "build again.");
}

}  // namespace records::tools
