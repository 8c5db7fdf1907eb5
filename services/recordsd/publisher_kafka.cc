#include <utility>

#include "eventstore/bus/kafka_settings.h"
#include "eventstore/bus/reconciler.h"
#include "eventstore/bus/relay.h"
#include "eventstore/bus/topic_register.h"
#include "eventstore/status_macros.h"
#include "services/recordsd/publisher.h"

namespace records::services {
namespace {

using State = eventstore::RelayStatus::State;

std::string NameOf(State state) {
  switch (state) {
    case State::kReady:
      return "ready";
    case State::kRunning:
      return "running";
    case State::kWaiting:
      return "waiting";
    case State::kRefused:
      return "refused";
    case State::kFenced:
      return "fenced";
    case State::kStopped:
      return "stopped";
  }
  return "unknown";
}

class KafkaPublisher final : public Publisher {
 public:
  KafkaPublisher(const eventstore::EventLog& log, const eventstore::RelayOptions& options)
      : relay_(log, options),
        reconciler_(log, relay_, {.settings = options.settings, .prefix = options.prefix}) {
    relay_.Start();
    reconciler_.Start();
  }

  PublisherStatus GetStatus() const override {
    const eventstore::RelayStatus status = relay_.GetStatus();
    const eventstore::ReconcilerStatus reconciled = reconciler_.GetStatus();
    return {.state = NameOf(status.state),
            .why = std::string(status.error.message()),
            .events = status.events_published,
            .transactions = status.transactions,
            .sessions = status.sessions,
            .lag_events = status.lag_events,
            .lag_seconds = absl::ToDoubleSeconds(status.lag),
            .compared = reconciled.compared,
            .differences = reconciled.differences,
            .difference = std::string(reconciled.difference.message())};
  }

 private:
  eventstore::Relay relay_;
  eventstore::Reconciler reconciler_;  // after the relay: it asks how far that is
};

absl::StatusOr<eventstore::KafkaSettings> SettingsOf(const ServerOptions& options) {
  if (!options.kafka.empty() && !options.kafka_settings_file.empty()) {
    return absl::InvalidArgumentError(
        "--kafka and --kafka-settings: the file names the brokers, so give only one of them");
  }
  if (!options.kafka.empty()) return eventstore::KafkaSettings::FromAddress(options.kafka);
  return eventstore::KafkaSettings::FromFile(options.kafka_settings_file);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Publisher>> StartPublisher(
    const eventstore::EventLog& log, const ServerOptions& options,
    std::function<void(const absl::Status&)> on_fenced) {
  ASSIGN_OR_RETURN(eventstore::KafkaSettings settings, SettingsOf(options));
  RETURN_IF_ERROR(eventstore::CheckBusPrefix(options.kafka_prefix));
  eventstore::RelayOptions relay{.settings = std::move(settings), .prefix = options.kafka_prefix};
  relay.on_fenced = std::move(on_fenced);
  return std::make_unique<KafkaPublisher>(log, relay);
}

}  // namespace records::services
