#pragma once

// Made by CMake: RECORDS_PLANTED_BUGS is 1 in the preset "planted" and 0 in every other. A file of
// its own, so that what does not include it comes from the compiler's cache in all presets. It is
// found by each target that depends on log_proto.
#include "records_planted_bugs.h"

// PLANTED_BUG("name") is false in everything that ships, and leaves no trace in it. In the preset
// "planted" it is true in a process whose environment says RECORDS_PLANTED_BUG=name. The names, and
// the test that catches each, are in tests/faults/planted_bugs.tsv:
//
//   if (PLANTED_BUG("acknowledge-before-sync")) ...
#if RECORDS_PLANTED_BUGS

#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"

namespace records::eventstore {

inline bool PlantedBugIs(absl::string_view name) {
  static const std::string planted = [] {
    const char* value = std::getenv("RECORDS_PLANTED_BUG");
    return std::string(value == nullptr ? "" : value);
  }();
  return planted == name;
}

}  // namespace records::eventstore

#define PLANTED_BUG(name) ::records::eventstore::PlantedBugIs(name)

#else

#define PLANTED_BUG(name) false

#endif
