// The relay drains a log that is full already, against a plain producer that sends the same
// records.

#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/relay.h"
#include "eventstore/status_macros.h"
#include "tools/bench/broker.h"
#include "tools/bench/bus_bars.h"
#include "tools/bench/bus_reference.h"
#include "tools/bench/product_store.h"
#include "tools/bench/profile.h"

namespace records::bench {
namespace {

using eventstore::BusRecord;
using eventstore::Relay;
using eventstore::RelayOptions;
using eventstore::RelayStatus;

constexpr double kTarget = 0.7;
constexpr absl::Duration kPatience = absl::Minutes(5);
constexpr absl::Duration kPoll = absl::Milliseconds(1);
// The rate is that of what comes after the first transaction.
constexpr uint64_t kEventsMin = 20'000;
// Of each topic, for the reference to send in turn.
constexpr size_t kSampleRecords = 20'000;

struct RelayRun {
  double events_per_second = 0;
  double events_per_transaction = 0;
};

// What the bar measures on: a full log and a broker.
struct Bench {
  std::unique_ptr<TemporaryFolder> folder;
  std::unique_ptr<ProductStore> store;
  std::unique_ptr<Broker> broker;
  int topics_made = 0;
  std::string NextPrefix() { return absl::StrCat("bench", topics_made++); }
};

absl::StatusOr<Bench> MakeBench(const BenchOptions& options) {
  Bench bench;
  ASSIGN_OR_RETURN(bench.folder, TemporaryFolder::Make(options.programs.work));
  ASSIGN_OR_RETURN(bench.broker, Broker::Start(options));
  ASSIGN_OR_RETURN(bench.store, ProductStore::Open(bench.folder->path() / "data"));
  const uint64_t customers = std::max<uint64_t>(1, options.events / kEventsPerCustomer);
  RETURN_IF_ERROR(bench.store->RegisterCustomers(0, customers));
  const uint64_t there = bench.store->CountEvents();
  if (options.events > there) {
    RETURN_IF_ERROR(bench.store->AppendContacts(options.events - there, options.events).status());
  }
  return bench;
}

// Counts from the end of the first transaction on: a session's start is no rate.
absl::StatusOr<RelayRun> Drain(Bench& bench, const std::string& prefix, size_t per_transaction,
                               bool with_streams) {
  RelayOptions options{.settings = bench.broker->settings(), .prefix = prefix};
  options.batch_events = per_transaction;
  if (with_streams) options.work = &bench.store->work();
  Relay relay(bench.store->log(), options);
  relay.Start();
  const absl::Time until = absl::Now() + kPatience;
  while (relay.GetStatus().transactions == 0) {
    if (interrupted || absl::Now() > until) return relay.GetStatus().error;
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(kPoll));
  }
  const RelayStatus first = relay.GetStatus();
  const absl::Time start = absl::Now();
  RETURN_IF_ERROR(relay.WaitForAll(until));
  const absl::Duration took = absl::Now() - start;
  const RelayStatus last = relay.GetStatus();
  return RelayRun{
      static_cast<double>(last.events_published - first.events_published) /
          absl::ToDoubleSeconds(took),
      static_cast<double>(last.events_published) / static_cast<double>(last.transactions)};
}

// The records that the relay published of some events: those of the log and, with them, those of
// the work stream that contacts are on, which are as many.
absl::StatusOr<std::vector<BusRecord>> SampleOf(const Bench& bench, const std::string& prefix,
                                                bool with_streams) {
  const auto settings = bench.broker->settings();
  ASSIGN_OR_RETURN(auto sample, ReadSample(settings, eventstore::LogTopic(prefix), kSampleRecords));
  if (!with_streams) return sample;
  ASSIGN_OR_RETURN(
      auto work, ReadSample(settings, eventstore::WorkTopic(prefix, "contacts.v1"), sample.size()));
  std::vector<BusRecord> both;
  for (size_t i = 0; i < std::min(sample.size(), work.size()); ++i) {
    both.push_back(std::move(sample[i]));
    both.push_back(std::move(work[i]));
  }
  return both;
}

std::vector<BusRecord> Under(const std::string& prefix, std::vector<BusRecord> records) {
  for (BusRecord& record : records) {
    record.topic = absl::StrCat(prefix, record.topic.substr(record.topic.find('.')));
  }
  return records;
}

// Events a second of the reference.
absl::StatusOr<double> Reference(Bench& bench, const std::vector<BusRecord>& sample,
                                 uint64_t events, size_t per_transaction, bool with_streams) {
  const std::string prefix = bench.NextPrefix();
  RETURN_IF_ERROR(bench.broker->MakeTopics(prefix));
  const uint64_t records_each = with_streams ? 2 : 1;
  ASSIGN_OR_RETURN(const double rate,
                   ProduceInTransactions(bench.broker->settings(), prefix, Under(prefix, sample),
                                         events * records_each, per_transaction * records_each));
  RETURN_IF_ERROR(bench.broker->DropTopics(prefix));
  return rate / static_cast<double>(records_each);
}

absl::StatusOr<BarResult> MeasureOne(const BenchOptions& options, Bench& bench,
                                     const std::vector<BusRecord>& sample, size_t per_transaction,
                                     bool with_streams) {
  BarResult result{.bar = absl::StrCat("bus-relay-", per_transaction, with_streams ? "" : "-log"),
                   .unit = "events/s",
                   .reference_name = absl::StrCat(
                       "librdkafka's own transactions of ", per_transaction, " events, ",
                       with_streams ? "records of log and work stream" : "records of the log"),
                   .target = kTarget};
  std::vector<double> sizes;
  for (int run = 0; run < options.runs; ++run) {
    ASSIGN_OR_RETURN(result.reference_runs.emplace_back(),
                     Reference(bench, sample, options.events, per_transaction, with_streams));
    const std::string prefix = bench.NextPrefix();
    RETURN_IF_ERROR(bench.broker->MakeTopics(prefix));
    const Profile profile(options, result.bar, getpid());
    ASSIGN_OR_RETURN(const RelayRun relay, Drain(bench, prefix, per_transaction, with_streams));
    RETURN_IF_ERROR(bench.broker->DropTopics(prefix));
    result.runs.push_back(relay.events_per_second);
    sizes.push_back(relay.events_per_transaction);
  }
  result.measured = Median(result.runs);
  result.reference = Median(result.reference_runs);
  result.details["events_per_transaction"] = Median(sizes);
  return result;
}

}  // namespace

absl::StatusOr<std::vector<BarResult>> MeasureRelay(const BenchOptions& options) {
  if (options.events < kEventsMin) {
    return absl::InvalidArgumentError(absl::StrCat("--events must be at least ", kEventsMin));
  }
  ASSIGN_OR_RETURN(Bench bench, MakeBench(options));
  // Warms the broker, and gives the records that the reference sends.
  const std::string prefix = bench.NextPrefix();
  RETURN_IF_ERROR(bench.broker->MakeTopics(prefix));
  RETURN_IF_ERROR(Drain(bench, prefix, 5'000, /*with_streams=*/true).status());
  std::vector<BarResult> results;
  for (const bool with_streams : {true, false}) {
    ASSIGN_OR_RETURN(const auto sample, SampleOf(bench, prefix, with_streams));
    for (const size_t per_transaction : {1'000, 5'000}) {
      ASSIGN_OR_RETURN(results.emplace_back(),
                       MeasureOne(options, bench, sample, per_transaction, with_streams));
    }
  }
  return results;
}

}  // namespace records::bench
