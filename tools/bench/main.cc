// records_bench: measures the bars of the design. tools/bench/run builds it and calls it.

#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tools/bench/bars.h"
#include "tools/bench/report.h"
#include "tools/bench/servers.h"

namespace {

using records::bench::AllBars;
using records::bench::Bar;
using records::bench::BarResult;
using records::bench::BenchOptions;

struct Flags {
  BenchOptions options;
  double seconds = 5;
  double warm_up_seconds = 2;
  std::string bin;
  std::string json;
  std::vector<std::string> only;
  bool list = false;
  bool echo_server = false;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_flag("--list", flags.list, "Print the bars and end");
  app.add_option("--only", flags.only, "Only these bars, with commas")->delimiter(',');
  app.add_option("--seconds", flags.seconds, "Of each run")->capture_default_str();
  app.add_option("--warm-up", flags.warm_up_seconds, "Seconds before each")->capture_default_str();
  app.add_option("--runs", flags.options.runs, "Of each bar")->capture_default_str();
  app.add_option("--customers", flags.options.customers, "In the store")->capture_default_str();
  app.add_option("--events", flags.options.events, "In stores that are built in process")
      ->capture_default_str();
  app.add_option("--lengths", flags.options.lengths, "Of the log for scale, rising, with commas")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--in-flight", flags.options.in_flight, "Calls at once")->capture_default_str();
  app.add_option("--seed", flags.options.seed, "Of the requests")->capture_default_str();
  app.add_option("--json", flags.json, "File for the results as JSON");
  app.add_option("--bin", flags.bin, "Folder of recordsd; default: this one's");
  app.add_option("--work", flags.options.programs.work, "Folder for stores, removed after")
      ->capture_default_str();
  app.add_option("--profile", flags.options.profile_folder,
                 "Folder for profiles by perf; figures of such a run are not to be compared");
  app.add_option("--postgresql", flags.options.peers.postgresql, "Connection string");
  app.add_option("--message-db", flags.options.peers.message_db, "Connection string");
  app.add_option("--nats", flags.options.peers.nats, "Address");
  app.add_option("--nats-load", flags.options.peers.nats_load, "Program that publishes");
  app.add_option("--broker", flags.options.programs.broker,
                 "The program tools/broker, for the bars of the bus; none: they are left out");
  app.add_subcommand("echo-server", "The reference, as a process of its own")->callback([&flags] {
    flags.echo_server = true;
  });
}

bool IsChosen(const Flags& flags, const Bar& bar) {
  if (!flags.only.empty() &&
      std::find(flags.only.begin(), flags.only.end(), bar.name) == flags.only.end()) {
    return false;
  }
  if (bar.needs_peers && !flags.options.peers.Given()) return false;
  if (!bar.needs_broker || !flags.options.programs.broker.empty()) return true;
  std::fprintf(stderr, "%s: left out, no broker is given (tools/setup --kafka)\n",
               bar.name.c_str());
  return false;
}

bool CheckNames(const Flags& flags) {
  for (const std::string& name : flags.only) {
    const bool known = std::any_of(AllBars().begin(), AllBars().end(),
                                   [&](const Bar& bar) { return bar.name == name; });
    if (known) continue;
    std::fprintf(stderr, "records_bench: no bar is called %s; see --list\n", name.c_str());
    return false;
  }
  return true;
}

int RunBars(const Flags& flags) {
  std::vector<BarResult> results;
  for (const Bar& bar : AllBars()) {
    if (!IsChosen(flags, bar)) continue;
    std::fprintf(stderr, "%s: %s\n", bar.name.c_str(), bar.what.c_str());
    auto measured = bar.measure(flags.options);
    if (!measured.ok()) {
      std::fprintf(stderr, "records_bench: %s: %s\n", bar.name.c_str(),
                   std::string(measured.status().message()).c_str());
      return records::bench::interrupted ? 130 : 1;
    }
    std::fputs(records::bench::AsTable(*measured).c_str(), stderr);
    for (auto& result : *measured) results.push_back(std::move(result));
  }
  std::fputs(records::bench::AsTable(results).c_str(), stdout);
  if (!flags.json.empty()) {
    std::ofstream out(flags.json);
    out << records::bench::AsJson(results);
    if (!out.flush()) {
      std::fprintf(stderr, "records_bench: cannot write %s\n", flags.json.c_str());
      return 1;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  flags.options.programs.work = std::filesystem::temp_directory_path();
  CLI::App app("Measures the bars of the design against references in the same run.",
               "records_bench");
  AddFlags(app, flags);
  // As recordsd, for client, echo and what runs in process alike.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CLI11_PARSE(app, argc, argv);
  if (flags.echo_server) return records::bench::RunEchoServer();
  if (flags.list) {
    for (const Bar& bar : AllBars()) std::printf("%-20s %s\n", bar.name.c_str(), bar.what.c_str());
    return 0;
  }
  if (!CheckNames(flags)) return 2;
  for (const int number : {SIGINT, SIGTERM}) {
    signal(number, [](int) { records::bench::interrupted = true; });
  }
  const std::filesystem::path bin = flags.bin.empty() ? self.parent_path().string() : flags.bin;
  flags.options.programs.recordsd = bin / "recordsd";
  flags.options.programs.self = self;
  flags.options.seconds = absl::Seconds(flags.seconds);
  flags.options.warm_up = absl::Seconds(flags.warm_up_seconds);
  return RunBars(flags);
}
