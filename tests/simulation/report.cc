#include "tests/simulation/report.h"

#include <cstdio>

namespace records::simulation {

void Report::AddLine(const std::string& line) {
  for (const char c : line) hash_ = (hash_ ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  hash_ = (hash_ ^ '\n') * 0x100000001b3;
  ++lines_;
  if (print_) std::printf("%6llu %s\n", static_cast<unsigned long long>(lines_), line.c_str());
}

}  // namespace records::simulation
