#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventstore/bus/kafka_settings.h"

namespace records::eventstore {

// Drops what is under way and destroys the client, without waiting for a broker.
struct KafkaClientDeleter {
  void operator()(rd_kafka_t* client) const;
};
using KafkaClient = std::unique_ptr<rd_kafka_t, KafkaClientDeleter>;

using KafkaProperties = std::vector<std::pair<std::string, std::string>>;

// Makes a client of librdkafka that logs nothing. `events` (RD_KAFKA_EVENT_*) come on its main
// queue. kInvalidArgument: a property is not one of its. kUnavailable: it cannot be made just now.
absl::StatusOr<KafkaClient> OpenKafkaClient(rd_kafka_type_t type, const KafkaSettings& settings,
                                            const KafkaProperties& more, int events = 0);

// As librdkafka takes a timeout: from 0 to an hour.
int KafkaMilliseconds(absl::Duration duration);

// What an error code of librdkafka or of a broker means to us:
//   kFailedPrecondition  RELAY_FENCED: another producer of the same transactional id has started
//   kPermissionDenied    authentication failed, or an ACL forbids it
//   kNotFound            no such topic or partition
//   kResourceExhausted   a record is larger than the topic takes (max.message.bytes)
//   kUnavailable         all else: the outcome is unknown; a new client may come through
absl::Status KafkaStatus(rd_kafka_resp_err_t code, absl::string_view what);

}  // namespace records::eventstore
