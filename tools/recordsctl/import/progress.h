#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "absl/time/time.h"

namespace records::tools {

// How far an import has come.
struct ProgressState {
  uint64_t rows = 0;       // acknowledged or rejected
  double fraction = -1;    // of the file that was read; below 0: not known
  absl::Duration elapsed;  // since the start
};

// One line for a person: bar, share, rows, rows a second, time left.
std::string ProgressLine(const ProgressState& state, size_t width, bool with_colour);

// A progress bar that draws over itself, at most five times a second.
//
// Not thread-safe. Draws only when `stream` is a terminal that a person watches.
class ProgressBar {
 public:
  explicit ProgressBar(std::ostream& stream);

  // Draws when it is time to.
  void Update(uint64_t rows, uint64_t bytes_taken, uint64_t bytes_total);

  // Wipes the bar, so that what is written next stands alone.
  void Clear();

 private:
  std::ostream& stream_;
  const bool is_watched_;
  const bool with_colour_;
  const absl::Time start_;
  absl::Time next_;
  bool is_drawn_ = false;
};

}  // namespace records::tools
