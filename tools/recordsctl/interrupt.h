#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace records::tools {

// Catches ^C (SIGINT) and SIGTERM for as long as it lives, for commands that end in order.
//
// `on_interrupt` runs once, on a thread of its own, at the first signal; a second signal ends the
// process as if nothing had caught it. At most one object at a time. interrupted() is thread-safe.
class Interrupt {
 public:
  explicit Interrupt(std::function<void()> on_interrupt);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool interrupted() const { return interrupted_.load(); }

 private:
  void Watch();

  const std::function<void()> on_interrupt_;
  std::atomic<bool> interrupted_ = false;
  int pipe_[2] = {-1, -1};
  std::thread watcher_;
};

}  // namespace records::tools
