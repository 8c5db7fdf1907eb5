#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "eventstore/clock.h"
#include "eventstore/event_log.h"
#include "eventstore/key_store_rows.h"
#include "eventstore/log_format.h"
#include "eventstore/random.h"
#include "eventstore/sealing.h"
#include "projections/grants/grants_projection.h"
#include "projections/grants/grants_view.h"
#include "projections/timeline/timeline_projection.h"
#include "projections/timeline/timeline_reader.h"
#include "projections/view_fold.h"
#include "services/policy/decide.h"
#include "services/policy/method_table.h"
#include "services/runtime/command.h"
#include "services/runtime/tracer.h"
#include "tests/simulation/fault_disk.h"
#include "tests/simulation/options.h"
#include "tests/simulation/report.h"

namespace records::simulation {

inline constexpr char kOrganisation[] = "landlord";
inline constexpr char kIssuer[] = "issuer";
inline constexpr char kRole[] = "contact-officer";

// The registers of deploy/policy, read once for all runs.
struct Policy {
  records::policy::v1::Register reg;
  eventstore::CategoryTable categories;
  services::DecisionTable decisions;
  services::MethodTable methods;
  services::LawfulBases lawful_bases;

  static const Policy& Get();
};

// What outlives a process: disks, clock, room. Members are of the simulation to change.
struct Machine {
  Machine(const Options& options, Report& report);

  FaultDisk disk;
  eventstore::MemoryStorage log_memory{eventstore::kLogTableCount};
  eventstore::MemoryStorage keys_memory{eventstore::kKeyStoreTables};
  eventstore::MemoryStorage grants_memory;
  eventstore::MemoryStorage timeline_memory;
  FaultStorage log_storage{disk, log_memory};
  FaultStorage keys_storage{disk, keys_memory};
  FaultStorage grants_storage{disk, grants_memory};
  FaultStorage timeline_storage{disk, timeline_memory};
  FaultFiles files{disk};
  SetSpace space;
  eventstore::ManualClock clock;
  eventstore::SeededRandom random;

  // The power comes back: of what was not synced, a part from the front stays.
  void LoseUnsynced(Dice& dice);
  // A process ended and the machine did not: all that was written stays. The next process syncs it.
  void KeepAll();
};

// One life of the server: key store, log, views and what answers, put together as recordsd does it,
// all on the thread of the caller.
class Process {
 public:
  // Fails as the parts do. Does not answer before the view of grants has come to where the log
  // stood at the start.
  static absl::StatusOr<std::unique_ptr<Process>> Start(Machine& machine, const Options& options,
                                                        Report& report);
  // The process is gone: no callback is run any more.
  ~Process();

  // Writes and answers all that waits.
  void Drain();

  // Wraps what a caller waits with: it is not called once the process has ended.
  template <typename Value>
  std::function<void(Value)> WhileAlive(std::function<void(Value)> callback) {
    return [alive = std::weak_ptr<bool>(alive_), callback = std::move(callback)](Value value) {
      if (const auto still = alive.lock(); still != nullptr && *still) callback(std::move(value));
    };
  }

  // The key under which the log keeps a command's request: as CommandRunner makes it.
  std::string StoredKeyOf(const eventstore::RequestKey& key) const;

  // One step of a thread that the product has; false: it had nothing to do.
  bool CommitOnce() { return log_.steps->CommitOnce(); }
  bool RunCallbacks() { return log_.steps->RunCallbacks() > 0; }
  bool RunExecutor() { return executor_.RunOne(); }
  bool FoldGrants() { return Fold(*grants_fold_); }
  bool FoldTimeline() { return Fold(*timeline_fold_); }

  // Something failed for good: the process must be started again.
  bool failed() const { return failed_; }

  eventstore::EventLog& log() { return *log_.log; }
  eventstore::KeyStore& keys() { return *keys_; }
  eventstore::Sealer& sealer() { return *sealer_; }
  services::CommandRunner& commands() { return *commands_; }
  const services::Tracer& tracer() const { return *tracer_; }
  const services::Runtime& runtime() const { return *runtime_; }
  const projections::GrantsView& grants() const { return *grants_; }
  const projections::TimelineReader& timeline() const { return *timeline_; }
  const projections::ViewFold& grants_fold() const { return *grants_fold_; }
  const projections::ViewFold& timeline_fold() const { return *timeline_fold_; }
  const projections::GrantsProjection& grants_projection() const { return grants_projection_; }
  const projections::TimelineProjection& timeline_projection() const {
    return *timeline_projection_;
  }

 private:
  Process(Machine& machine, Report& report) : machine_(machine), report_(report) {}

  absl::Status OpenStores(const Options& options);
  absl::Status OpenViews(const Options& options);
  void MakeServices();
  bool Fold(projections::ViewFold& fold);

  Machine& machine_;
  Report& report_;
  // Only flagged, never owned elsewhere. lint: allow(shared_ptr) callbacks outlive the process
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool failed_ = false;
  services::Executor executor_{0};
  std::unique_ptr<eventstore::KeyStore> keys_;
  std::unique_ptr<eventstore::Sealer> sealer_;
  std::unique_ptr<eventstore::WorkStreams> work_;
  eventstore::SteppedLog log_;
  projections::GrantsProjection grants_projection_;
  std::unique_ptr<projections::TimelineKeys> timeline_keys_;
  std::unique_ptr<projections::TimelineProjection> timeline_projection_;
  std::unique_ptr<projections::ViewFold> grants_fold_;
  std::unique_ptr<projections::ViewFold> timeline_fold_;
  std::unique_ptr<projections::GrantsView> grants_;
  std::unique_ptr<projections::TimelineReader> timeline_;
  std::unique_ptr<services::Runtime> runtime_;
  std::unique_ptr<services::CommandRunner> commands_;
  std::unique_ptr<services::Tracer> tracer_;
};

}  // namespace records::simulation
