#pragma once

#include <memory>
#include <vector>

#include "tests/simulation/actor.h"
#include "tests/simulation/contacts.h"
#include "tests/simulation/history_checker.h"
#include "tests/simulation/options.h"
#include "tests/simulation/process.h"
#include "tests/simulation/report.h"

namespace records::simulation {

// One run: a machine, a process on it that ends and starts again, and those who use it. First with
// faults, and what was promised must hold; then without, and everything must come to rest.
//
// Not thread-safe.
class Simulation {
 public:
  // Both must outlive it.
  Simulation(const Options& options, Report& report);
  ~Simulation();

  // Runs it all, until done or until report.broken().
  void Run();

 private:
  void Step();
  void StepProcess();
  void MoveClock();
  void Disturb();
  void KillProcess(bool power_cut);
  void StopProcess();
  // Starts a process; it may take several attempts on a failing disk.
  void StartProcess();
  void EndProcess();
  void Check();
  void Converge();

  const Options& options_;
  Report& report_;
  Dice dice_;
  Machine machine_;
  Contacts* contacts_ = nullptr;  // one of the actors
  std::vector<std::unique_ptr<Actor>> actors_;
  HistoryChecker history_;
  std::unique_ptr<Process> process_;
};

// Runs one seed. `print` writes the trace to the standard output.
std::unique_ptr<Report> RunSeed(uint64_t seed, bool print);

}  // namespace records::simulation
