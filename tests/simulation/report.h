#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace records::simulation {

// What a run says: its trace, the faults that fired, and the first promise that was broken.
//
// Not thread-safe.
class Report {
 public:
  // `print`: each line of the trace goes to the standard output too.
  explicit Report(bool print) : print_(print) {}

  template <typename... Parts>
  void Trace(const Parts&... parts) {
    AddLine(absl::StrCat(parts...));
  }

  // A fault, or another rare thing that must happen in some run, has happened.
  void Fired(const std::string& what) { ++fired_[what]; }

  // A checker found a promise broken. The first counts: the rest may follow from it.
  void Broken(absl::string_view checker, absl::string_view what) {
    if (broken_.has_value()) return;
    broken_ = absl::StrCat(checker, ": ", what);
    Trace("BROKEN ", *broken_);
  }

  const std::optional<std::string>& broken() const { return broken_; }
  const std::map<std::string, uint64_t>& fired() const { return fired_; }
  // Of all lines (FNV-1a, 64 bits).
  uint64_t hash() const { return hash_; }
  uint64_t lines() const { return lines_; }

 private:
  void AddLine(const std::string& line);

  const bool print_;
  uint64_t hash_ = 0xcbf29ce484222325;
  uint64_t lines_ = 0;
  std::map<std::string, uint64_t> fired_;
  std::optional<std::string> broken_;
};

}  // namespace records::simulation
