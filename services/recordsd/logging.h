#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace records::services {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError };

// A field of a line of the log. Values are constants, counts, addresses, codes and ids of
// incidents: never what a caller sent, never what was recorded (DP-I4).
using LogField = std::pair<absl::string_view, std::string>;

// Writes lines of JSON to standard error from now on: {"time":...,"level":...,"event":...,fields}.
void StartLogging(absl::string_view level);

// Writes one line. Thread-safe.
void Log(LogLevel level, absl::string_view event, std::vector<LogField> fields = {});

}  // namespace records::services
