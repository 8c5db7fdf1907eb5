#include "tools/recordsctl/import/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace records::tools {
namespace {

constexpr absl::Duration kRedraw = absl::Milliseconds(200);
constexpr size_t kBarColumns = 24;

bool WantsColour() {
  const char* no_color = std::getenv("NO_COLOR");  // no-color.org: any value but an empty one
  const char* terminal = std::getenv("TERM");
  return (no_color == nullptr || *no_color == '\0') && terminal != nullptr &&
         std::strcmp(terminal, "dumb") != 0;
}

size_t TerminalWidth() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

std::string TimeLeft(const ProgressState& state) {
  if (state.fraction <= 0) return "";
  const absl::Duration left = state.elapsed * ((1 - state.fraction) / state.fraction);
  const int64_t seconds = absl::ToInt64Seconds(left);
  return seconds >= 60 ? absl::StrFormat(", %d min %d s left", seconds / 60, seconds % 60)
                       : absl::StrFormat(", %d s left", seconds);
}

}  // namespace

std::string ProgressLine(const ProgressState& state, size_t width, bool with_colour) {
  const double seconds = absl::ToDoubleSeconds(state.elapsed);
  const uint64_t rate = seconds > 0 ? static_cast<uint64_t>(state.rows / seconds) : 0;
  std::string text = absl::StrFormat("%d rows, %d rows/s%s", state.rows, rate, TimeLeft(state));
  if (state.fraction < 0) return text.substr(0, width);
  const double fraction = std::clamp(state.fraction, 0.0, 1.0);
  text = absl::StrFormat("%3d%%  %s", static_cast<int>(fraction * 100), text);
  if (text.size() + kBarColumns + 4 > width) return text.substr(0, width);
  const auto filled = static_cast<size_t>(fraction * kBarColumns);
  const std::string bar(filled, '#');
  const std::string rest(kBarColumns - filled, '.');
  return absl::StrCat("[", with_colour ? "\x1b[32m" : "", bar, with_colour ? "\x1b[0m" : "", rest,
                      "] ", text);
}

ProgressBar::ProgressBar(std::ostream& stream)
    : stream_(stream),
      is_watched_(isatty(STDERR_FILENO) == 1),
      with_colour_(WantsColour()),
      start_(absl::Now()),
      next_(start_ + kRedraw) {}

void ProgressBar::Update(uint64_t rows, uint64_t bytes_taken, uint64_t bytes_total) {
  const absl::Time now = absl::Now();
  if (!is_watched_ || now < next_) return;
  next_ = now + kRedraw;
  ProgressState state{.rows = rows, .elapsed = now - start_};
  if (bytes_total > 0) state.fraction = static_cast<double>(bytes_taken) / bytes_total;
  stream_ << "\r\x1b[K" << ProgressLine(state, TerminalWidth() - 1, with_colour_) << std::flush;
  is_drawn_ = true;
}

void ProgressBar::Clear() {
  if (is_drawn_) stream_ << "\r\x1b[K" << std::flush;
  is_drawn_ = false;
}

}  // namespace records::tools
