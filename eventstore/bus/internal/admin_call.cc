#include "eventstore/bus/internal/admin_call.h"

#include "absl/strings/str_cat.h"
#include "eventstore/bus/kafka_client.h"
#include "eventstore/status_macros.h"

namespace records::eventstore::internal {

AdminCall::AdminCall(rd_kafka_t* client, rd_kafka_admin_op_t operation, absl::Duration timeout)
    : timeout_(timeout),
      options_(rd_kafka_AdminOptions_new(client, operation)),
      queue_(rd_kafka_queue_new(client)) {
  const int milliseconds = KafkaMilliseconds(timeout);
  rd_kafka_AdminOptions_set_request_timeout(options_.get(), milliseconds, nullptr, 0);
  // Not all calls have this one; those that have none say so, and nothing is lost.
  rd_kafka_AdminOptions_set_operation_timeout(options_.get(), milliseconds, nullptr, 0);
}

absl::StatusOr<KafkaEvent> AdminCall::Wait(absl::string_view what) const {
  // The request has a timeout of its own; this one is for a client that never answers.
  const absl::Duration longest = timeout_ + absl::Seconds(10);
  KafkaEvent event(rd_kafka_queue_poll(queue_.get(), KafkaMilliseconds(longest)));
  if (event == nullptr) return absl::UnavailableError(absl::StrCat(what, ": no answer"));
  RETURN_IF_ERROR(KafkaStatus(rd_kafka_event_error(event.get()), what));
  return event;
}

}  // namespace records::eventstore::internal
