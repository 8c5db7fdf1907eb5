// A view that catches up from the log's topic, as a process of its own does, against a plain
// consumer of the same records.

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventstore/bus/log_topic.h"
#include "eventstore/bus/relay.h"
#include "eventstore/bus/topic_log.h"
#include "eventstore/status_macros.h"
#include "projections/partitioned_view.h"
#include "tools/bench/broker.h"
#include "tools/bench/bus_bars.h"
#include "tools/bench/bus_reference.h"
#include "tools/bench/product_store.h"
#include "tools/bench/profile.h"

namespace records::bench {
namespace {

using eventstore::FollowMessage;
using eventstore::Ledger;
using eventstore::TopicLog;
using projections::PartitionedView;

constexpr char kPrefix[] = "bench";
constexpr double kTarget = 0.4;
constexpr size_t kViewCacheBytes = size_t{8} << 20;  // as the server gives each partition
constexpr absl::Duration kPatience = absl::Minutes(5);
constexpr absl::Duration kPoll = absl::Milliseconds(1);

double PerSecond(uint64_t events, absl::Time since) {
  return static_cast<double>(events) / absl::ToDoubleSeconds(absl::Now() - since);
}

// Processor time of this process so far, all threads.
absl::Duration ProcessTime() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

// Runs one reading of the whole topic; notes its rate, and its cost in this process.
template <typename Read>
absl::Status Note(uint64_t events, std::vector<double>& rates, std::vector<double>& costs,
                  Read read) {
  const absl::Duration before = ProcessTime();
  ASSIGN_OR_RETURN(rates.emplace_back(), read());
  costs.push_back(absl::ToDoubleMicroseconds(ProcessTime() - before) / static_cast<double>(events));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<TopicLog>> OpenTopic(const Broker& broker) {
  return TopicLog::Open({.settings = broker.settings(), .prefix = kPrefix});
}

// Reads all events by followers of all partitions, and does nothing with them.
absl::StatusOr<double> FollowAll(const Broker& broker, uint64_t events) {
  ASSIGN_OR_RETURN(const auto log, OpenTopic(broker));
  std::vector<std::unique_ptr<eventstore::Follower>> followers;
  for (uint32_t partition = 0; partition < log->partition_count(); ++partition) {
    ASSIGN_OR_RETURN(followers.emplace_back(), log->Follow({.after = {.partition = partition}}));
  }
  absl::Time first;
  uint64_t read = 0;
  while (read < events) {
    if (interrupted) return absl::CancelledError("interrupted");
    const uint64_t seen = log->WaitForBatch(Ledger::kEvents, ~uint64_t{0}, absl::ZeroDuration());
    const uint64_t before = read;
    for (const auto& follower : followers) {
      while (true) {
        ASSIGN_OR_RETURN(const FollowMessage message, follower->Next(absl::ZeroDuration()));
        if (message.kind != FollowMessage::Kind::kEvent) break;
        if (read++ == 0) first = absl::Now();
      }
    }
    if (read == before) log->WaitForBatch(Ledger::kEvents, seen, absl::Milliseconds(50));
  }
  return PerSecond(read, first);
}

uint64_t CountFolded(const PartitionedView& view) {
  uint64_t folded = 0;
  for (const auto& status : view.GetStatus()) folded += status.applied.sequence;
  return folded;
}

// Folds the topic into a new timeline of all partitions, until each has come to its end.
absl::StatusOr<double> CatchUp(const Broker& broker, ProductStore& store,
                               const std::filesystem::path& folder, uint64_t events) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  ASSIGN_OR_RETURN(const auto log, OpenTopic(broker));
  PartitionedView view(*log, store.timeline(),
                       {.folder = folder.string(),
                        .open_storage = projections::RocksViewStorage(
                            kViewCacheBytes, projections::ViewLayout::kByRoot)});
  const absl::Time until = absl::Now() + kPatience;
  for (uint32_t partition = 0; partition < log->partition_count(); ++partition) {
    RETURN_IF_ERROR(view.Acquire(partition));
  }
  absl::Time first = absl::InfiniteFuture();
  uint64_t folded = 0;
  while (folded < events) {
    if (interrupted) return absl::CancelledError("interrupted");
    if (absl::Now() > until) return absl::DeadlineExceededError("the view does not catch up");
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(kPoll));
    folded = CountFolded(view);
    if (folded > 0) first = std::min(first, absl::Now());
  }
  return PerSecond(folded, first);
}

absl::Status Publish(const Broker& broker, ProductStore& store) {
  RETURN_IF_ERROR(broker.MakeTopics(kPrefix));
  eventstore::Relay relay(store.log(), {.settings = broker.settings(), .prefix = kPrefix});
  relay.Start();
  return relay.WaitForAll(absl::Now() + kPatience);
}

}  // namespace

absl::StatusOr<std::vector<BarResult>> MeasureCatchUp(const BenchOptions& options) {
  ASSIGN_OR_RETURN(const auto folder, TemporaryFolder::Make(options.programs.work));
  ASSIGN_OR_RETURN(const auto broker, Broker::Start(options));
  ASSIGN_OR_RETURN(const auto store, ProductStore::Open(folder->path() / "data"));
  const uint64_t customers = std::max<uint64_t>(1, options.events / kEventsPerCustomer);
  RETURN_IF_ERROR(store->RegisterCustomers(0, customers));
  const uint64_t there = store->CountEvents();
  if (options.events > there) {
    RETURN_IF_ERROR(store->AppendContacts(options.events - there, options.events).status());
  }
  RETURN_IF_ERROR(Publish(*broker, *store));
  const uint64_t events = store->CountEvents();
  const std::string topic = eventstore::LogTopic(kPrefix);
  RETURN_IF_ERROR(
      ConsumeCommitted(broker->settings(), topic, events).status());  // warms the broker
  BarResult view{.bar = "bus-catch-up",
                 .unit = "events/s",
                 .reference_name = "plain read_committed consumer of the same topic",
                 .target = kTarget};
  BarResult alone = view;
  alone.bar = "bus-catch-up-topic";
  alone.not_judged = "what limits the one above: the topic without a fold";
  std::vector<double> raw_cost, view_cost, alone_cost;
  for (int run = 0; run < options.runs; ++run) {
    RETURN_IF_ERROR(Note(events, view.reference_runs, raw_cost,
                         [&] { return ConsumeCommitted(broker->settings(), topic, events); }));
    {
      const Profile profile(options, view.bar, getpid());
      RETURN_IF_ERROR(Note(events, view.runs, view_cost, [&] {
        return CatchUp(*broker, *store, folder->path() / "view", events);
      }));
    }
    const Profile profile(options, alone.bar, getpid());
    RETURN_IF_ERROR(
        Note(events, alone.runs, alone_cost, [&] { return FollowAll(*broker, events); }));
  }
  view.details["cpu_us_per_event"] = Median(view_cost);
  alone.details["cpu_us_per_event"] = Median(alone_cost);
  view.details["reference_cpu_us_per_event"] = Median(raw_cost);
  view.measured = Median(view.runs);
  alone.measured = Median(alone.runs);
  view.reference = alone.reference = Median(view.reference_runs);
  alone.reference_runs = view.reference_runs;
  view.details["events"] = static_cast<double>(events);
  return std::vector<BarResult>{std::move(view), std::move(alone)};
}

}  // namespace records::bench
