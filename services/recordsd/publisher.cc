#include "services/recordsd/publisher.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "services/recordsd/logging.h"
#include "services/recordsd/server_parts.h"

// What publishing needs of the server, whether or not this program was built with Kafka.
namespace records::services {

bool Publishes(const ServerOptions& options) {
  return !options.kafka.empty() || !options.kafka_settings_file.empty();
}

absl::Status Server::Parts::StartPublishing() {
  if (!Publishes(options)) return absl::OkStatus();
  // A second server under the prefix means a second log: which of them is right, a person must say.
  ASSIGN_OR_RETURN(publisher, StartPublisher(*log, *work, options, EndAfter("relay_fenced")));
  return absl::OkStatus();
}

void Server::Parts::AddPublisherGauges(std::vector<Gauge>& gauges) {
  const auto add = [&](const char* name, const char* help, auto read) {
    gauges.push_back({name, help, {}, [this, read] {
                        return static_cast<double>(read(publisher->GetStatus()));
                      }});
  };
  using Status = const PublisherStatus&;
  add("records_relay_running", "1 while the log is being published",
      [](Status status) { return status.state == "running" ? 1.0 : 0.0; });
  gauges.push_back(
      {"records_relay_lag_events", "Durable events that are not known to be in Kafka", {}, [this] {
         return static_cast<double>(publisher->MeasureLag().events);
       }});
  gauges.push_back({"records_relay_lag_seconds", "Age of the oldest of these", {}, [this] {
                      return publisher->MeasureLag().seconds;
                    }});
  add("records_relay_events", "Events published since the start",
      [](Status status) { return status.events; });
  add("records_relay_transactions", "Transactions committed since the start",
      [](Status status) { return status.transactions; });
  add("records_relay_sessions", "Producers made since the start; more than one: an error before",
      [](Status status) { return status.sessions; });
  add("records_relay_compared", "Published records read back and held against the log",
      [](Status status) { return status.compared; });
  add("records_relay_compared_rounds",
      "Rounds in which all that was published was read back; one that stands still needs a look",
      [](Status status) { return status.rounds; });
  add("records_relay_differences", "Differences between topic and log; any needs a person",
      [](Status status) { return status.differences; });
}

void Server::Parts::WatchPublisher() {
  if (publisher == nullptr) return;
  const PublisherStatus status = publisher->GetStatus();
  const std::string said =
      absl::StrCat(status.state, " ", status.why, status.difference, status.unread);
  if (said == publisher_said) return;
  publisher_said = said;
  const bool needs_a_hand = status.state == "refused" || status.state == "fenced";
  Log(needs_a_hand ? LogLevel::kError : LogLevel::kInfo, "relay",
      {{"state", status.state}, {"why", status.why}});
  if (!status.unread.empty()) Log(LogLevel::kInfo, "topic_unread", {{"why", status.unread}});
  if (!status.difference.empty()) {
    Log(LogLevel::kError, "topic_differs", {{"why", status.difference}});
  }
}

}  // namespace records::services
