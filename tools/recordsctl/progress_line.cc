#include "tools/recordsctl/progress_line.h"

#include <unistd.h>

namespace records::tools {

ProgressLine::ProgressLine(std::ostream& err) : err_(err), is_drawn_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (is_drawn_) err_ << "\r\x1b[K" << std::flush;
}

void ProgressLine::Draw(absl::string_view text, bool at_once) {
  const auto now = std::chrono::steady_clock::now();
  if (!is_drawn_ || (!at_once && now - drawn_at_ < std::chrono::milliseconds(200))) return;
  drawn_at_ = now;
  err_ << "\r\x1b[K" << text << std::flush;
}

}  // namespace records::tools
