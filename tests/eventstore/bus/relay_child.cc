// Appends without a pause, relays what it appends and reads it back, until it is killed or told
// "settle" on its standard input: then it appends no more, waits until all is published and was
// held against the log, prints how many records that were and ends. Arguments: data folder, address
// of the broker, prefix, events a second, seed.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "eventstore/bus/reconciler.h"
#include "eventstore/bus/relay.h"
#include "tests/eventstore/bus/relay_rounds.h"

namespace {

using namespace records::eventstore;                   // NOLINT(build/namespaces)
using namespace records::eventstore::testing_support;  // NOLINT(build/namespaces)

constexpr absl::Duration kPatience = absl::Seconds(180);

[[noreturn]] void Fail(const char* what, const absl::Status& status, int code = 3) {
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  std::_Exit(code);
}

void AppendOne(WorkEvents& events, std::mt19937_64& random) {
  const auto person = events.PersonNumber(static_cast<uint32_t>(1 + random() % 40));
  switch (random() % 3) {
    case 0:
      events.AppendContact(person);
      break;
    case 1:
      events.AppendRepair(person);
      break;
    default:
      events.AppendReport(person);
  }
}

void AppendUntil(WorkEvents& events, const Relay& relay, Reconciler& reconciler,
                 const std::atomic<bool>& settling, int per_second, uint64_t seed) {
  std::mt19937_64 random(seed);
  bool reconciles = false;
  while (!settling || !reconciles) {
    // What is fetched before is the relay's, which dies at that in another test.
    if (!reconciles && relay.GetStatus().state == RelayStatus::State::kRunning) {
      reconciler.Start();
      reconciles = true;
    }
    AppendOne(events, random);
    const ReconcilerStatus found = reconciler.GetStatus();
    if (found.differences > 0) Fail("reconciler", found.difference);
    absl::SleepFor(absl::Seconds(1) / per_second);  // lint: allow(sleep) the rate of the load
  }
}

// What was published when a round of the reconciler began it must find in the next.
uint64_t CompareAll(const Reconciler& reconciler) {
  const uint64_t before = reconciler.GetStatus().rounds;
  const absl::Time deadline = absl::Now() + kPatience;
  while (true) {
    const ReconcilerStatus status = reconciler.GetStatus();
    if (status.differences > 0) Fail("reconciler", status.difference);
    if (status.rounds > before + 2) return status.compared;
    if (absl::Now() > deadline) Fail("the reconciler does not come to an end", status.error);
    absl::SleepFor(absl::Milliseconds(10));  // lint: allow(sleep) spares the broker
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  auto stores = OpenRoundStores(argv[1]);
  if (!stores.ok()) Fail("open", stores.status());
  RelayOptions options = RoundOptions(argv[2], argv[3], stores->events->work());
  options.on_fenced = [](const absl::Status& status) { Fail("fenced", status, kRoundFencedExit); };
  ReconcilerOptions reading{.settings = options.settings,
                            .prefix = options.prefix,
                            .work = options.work,
                            .between_rounds = absl::Milliseconds(200),
                            .broker_timeout = kRoundBrokerTimeout};
  Relay relay(*stores->log, std::move(options));
  relay.Start();
  Reconciler reconciler(*stores->log, relay, std::move(reading));
  std::atomic<bool> settling = false;
  std::thread appends(AppendUntil, std::ref(*stores->events), std::cref(relay),
                      std::ref(reconciler), std::cref(settling), std::atoi(argv[4]),
                      std::strtoull(argv[5], nullptr, 10));
  std::string line;
  std::getline(std::cin, line);
  settling = true;
  appends.join();
  const absl::Status status = relay.WaitForAll(absl::Now() + kPatience);
  if (!status.ok()) Fail("relay", status);
  std::printf("%lu\n", static_cast<unsigned long>(CompareAll(reconciler)));
  std::fflush(stdout);
}
