#include "tools/recordsctl/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace records::tools {
namespace {

// Where the handler writes: all that a signal handler may safely do.
std::atomic<int> signal_pipe = -1;

constexpr char kSignal = 's';
constexpr char kEnd = 'e';

void OnSignal(int) {
  const int saved = errno;
  const int fd = signal_pipe.load();
  if (fd >= 0 && write(fd, &kSignal, 1) < 0) _exit(130);
  errno = saved;
}

void SetHandler(void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt(std::function<void()> on_interrupt) : on_interrupt_(std::move(on_interrupt)) {
  if (pipe2(pipe_, O_CLOEXEC) != 0) return;  // then ^C ends the process at once, as it would anyway
  signal_pipe = pipe_[1];
  watcher_ = std::thread([this] { Watch(); });
  // SA_RESETHAND: the second signal does what signals do by default.
  SetHandler(&OnSignal, SA_RESTART | static_cast<int>(SA_RESETHAND));
}

Interrupt::~Interrupt() {
  SetHandler(SIG_DFL, 0);
  signal_pipe = -1;
  if (!watcher_.joinable()) return;
  while (write(pipe_[1], &kEnd, 1) < 0 && errno == EINTR) {
  }
  watcher_.join();
  close(pipe_[0]);
  close(pipe_[1]);
}

void Interrupt::Watch() {
  char byte = 0;
  while (true) {
    const ssize_t bytes = read(pipe_[0], &byte, 1);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes != 1 || byte == kEnd) return;
    if (!interrupted_.exchange(true)) on_interrupt_();
  }
}

}  // namespace records::tools
