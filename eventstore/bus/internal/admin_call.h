#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

// What all calls of librdkafka's admin API share.
namespace records::eventstore::internal {

// Destroys what librdkafka made, by the function it has for it.
template <auto Destroy>
struct KafkaDeleter {
  template <typename Object>
  void operator()(Object* object) const {
    Destroy(object);
  }
};

using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, KafkaDeleter<&rd_kafka_queue_destroy>>;
using KafkaEvent = std::unique_ptr<rd_kafka_event_t, KafkaDeleter<&rd_kafka_event_destroy>>;
using KafkaOptions =
    std::unique_ptr<rd_kafka_AdminOptions_t, KafkaDeleter<&rd_kafka_AdminOptions_destroy>>;

// One call: its options and the queue on which its result comes.
//
// Not thread-safe. The client must outlive it.
class AdminCall {
 public:
  AdminCall(rd_kafka_t* client, rd_kafka_admin_op_t operation, absl::Duration timeout);

  rd_kafka_AdminOptions_t* options() const { return options_.get(); }
  rd_kafka_queue_t* queue() const { return queue_.get(); }

  // The result, once the call was made. Errors as KafkaStatus() says, with `what` was done.
  absl::StatusOr<KafkaEvent> Wait(absl::string_view what) const;

 private:
  const absl::Duration timeout_;
  const KafkaOptions options_;
  const KafkaQueue queue_;
};

}  // namespace records::eventstore::internal
