#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/tail_source.h"

namespace records::eventstore {

// The tail of a log in the topics of a prefix. Reads what was committed, and writes nothing: so a
// restore can be rehearsed beside a server that publishes. FindEnds() then says what had been
// published when it was asked.
//
// Errors besides those of TailSource: as KafkaStatus() says; kUnavailable too when no broker
// answers within `timeout`; kNotFound: a topic is not there. kFailedPrecondition TOPIC_PARTITIONS.
//
// `settle_max`: how long FindEnds() looks again where topics and progress do not fit together, as
// while a transaction comes to be seen, one partition after the other.
absl::StatusOr<std::unique_ptr<TailSource>> OpenLogTopicTail(
    const KafkaSettings& settings, const std::string& prefix, absl::Duration timeout,
    absl::Duration settle_max = absl::Seconds(5));

}  // namespace records::eventstore
