#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/faults/fault_file_system.h"
#include "tests/faults/records_under_fault.h"
#include "tests/faults/scenarios.h"

namespace records::faults {

// One fault at one operation of a scenario.
struct FaultCase {
  Fault fault = Fault::kCrash;
  uint64_t at = 0;  // the operation, or the read
  uint64_t seed = 0;
};

// What came of a case.
struct CaseResult {
  bool fired = false;
  bool call_failed = false;  // a start, an append or another call, which does not without the fault
  bool dropped = false;      // the power cut took something
  bool went_on = false;      // a short write was followed by the rest
  bool refused = false;      // a start under the fault was refused
  bool power_cut = false;    // what was not synced was dropped afterwards
  bool view_folded_anew = false;
  std::string start_refused;  // the start after it, without fault; "" when it went
  std::string wrong;          // with what was started; "" when all is well

  // Whether the fault changed anything for anybody: EIO for who closes a file does not.
  bool mattered() const { return call_failed || dropped || went_on; }
};

// Faults that the loop lets happen at every operation; lying syncs are a control of their own.
inline constexpr std::array kLoopFaults = {Fault::kCrash, Fault::kTornWrite, Fault::kShortWrite,
                                           Fault::kError, Fault::kNoSpace,   Fault::kReadError};

// Runs a scenario again and again from the same beginning, with another fault each time.
class NthOperation {
 public:
  // `folder` is on the disk to be used, and empty.
  NthOperation(const Scenario& scenario, std::string folder);

  // The operations of the scenario when nothing fails.
  const std::vector<Operation>& operations() const { return operations_; }
  // What is wrong without any fault: must be "".
  const std::string& wrong_without_fault() const { return wrong_without_fault_; }

  // Every operation that each fault can befall, and a sample of the reads.
  std::vector<FaultCase> AllCases(uint64_t seed) const;

  // The scenario under a fault, the end of the process or a power cut, and the start after it.
  // Where all syncs lie (no liar given) the power cut takes everything that they did not write.
  CaseResult Run(const FaultCase& fault_case,
                 std::function<bool(const std::string&)> liar = nullptr);

 private:
  std::unique_ptr<RecordsUnderFault> Begin(uint64_t seed);

  const Scenario scenario_;
  const std::string folder_;
  FaultFileSystem files_;
  FileImage before_;
  Acknowledgements acknowledged_before_;
  int failed_without_fault_ = 0;
  std::vector<Operation> operations_;
  uint64_t reads_ = 0;
  std::string wrong_without_fault_;
};

}  // namespace records::faults
