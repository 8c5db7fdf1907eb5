#include "tests/faults/nth_operation.h"

#include <algorithm>
#include <utility>

namespace records::faults {
namespace {

// Reads of a scenario that fail, each in a case of its own.
constexpr uint64_t kSampledReads = 100;

// Changes nothing on the disk: a crash there is the crash at the next one.
bool ChangesNothing(Operation operation) {
  return operation == Operation::kOpen || operation == Operation::kClose ||
         operation == Operation::kRangeSync;
}

}  // namespace

NthOperation::NthOperation(const Scenario& scenario, std::string folder)
    : scenario_(scenario), folder_(std::move(folder)), files_(folder_) {
  auto records = Begin(1);
  if (scenario_.prepare != nullptr) {
    const absl::Status opened = records->Open();
    if (!opened.ok()) wrong_without_fault_ = opened.ToString();
    if (opened.ok()) scenario_.prepare(*records);
    records->Close();
  }
  before_ = files_.Save();
  acknowledged_before_ = records->acknowledged();
  records = Begin(2);
  files_.Disarm();
  scenario_.run(*records);
  records->Close();
  failed_without_fault_ = records->failed_calls();
  operations_ = files_.operations();
  reads_ = files_.reads();
  const absl::Status opened = records->Open();
  if (wrong_without_fault_.empty()) {
    wrong_without_fault_ = opened.ok() ? FindWrong(*records) : opened.ToString();
  }
}

std::unique_ptr<RecordsUnderFault> NthOperation::Begin(uint64_t seed) {
  auto records = std::make_unique<RecordsUnderFault>(
      RecordsUnderFault::Options{.folder = folder_,
                                 .seed = seed,
                                 .with_view = scenario_.with_view,
                                 .with_erasures = scenario_.with_erasures,
                                 .with_backups = scenario_.with_backups});
  records->set_acknowledged(acknowledged_before_);
  return records;
}

std::vector<FaultCase> NthOperation::AllCases(uint64_t seed) const {
  std::vector<FaultCase> cases;
  for (const Fault fault : kLoopFaults) {
    for (uint64_t at = 1; at <= operations_.size(); ++at) {
      const Operation operation = operations_[at - 1];
      if (fault == Fault::kCrash && ChangesNothing(operation)) continue;
      if (CanBefall(fault, operation)) cases.push_back({fault, at, seed + at});
    }
  }
  const uint64_t step = std::max<uint64_t>(1, reads_ / kSampledReads);
  for (uint64_t at = 1 + seed % step; at <= reads_; at += step) {
    cases.push_back({Fault::kReadError, at, seed + at});
  }
  return cases;
}

CaseResult NthOperation::Run(const FaultCase& fault_case,
                             std::function<bool(const std::string&)> liar) {
  CaseResult result;
  std::mt19937_64 random(fault_case.seed);
  files_.Load(before_);
  auto records = Begin(random());
  const bool all_lie = fault_case.fault == Fault::kLyingSync && liar == nullptr;
  files_.Arm({fault_case.fault, fault_case.at, random(), std::move(liar)});
  scenario_.run(*records);
  result.refused = records->refused_starts() > 0;
  records->Close();
  result.fired = files_.fired();
  result.went_on = files_.went_on();
  result.call_failed = records->failed_calls() > failed_without_fault_;
  // The process ends after an error; the power may fail as well.
  result.power_cut = files_.crashed() || fault_case.fault == Fault::kLyingSync || random() % 2 == 0;
  files_.Disarm();
  if (result.power_cut) {
    result.dropped = files_.CutPower(all_lie ? std::nullopt : std::optional(random()));
  }

  Acknowledgements told = std::move(records->acknowledged());
  records = Begin(random());
  records->set_acknowledged(std::move(told));
  absl::Status opened = records->Open();
  if (!opened.ok()) {
    result.start_refused = opened.ToString();
    return result;
  }
  result.wrong = FindWrong(*records);
  if (result.wrong.empty() && random() % 4 == 0) {
    records->Close();
    opened = records->Open();
    if (!opened.ok()) result.start_refused = opened.ToString();
    if (opened.ok()) result.wrong = FindWrong(*records);
  }
  result.view_folded_anew = records->views_put_aside() > 0;
  return result;
}

}  // namespace records::faults
