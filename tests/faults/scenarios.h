#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/faults/records_under_fault.h"

namespace records::faults {

// Something that a server does, short enough to be cut at each of its operations.
struct Scenario {
  std::string name;
  bool with_view = false;
  bool with_erasures = false;
  bool with_backups = false;
  // Makes what stands before; nothing fails. The stores are open and are closed afterwards.
  std::function<void(RecordsUnderFault&)> prepare;
  // What is cut. The stores are closed at its start.
  std::function<void(RecordsUnderFault&)> run;

  // For the names of tests.
  friend void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }
};

const std::vector<Scenario>& Scenarios();

}  // namespace records::faults
