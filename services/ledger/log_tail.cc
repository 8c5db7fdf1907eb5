#include "services/ledger/log_tail.h"

#include <algorithm>
#include <utility>

namespace records::services {
namespace {

namespace api = records::api::v1;
using eventstore::Ledger;

class Tail final : public PushedFollow<api::TailLogResponse> {
 public:
  using PushedFollow::PushedFollow;

  absl::StatusOr<bool> Send(const eventstore::StoredEvent& stored) override {
    api::TailLogResponse message;
    message.set_partition(stored.position.partition);
    message.set_sequence(stored.position.sequence);
    message.set_type(stored.event.type());
    message.set_collection(stored.event.stream().collection());
    message.set_recorded_at_us(stored.event.recorded_at_us());
    message.set_bytes(static_cast<uint32_t>(stored.bytes.size()));
    message.set_sealed_parts(static_cast<uint32_t>(stored.event.sealed_size()));
    Push(std::move(message));
    return true;
  }

  absl::Status SendMarker(bool caught_up) override {
    if (!caught_up) return absl::OkStatus();
    api::TailLogResponse marker;
    marker.set_caught_up(true);
    Push(std::move(marker));
    return absl::OkStatus();
  }
};

}  // namespace

LogFollowLimits TailLimits() {
  return {.open_max = 8,
          .open_of_one_caller_max = 8,
          .reason = "TAILS_TOO_MANY",
          .message = "Too many tails of the log are open. Close one."};
}

std::unique_ptr<LogFollow> MakeTail(const Runtime& runtime, std::shared_ptr<TailReactor> reactor,
                                    const api::TailLogRequest& request) {
  const uint64_t last = std::min(request.last(), kTailLastMax);
  std::vector<uint64_t> after;
  for (uint32_t p = 0; p < runtime.log.partition_count(); ++p) {
    const uint64_t head = runtime.log.Head(Ledger::kEvents, p).sequence;
    after.push_back(head - std::min(head, last));
  }
  return std::make_unique<Tail>(std::move(reactor), std::move(after));
}

}  // namespace records::services
