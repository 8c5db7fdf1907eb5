#include "tools/bench/bus_server.h"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/status_macros.h"

namespace records::bench {
namespace {

constexpr char kPrefix[] = "bench";
constexpr absl::Duration kPoll = absl::Milliseconds(20);

// Of all gauges and counters whose name and labels hold both texts.
double Sum(const std::map<std::string, double>& metrics, absl::string_view name,
           absl::string_view label) {
  double sum = 0;
  for (const auto& [key, value] : metrics) {
    if (absl::StartsWith(key, name) && absl::StrContains(key, label)) sum += value;
  }
  return sum;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PublishingServer>> PublishingServer::Start(
    const BenchOptions& options, const std::filesystem::path& folder) {
  auto publishing = std::make_unique<PublishingServer>();
  ASSIGN_OR_RETURN(publishing->broker_, Broker::Start(options));
  RETURN_IF_ERROR(publishing->broker_->MakeTopics(kPrefix));
  RETURN_IF_ERROR(publishing->StartServer(options, folder, publishing->broker_->address()));
  return publishing;
}

absl::StatusOr<std::unique_ptr<PublishingServer>> PublishingServer::StartWithMock(
    const BenchOptions& options, const std::filesystem::path& folder) {
  auto publishing = std::make_unique<PublishingServer>();
  ASSIGN_OR_RETURN(publishing->mock_, MockBroker::Start(options.programs.broker, kPrefix));
  RETURN_IF_ERROR(publishing->StartServer(options, folder, publishing->mock_->address()));
  return publishing;
}

absl::Status PublishingServer::StartServer(const BenchOptions& options,
                                           const std::filesystem::path& folder,
                                           const std::string& address) {
  ASSIGN_OR_RETURN(server_, RecordsServer::Start(options.programs, folder,
                                                 {.kafka = address, .kafka_prefix = kPrefix}));
  RETURN_IF_ERROR(server_->RegisterCustomers(options.customers));
  return AwaitRelay(absl::Minutes(2));
}

std::string PublishingServer::log_topic() const { return eventstore::LogTopic(kPrefix); }

absl::StatusOr<ExportedLag> PublishingServer::ReadLag() const {
  ASSIGN_OR_RETURN(const auto metrics, server_->ReadMetrics());
  if (Sum(metrics, "records_relay_sessions", "") == 0) {
    return absl::UnavailableError("the relay has no session yet");
  }
  return ExportedLag{Sum(metrics, "records_relay_lag_events", ""),
                     Sum(metrics, "records_relay_lag_seconds", ""),
                     Sum(metrics, "records_calls_total", "ContactService/RecordContact\""),
                     Sum(metrics, "records_relay_transactions", "")};
}

absl::StatusOr<PublishingCost> PublishingServer::ReadCost() const {
  ASSIGN_OR_RETURN(const ExportedLag lag, ReadLag());
  return PublishingCost{lag.transactions, server_->process().CpuTime(),
                        broker_ == nullptr ? absl::ZeroDuration() : broker_->CpuTime()};
}

void AddCost(const PublishingCost& before, const PublishingCost& after, absl::Duration wall,
             std::map<std::string, double>& details) {
  const double seconds = absl::ToDoubleSeconds(wall);
  details["transactions_per_second"] = (after.transactions - before.transactions) / seconds;
  details["server_cpu_cores"] = absl::FDivDuration(after.server - before.server, wall);
  details["broker_cpu_cores"] = absl::FDivDuration(after.broker - before.broker, wall);
}

absl::Status PublishingServer::AwaitRelay(absl::Duration patience) const {
  const absl::Time until = absl::Now() + patience;
  while (absl::Now() < until && !interrupted) {
    const auto lag = ReadLag();
    if (lag.ok() && lag->events == 0) return absl::OkStatus();
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(kPoll));
  }
  return absl::DeadlineExceededError("the relay does not catch up");
}

int64_t Stamps::Next() {
  int64_t last = last_us_.load();
  int64_t next = 0;
  do {
    next = std::max(last + 1, absl::ToUnixMicros(absl::Now()));
  } while (!last_us_.compare_exchange_weak(last, next));
  return next;
}

RecordContactMethod Stamped(RecordContactMethod method, Stamps& stamps) {
  method.fill = [fill = std::move(method.fill), &stamps](std::mt19937_64& random, auto& request) {
    fill(random, request);
    request.set_occurred_at_us(stamps.Next());
  };
  return method;
}

}  // namespace records::bench
