#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/broker.h"
#include "tools/bench/methods.h"
#include "tools/bench/mock_broker.h"

namespace records::bench {

// What the relay of a server says of how far it is behind.
struct ExportedLag {
  double events = 0;
  double seconds = 0;
  double appended = 0;  // contacts that the server has answered
  double transactions = 0;
};

// What publishing costs, for the details of a bar.
struct PublishingCost {
  double transactions = 0;
  absl::Duration server;
  absl::Duration broker;
};

// A recordsd that publishes to a broker, with customers. Not thread-safe.
class PublishingServer {
 public:
  static absl::StatusOr<std::unique_ptr<PublishingServer>> Start(
      const BenchOptions& options, const std::filesystem::path& folder);
  // With the mock of a broker, which takes hardly any of the processor: it has no broker().
  static absl::StatusOr<std::unique_ptr<PublishingServer>> StartWithMock(
      const BenchOptions& options, const std::filesystem::path& folder);

  const RecordsServer& server() const { return *server_; }
  const Broker& broker() const { return *broker_; }
  std::string log_topic() const;

  absl::StatusOr<ExportedLag> ReadLag() const;
  // Since the start; of a mock nothing, as it is in this process.
  absl::StatusOr<PublishingCost> ReadCost() const;
  // Waits until it says that nothing is to be published.
  [[nodiscard]] absl::Status AwaitRelay(absl::Duration patience) const;

 private:
  absl::Status StartServer(const BenchOptions& options, const std::filesystem::path& folder,
                           const std::string& address);

  std::unique_ptr<Broker> broker_;
  std::unique_ptr<MockBroker> mock_;
  std::unique_ptr<RecordsServer> server_;  // after the brokers: ends before them
};

// Adds what one second between the two cost.
void AddCost(const PublishingCost& before, const PublishingCost& after, absl::Duration wall,
             std::map<std::string, double>& details);

// Times that differ, none in the future: contacts are told apart by when they happened.
// Thread-safe.
class Stamps {
 public:
  int64_t Next();

 private:
  std::atomic<int64_t> last_us_ = 0;
};

// `method` with stamped contacts. `stamps` outlives it.
RecordContactMethod Stamped(RecordContactMethod method, Stamps& stamps);

}  // namespace records::bench
