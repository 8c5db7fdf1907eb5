#include "tests/simulation/simulation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/readers.h"
#include "tests/simulation/sequence_checker.h"
#include "tests/simulation/staff.h"
#include "tests/simulation/view_checker.h"
#include "tests/simulation/writers.h"

namespace records::simulation {
namespace {

// After so many attempts the disk is made to work, so that a start that fails is a fault of ours.
constexpr int kStartsOnABadDisk = 4;
// More rounds than anything that was begun can need.
constexpr int kSettlingRounds = 40;

}  // namespace

Simulation::Simulation(const Options& options, Report& report)
    : options_(options), report_(report), dice_(options.seed ^ 0x51e9), machine_(options, report) {
  auto contacts = std::make_unique<Contacts>(options, machine_, report);
  contacts_ = contacts.get();
  actors_.push_back(std::make_unique<Writers>(options, machine_, report));
  actors_.push_back(std::make_unique<Staff>(options, machine_, *contacts, report));
  actors_.push_back(std::make_unique<Readers>(options, machine_, report));
  actors_.push_back(std::move(contacts));
}

Simulation::~Simulation() { EndProcess(); }

void Simulation::Run() {
  report_.Trace(options_.ToString());
  StartProcess();
  machine_.disk.SetRates(options_.faults);
  for (uint64_t step = 0; step < options_.steps && !report_.broken(); ++step) Step();
  if (!report_.broken()) Converge();
}

void Simulation::Step() {
  MoveClock();
  Disturb();
  if (report_.broken()) return;
  if (!machine_.disk.powered()) return KillProcess(true);
  if (process_->failed()) return KillProcess(dice_.OneIn(2));
  if (dice_.OneIn(2)) {
    actors_[dice_.Below(actors_.size())]->Act(*process_);
  } else {
    StepProcess();
  }
}

void Simulation::StepProcess() {
  switch (dice_.Below(8)) {
    case 0:
    case 1:
      report_.Trace("commit ", process_->CommitOnce());
      break;
    case 2:
    case 3:
      process_->RunCallbacks();
      break;
    case 4:
      process_->RunExecutor();
      break;
    case 5:
      process_->FoldGrants();
      break;
    case 6:
      process_->FoldTimeline();
      break;
    default:
      process_->Drain();
  }
}

void Simulation::MoveClock() {
  machine_.clock.Advance(absl::Milliseconds(dice_.Below(50)));
  if (!dice_.OneIn(options_.clock_jump_one_in)) return;
  // Back by less than the log bears, by more, or forward.
  const auto jump = absl::Milliseconds(static_cast<int64_t>(dice_.Below(20'000)) - 10'000);
  report_.Trace("clock: ", absl::ToInt64Milliseconds(jump), " ms");
  report_.Fired(jump < absl::ZeroDuration() ? "clock-back" : "clock-forward");
  machine_.clock.Advance(jump);
}

void Simulation::Disturb() {
  if (dice_.OneIn(options_.erase_one_in)) contacts_->Erase(*process_);
  if (dice_.OneIn(60)) {
    const bool full = machine_.space.bytes == UINT64_MAX;
    machine_.space.bytes = !full ? UINT64_MAX : dice_.OneIn(2) ? 0 : eventstore::kDiskFloorBytes;
    report_.Trace("disk: ", full ? "nearly full" : "has room");
  }
  if (dice_.OneIn(150)) {
    const auto rotated = process_->keys().RotateMasterKey();
    report_.Trace("rotate: ", absl::StatusCodeToString(rotated.status().code()));
    if (rotated.ok()) report_.Fired("master-key-rotated");
  }
  if (!dice_.OneIn(options_.crash_one_in)) return;
  switch (dice_.Below(4)) {
    case 0:
      return KillProcess(false);
    case 1:
      return StopProcess();
    default:
      machine_.disk.CutPowerAfter(dice_.Between(1, 12));
  }
}

void Simulation::EndProcess() {
  for (const auto& actor : actors_) actor->ProcessEnds();
  process_.reset();
}

void Simulation::KillProcess(bool power_cut) {
  report_.Fired(power_cut ? "power-cut" : "killed");
  report_.Trace(power_cut ? "the power is cut" : "the process is killed");
  // What it still would write at its end must not reach the disk.
  machine_.disk.CutPower();
  EndProcess();
  power_cut ? machine_.LoseUnsynced(dice_) : machine_.KeepAll();
  machine_.disk.RestorePower();
  StartProcess();
}

void Simulation::StopProcess() {
  report_.Fired("stopped");
  report_.Trace("the process stops");
  process_->Drain();
  EndProcess();
  machine_.KeepAll();
  StartProcess();
}

void Simulation::StartProcess() {
  // Now and then the power fails while it starts.
  if (dice_.OneIn(4)) machine_.disk.CutPowerAfter(dice_.Between(1, 8));
  for (int attempt = 1;; ++attempt) {
    if (attempt > kStartsOnABadDisk) machine_.disk.SetRates({});
    auto started = Process::Start(machine_, options_, report_);
    if (started.ok() && machine_.disk.powered()) {
      process_ = *std::move(started);
      break;
    }
    report_.Trace("start: ", absl::StatusCodeToString(started.status().code()));
    report_.Fired("start-failed");
    if (attempt > kStartsOnABadDisk + 1) {
      report_.Broken("start",
                     absl::StrCat("the server does not start: ", started.status().message()));
      return;
    }
    machine_.disk.CutPower();
    started = absl::UnavailableError("ended");
    machine_.LoseUnsynced(dice_);
    machine_.disk.RestorePower();
  }
  machine_.disk.RestorePower();
  machine_.disk.SetRates({});
  Check();
  machine_.disk.SetRates(options_.faults);
}

void Simulation::Check() {
  const auto snapshot = ReadSnapshot(process_->log());
  if (!snapshot.ok()) {
    report_.Broken("log", absl::StrCat("it cannot be read: ", snapshot.status().message()));
    return;
  }
  CheckSequences(*snapshot, report_);
  history_.Check(*snapshot, report_);
  const auto applied = [](const projections::ViewFold& fold) {
    return [&fold](uint32_t partition) { return fold.Applied(partition).sequence; };
  };
  CheckView(*snapshot, process_->grants_projection(), machine_.grants_memory,
            applied(process_->grants_fold()), report_);
  CheckView(*snapshot, process_->timeline_projection(), machine_.timeline_memory,
            applied(process_->timeline_fold()), report_);
  for (const auto& actor : actors_) actor->Check(*process_, *snapshot);
}

void Simulation::Converge() {
  report_.Trace("no more faults");
  machine_.space.bytes = UINT64_MAX;
  machine_.clock.Advance(absl::Minutes(10));
  // What failed before may be told only now.
  machine_.disk.SetRates({});
  if (machine_.disk.powered()) process_->Drain();
  if (!machine_.disk.powered() || process_->failed()) KillProcess(true);
  machine_.disk.RestorePower();
  machine_.disk.SetRates({});
  for (int round = 0; round < kSettlingRounds && !report_.broken(); ++round) {
    process_->Drain();
    if (process_->failed()) {
      report_.Broken("rest", "something fails for good though nothing is wrong any more");
      return;
    }
    bool settled = true;
    for (const auto& actor : actors_) settled &= actor->Settle(*process_);
    if (!settled) continue;
    Check();
    report_.Trace("at rest after ", round);
    return;
  }
  report_.Broken("rest", "it does not come to rest");
}

std::unique_ptr<Report> RunSeed(uint64_t seed, bool print) {
  auto report = std::make_unique<Report>(print);
  const Options options = Options::Draw(seed);
  Simulation(options, *report).Run();
  return report;
}

}  // namespace records::simulation
