// Appends without a pause and relays what it appends, until it is killed or told "settle" on its
// standard input: then it appends no more, waits until all is published, prints the sizes of the
// partitions and ends. Arguments: data folder, address of the broker, prefix, events a second.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "eventstore/bus/relay.h"
#include "eventstore/event_log.h"
#include "tests/eventstore/bus/relay_rounds.h"
#include "tests/eventstore/log_fixture.h"

namespace {

using namespace records::eventstore;                   // NOLINT(build/namespaces)
using namespace records::eventstore::testing_support;  // NOLINT(build/namespaces)

int Fail(const char* what, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  return 3;
}

void AppendUntil(EventLog& log, const std::atomic<bool>& settling, int per_second) {
  // Ids differ from run to run: the process is killed and starts again on one log.
  for (uint64_t number = 0; !settling; ++number) {
    const auto root = RootIn(static_cast<uint32_t>(number) % kRoundPartitions);
    const auto done = log.AppendAndWait(AppendTo(Stream(root)));
    if (!done.ok()) std::_Exit(Fail("append", done.status()));
    absl::SleepFor(absl::Seconds(1) / per_second);  // lint: allow(sleep) the rate of the load
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  LogOptions options;
  options.data_dir = argv[1];
  options.partition_count = kRoundPartitions;
  const auto log = OpenLog(options);
  if (!log.ok()) return Fail("open", log.status());
  RelayOptions relay_options = RoundOptions(argv[2], argv[3]);
  relay_options.on_fenced = [](const absl::Status& status) { std::_Exit(Fail("fenced", status)); };
  Relay relay(**log, std::move(relay_options));
  relay.Start();
  std::atomic<bool> settling = false;
  std::thread appends(AppendUntil, std::ref(**log), std::cref(settling), std::atoi(argv[4]));
  std::string line;
  std::getline(std::cin, line);
  settling = true;
  appends.join();
  const absl::Status status = relay.WaitForAll(absl::Now() + absl::Seconds(120));
  if (!status.ok()) return Fail("relay", status);
  for (uint32_t partition = 0; partition < kRoundPartitions; ++partition) {
    const Position head = (*log)->Head(Ledger::kEvents, partition);
    std::printf("%lu\n", static_cast<unsigned long>(head.sequence));
  }
  std::fflush(stdout);
}
