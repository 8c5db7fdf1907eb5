#include "eventstore/bus/kafka_client.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace records::eventstore {
namespace {

struct ConfigurationDeleter {
  void operator()(rd_kafka_conf_t* configuration) const { rd_kafka_conf_destroy(configuration); }
};

}  // namespace

void KafkaClientDeleter::operator()(rd_kafka_t* client) const {
  if (rd_kafka_type(client) == RD_KAFKA_PRODUCER) {
    rd_kafka_purge(
        client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  }
  rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

absl::StatusOr<KafkaClient> OpenKafkaClient(rd_kafka_type_t type, const KafkaSettings& settings,
                                            const KafkaProperties& more, int events) {
  std::unique_ptr<rd_kafka_conf_t, ConfigurationDeleter> configuration(rd_kafka_conf_new());
  char why[512];
  for (const auto* properties : {&settings.properties(), &more}) {
    for (const auto& [name, value] : *properties) {
      if (rd_kafka_conf_set(configuration.get(), name.c_str(), value.c_str(), why, sizeof why) !=
          RD_KAFKA_CONF_OK) {
        // librdkafka's words may repeat the value.
        return absl::InvalidArgumentError(absl::StrCat("Kafka property ", name, " is refused"));
      }
    }
  }
  // A broker that is back is found within a second; as it comes that may take ten.
  rd_kafka_conf_set(configuration.get(), "reconnect.backoff.max.ms", "1000", why, sizeof why);
  rd_kafka_conf_set_log_cb(configuration.get(), nullptr);
  rd_kafka_conf_set_events(configuration.get(), events);
  rd_kafka_t* client = rd_kafka_new(type, configuration.get(), why, sizeof why);
  // Out of descriptors or threads, or a certificate that is just being replaced: may pass.
  if (client == nullptr) return absl::UnavailableError(absl::StrCat("Kafka client: ", why));
  configuration.release();  // the client's now
  return KafkaClient(client);
}

int KafkaMilliseconds(absl::Duration duration) {
  return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 0, 3'600'000));
}

absl::Status KafkaStatus(rd_kafka_resp_err_t code, absl::string_view what) {
  const std::string message = absl::StrCat(what, ": ", rd_kafka_err2name(code));
  switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return absl::OkStatus();
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
      return absl::FailedPreconditionError(absl::StrCat("RELAY_FENCED: ", message));
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return absl::PermissionDeniedError(message);
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      return absl::NotFoundError(message);
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

}  // namespace records::eventstore
