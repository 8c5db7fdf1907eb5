#include "tests/simulation/process.h"

#include "absl/strings/str_cat.h"
#include "eventstore/key_store_open.h"
#include "eventstore/status_macros.h"
#include "services/policy/register.h"

namespace records::simulation {
namespace {

size_t TablesOf(const projections::Projection& projection) {
  return projections::StorageTables(projection).size();
}

}  // namespace

const Policy& Policy::Get() {
  static const Policy& policy = *[] {
    auto reg = *services::EmbeddedRegister();
    return new Policy{.reg = reg,
                      .categories = *services::MakeCategoryTable(reg),
                      .decisions = *services::DecisionTable::Create(reg),
                      .methods = *services::MethodTable::Create(services::ApiFiles()),
                      .lawful_bases = services::LawfulBases(reg)};
  }();
  return policy;
}

Machine::Machine(const Options& options, Report& report)
    : disk(options.seed ^ 0xd15c, report),
      grants_memory(TablesOf(projections::GrantsProjection())),
      timeline_memory(6),
      clock(absl::FromCivil(absl::CivilSecond(2026, 6, 1, 8, 0, 0), absl::UTCTimeZone())),
      random(options.seed) {}

void Machine::LoseUnsynced(Dice& dice) {
  for (eventstore::MemoryStorage* memory :
       {&log_memory, &keys_memory, &grants_memory, &timeline_memory}) {
    memory->Crash(dice.Below(memory->unsynced_batches() + 1));
  }
  files.Crash(dice);
}

void Machine::KeepAll() {
  for (eventstore::MemoryStorage* memory :
       {&log_memory, &keys_memory, &grants_memory, &timeline_memory}) {
    (void)memory->Sync();
  }
}

absl::StatusOr<std::unique_ptr<Process>> Process::Start(Machine& machine, const Options& options,
                                                        Report& report) {
  std::unique_ptr<Process> process(new Process(machine, report));
  RETURN_IF_ERROR(process->OpenStores(options));
  RETURN_IF_ERROR(process->OpenViews(options));
  process->MakeServices();
  return process;
}

std::string Process::StoredKeyOf(const eventstore::RequestKey& key) const {
  const auto stored = keys_->KeyedHash("request-stored", std::string(key.begin(), key.end()));
  return std::string(stored.begin(), stored.end());
}

absl::Status Process::OpenStores(const Options& options) {
  eventstore::KeyStorePorts ports;
  ports.storage = &machine_.keys_storage;
  ports.anchors = &machine_.files;
  ports.anchor_path = "keys.anchor";
  ports.master_keys = &machine_.files;
  ports.clock = &machine_.clock;
  ports.random = &machine_.random;
  ports.cached_keys = options.cached_keys;
  ports.on_fatal = [this](const absl::Status&) {
    report_.Trace("key store: fatal");
    failed_ = true;
  };
  ASSIGN_OR_RETURN(keys_, eventstore::OpenKeyStoreOver(ports));
  sealer_ = std::make_unique<eventstore::Sealer>(*keys_, Policy::Get().categories, machine_.random);
  work_ = std::make_unique<eventstore::WorkStreams>(*eventstore::WorkStreams::Create(
      *keys_, *sealer_, Policy::Get().categories, services::EventTypes()));
  eventstore::LogOptions how;
  how.partition_count = options.partitions;
  how.clock = &machine_.clock;
  how.random = &machine_.random;
  how.guard = keys_.get();
  how.disk_space = &machine_.space;
  how.on_fatal = [this](const absl::Status& status) {
    report_.Trace("log: fatal ", absl::StatusCodeToString(status.code()));
    failed_ = true;
  };
  ASSIGN_OR_RETURN(log_, eventstore::OpenSteppedLogOn(
                             {&machine_.log_storage, &machine_.files, &machine_.files}, how));
  return absl::OkStatus();
}

absl::Status Process::OpenViews(const Options& options) {
  const projections::FoldOptions how{.batch_events = options.fold_batch_events};
  timeline_keys_ = std::make_unique<projections::TimelineKeys>(*sealer_, *keys_);
  timeline_projection_ = std::make_unique<projections::TimelineProjection>(*timeline_keys_);
  ASSIGN_OR_RETURN(grants_fold_, projections::ViewFold::Create(log(), grants_projection_,
                                                               machine_.grants_storage, how));
  ASSIGN_OR_RETURN(timeline_fold_, projections::ViewFold::Create(log(), *timeline_projection_,
                                                                 machine_.timeline_storage, how));
  bool more = true;
  while (more) {
    ASSIGN_OR_RETURN(const auto progress, grants_fold_->FoldBatch());
    RETURN_IF_ERROR(progress.stalled);
    more = progress.events > 0;
  }
  return absl::OkStatus();
}

void Process::MakeServices() {
  const Policy& policy = Policy::Get();
  runtime_ = std::make_unique<services::Runtime>(
      services::Runtime{{log(), *keys_, machine_.clock, executor_, kOrganisation},
                        *sealer_,
                        *work_,
                        machine_.random,
                        executor_,
                        policy.categories,
                        policy.lawful_bases});
  commands_ = std::make_unique<services::CommandRunner>(*runtime_);
  tracer_ = std::make_unique<services::Tracer>(*runtime_);
  grants_ = std::make_unique<projections::GrantsView>(machine_.grants_storage);
  timeline_ = std::make_unique<projections::TimelineReader>(machine_.timeline_storage, *sealer_,
                                                            *timeline_keys_);
}

Process::~Process() {
  *alive_ = false;
  grants_fold_.reset();
  timeline_fold_.reset();
  // Its last callbacks use the rest.
  log_.log.reset();
}

bool Process::Fold(projections::ViewFold& fold) {
  const auto progress = fold.FoldBatch();
  if (absl::IsResourceExhausted(progress.status())) return true;
  if (!progress.ok()) {
    report_.Trace("view: failed ", absl::StatusCodeToString(progress.status().code()));
    failed_ = true;
    return false;
  }
  // The runner goes on polling a partition that stands; here a new process clears it.
  if (!progress->stalled.ok()) failed_ = true;
  if (!progress->parked.empty()) {
    report_.Broken("view",
                   absl::StrCat("a root was parked: ", progress->parked.front().second.message()));
  }
  return progress->events > 0;
}

void Process::Drain() {
  bool busy = true;
  while (busy && !failed_) {
    busy = CommitOnce();
    busy |= RunCallbacks();
    busy |= RunExecutor();
    busy |= FoldGrants();
    busy |= FoldTimeline();
  }
}

}  // namespace records::simulation
