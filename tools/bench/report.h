#pragma once

#include <string>
#include <vector>

#include "tools/bench/bars.h"

namespace records::bench {

// The table for people.
std::string AsTable(const std::vector<BarResult>& results);

// A list of {bar, measured, reference, ratio, target, met} and what explains them.
std::string AsJson(const std::vector<BarResult>& results);

}  // namespace records::bench
