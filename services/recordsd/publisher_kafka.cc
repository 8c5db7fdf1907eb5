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
        reconciler_(
            log, relay_,
            {.settings = options.settings, .prefix = options.prefix, .work = options.work}) {
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
            .compared = reconciled.compared,
            .differences = reconciled.differences,
            .difference = std::string(reconciled.difference.message()),
            .rounds = reconciled.rounds,
            .unread = std::string(reconciled.error.message())};
  }

  PublisherLag MeasureLag() const override {
    const eventstore::RelayLag lag = relay_.MeasureLag();
    return {.events = lag.events, .seconds = absl::ToDoubleSeconds(lag.age)};
  }

 private:
  eventstore::Relay relay_;
  eventstore::Reconciler reconciler_;  // after the relay: it asks how far that is
};

}  // namespace

absl::StatusOr<std::unique_ptr<Publisher>> StartPublisher(
    const eventstore::EventLog& log, const eventstore::WorkStreams& work,
    const ServerOptions& options, std::function<void(const absl::Status&)> on_fenced) {
  ASSIGN_OR_RETURN(
      eventstore::KafkaSettings settings,
      eventstore::KafkaSettings::FromOptions(options.kafka, options.kafka_settings_file));
  RETURN_IF_ERROR(eventstore::CheckBusPrefix(options.kafka_prefix));
  eventstore::RelayOptions relay{.settings = std::move(settings), .prefix = options.kafka_prefix};
  relay.work = &work;
  relay.on_fenced = std::move(on_fenced);
  return std::make_unique<KafkaPublisher>(log, relay);
}

}  // namespace records::services
