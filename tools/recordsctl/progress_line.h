#pragma once

#include <chrono>
#include <ostream>

#include "absl/strings/string_view.h"

namespace records::tools {

// One line on a terminal, drawn over and over; nothing elsewhere. Gone with the object.
class ProgressLine {
 public:
  explicit ProgressLine(std::ostream& err);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Draws `text`, at most five times a second unless `at_once`.
  void Draw(absl::string_view text, bool at_once);

 private:
  std::ostream& err_;
  const bool is_drawn_;
  std::chrono::steady_clock::time_point drawn_at_;
};

}  // namespace records::tools
