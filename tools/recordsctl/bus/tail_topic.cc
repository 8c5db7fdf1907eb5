#include "tools/recordsctl/bus/tail_topic.h"

#include "absl/strings/str_cat.h"
#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/log_topic_tail.h"
#include "eventstore/bus/topic_register.h"
#include "eventstore/status_macros.h"

namespace records::tools {

absl::StatusOr<std::unique_ptr<eventstore::TailSource>> OpenTail(const TailFlags& flags,
                                                                 absl::Duration timeout) {
  if (!flags.kafka.empty() && !flags.kafka_settings.empty()) {
    return absl::InvalidArgumentError(
        "the brokers are named by --tail-from-kafka ADDRESS or by --tail-kafka-settings FILE, one "
        "of the two");
  }
  ASSIGN_OR_RETURN(const auto settings,
                   eventstore::KafkaSettings::FromOptions(flags.kafka, flags.kafka_settings));
  RETURN_IF_ERROR(eventstore::CheckBusPrefix(flags.prefix));
  return eventstore::OpenLogTopicTail(settings, flags.prefix, timeout);
}

}  // namespace records::tools
