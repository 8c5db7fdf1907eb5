// RecordContact against other stores that acknowledge what is on the disk.

#include <fstream>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "nlohmann/json.hpp"
#include "tools/bench/bars.h"
#include "tools/bench/methods.h"

namespace records::bench {
namespace {

// A peer, and the program that puts load on it and prints {"rate": ..., "p99_us": ...}.
struct Peer {
  std::string bar;
  std::string name;
  double target = 0;
  std::vector<std::string> command;
};

// Bytes of an event's body at a peer: what a recorded contact takes in our log.
constexpr int kBodyBytes = 1000;

std::vector<Peer> PeersOf(const BenchOptions& options) {
  const std::vector<std::string> numbers = {
      absl::StrCat(options.in_flight), absl::StrCat(absl::ToDoubleSeconds(options.seconds)),
      absl::StrCat(absl::ToDoubleSeconds(options.warm_up)), absl::StrCat(kBodyBytes)};
  const std::string postgres_load = options.programs.self.parent_path() / "postgres_load";
  std::vector<Peer> peers = {
      {"record-contact-postgresql",
       "PostgreSQL, plain event table, 64 clients",
       2,
       {postgres_load, options.peers.postgresql, "table"}},
      {"record-contact-message-db",
       "message-db, 64 clients",
       5,
       {postgres_load, options.peers.message_db, "message-db"}},
      {"record-contact-nats",
       "NATS JetStream, sync always, 64 publishers",
       5,
       {options.peers.nats_load, options.peers.nats}},
  };
  for (Peer& peer : peers) {
    peer.command.insert(peer.command.end(), numbers.begin(), numbers.end());
  }
  return peers;
}

absl::StatusOr<double> RunPeer(const BenchOptions& options, const Peer& peer,
                               const std::filesystem::path& folder) {
  const auto output = folder / "peer.json";
  std::error_code error;
  std::filesystem::remove(output, error);
  ASSIGN_OR_RETURN(auto process, Process::Start(peer.command, output));
  const absl::Duration patience = options.seconds + options.warm_up + absl::Minutes(1);
  RETURN_IF_ERROR(process->Wait(patience));
  std::ifstream in(output);
  const auto parsed = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("rate") || parsed["rate"] <= 0) {
    return absl::UnavailableError(absl::StrCat("no rate came from ", peer.name));
  }
  return parsed["rate"].get<double>();
}

}  // namespace

absl::StatusOr<std::vector<BarResult>> MeasurePeers(const BenchOptions& options) {
  ASSIGN_OR_RETURN(auto folder, TemporaryFolder::Make(options.programs.work));
  ASSIGN_OR_RETURN(auto server, RecordsServer::Start(options.programs, folder->path() / "records"));
  RETURN_IF_ERROR(server->RegisterCustomers(options.customers));
  const std::vector<Peer> peers = PeersOf(options);
  std::vector<BarResult> results;
  for (const Peer& peer : peers) {
    results.push_back(
        {.bar = peer.bar, .unit = "events/s", .reference_name = peer.name, .target = peer.target});
  }
  for (int run = 0; run < options.runs; ++run) {
    ASSIGN_OR_RETURN(const LoadResult ours,
                     RunRecordContact(options, *server, server->identity(), options.in_flight,
                                      options.seed + static_cast<uint64_t>(run)));
    for (size_t i = 0; i < peers.size(); ++i) {
      ASSIGN_OR_RETURN(const double rate, RunPeer(options, peers[i], folder->path()));
      if (interrupted) return absl::CancelledError("interrupted");
      results[i].runs.push_back(ours.Rate());
      results[i].reference_runs.push_back(rate);
    }
  }
  for (BarResult& result : results) {
    result.measured = Median(result.runs);
    result.reference = Median(result.reference_runs);
  }
  return results;
}

}  // namespace records::bench
