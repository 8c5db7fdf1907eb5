#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/event_log.h"
#include "eventstore/key_store_open.h"
#include "projections/timeline/timeline_keys.h"
#include "projections/timeline/timeline_projection.h"
#include "services/customer/customer_decisions.h"
#include "services/policy/register.h"
#include "services/runtime/command.h"
#include "services/runtime/runtime.h"

namespace records::bench {

// The log and keys of a recordsd's data folder, opened in this process: what lies below gRPC and
// authentication, put together as the server does. A recordsd can be started on the folder after.
//
// Thread-safe but for Open() and the destructor.
class ProductStore {
 public:
  static absl::StatusOr<std::unique_ptr<ProductStore>> Open(const std::filesystem::path& data);
  ~ProductStore();

  // Registers customers `from` to `from` + `count` - 1 and remembers them, in this order.
  absl::Status RegisterCustomers(uint64_t from, uint64_t count);

  // Remembers `count` customers who were registered before, from 0 on.
  absl::Status FindCustomers(uint64_t count);
  uint64_t customers() const { return customers_.size(); }

  // Appends contacts, spread over the customers at random: planned, sealed, looked up and committed
  // as RecordContact does. Returns the time it took.
  absl::StatusOr<absl::Duration> AppendContacts(uint64_t count, uint64_t seed);

  // Events in the log.
  uint64_t CountEvents() const;

  eventstore::EventLog& log() { return *log_; }
  const eventstore::WorkStreams& work() const { return *work_; }
  const projections::Projection& timeline() const { return *timeline_projection_; }

 private:
  ProductStore() = default;
  services::Command MakeCommand(std::mt19937_64& random, services::Planner planner) const;
  services::Command MakeContact(std::mt19937_64& random) const;
  // Runs `make` for the numbers 0 to `count` - 1 on several threads, each waiting for its own.
  absl::Status RunCommands(
      uint64_t count, uint64_t seed, int in_flight_each,
      const std::function<services::Command(uint64_t, std::mt19937_64&)>& make);

  records::policy::v1::Register policy_;
  std::unique_ptr<eventstore::CategoryTable> categories_;
  std::unique_ptr<services::LawfulBases> lawful_bases_;
  std::unique_ptr<services::Executor> executor_;
  std::unique_ptr<eventstore::KeyStore> keys_;
  std::unique_ptr<eventstore::EventLog> log_;
  std::unique_ptr<eventstore::Sealer> sealer_;
  std::unique_ptr<eventstore::WorkStreams> work_;
  std::unique_ptr<projections::TimelineKeys> timeline_keys_;
  std::unique_ptr<projections::TimelineProjection> timeline_projection_;
  std::unique_ptr<services::Runtime> runtime_;
  std::unique_ptr<services::CommandRunner> commands_;
  eventstore::DirectoryEntry staff_;
  std::vector<eventstore::DirectoryEntry> customers_;
};

}  // namespace records::bench
