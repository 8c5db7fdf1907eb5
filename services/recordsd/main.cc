// recordsd: the records server. README.md of this folder says what it opens and in which order.

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/synchronization/mutex.h"
#include "services/recordsd/logging.h"
#include "services/recordsd/options.h"
#include "services/recordsd/start.h"

namespace {

using records::services::Log;
using records::services::LogLevel;

sigset_t HandledSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

void LogResult(absl::string_view event, const absl::Status& result) {
  Log(result.ok() ? LogLevel::kInfo : LogLevel::kError, event,
      {{"result", result.ok() ? "ok" : std::string(result.message())}});
}

// How often the server looks after itself.
constexpr timespec kLookEvery{.tv_sec = 1, .tv_nsec = 0};
constexpr int kLooksPerMinute = 60;

// Waits for signals until one of them says stop; keeps health and checkpoints current meanwhile.
void ServeUntilStopped(records::services::RunningServer& server, const sigset_t& signals) {
  int signal = 0;
  int looks = 0;
  while (true) {
    signal = sigtimedwait(&signals, nullptr, &kLookEvery);
    if (signal == SIGHUP) {
      LogResult("keys_reloaded", server.ReloadKeys());
    } else if (signal > 0) {
      break;
    } else if (errno == EAGAIN) {
      server.UpdateHealth();
      if (++looks % kLooksPerMinute != 0) continue;
      const absl::Status done = server.EachMinute();
      if (!done.ok()) LogResult("checkpoint_signed", done);
    }
  }
  Log(LogLevel::kInfo, "draining", {{"signal", strsignal(signal)}});
}

}  // namespace

int main(int argc, char** argv) {
  // Debian's Abseil is built with its checks: at each lock it looks for cycles of locks, which took
  // a hundredth of the time of a call. Tests keep the checks.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const auto parsed = records::services::ParseOptions(argc, argv);
  if (parsed.exit_code >= 0) return parsed.exit_code;
  records::services::StartLogging(parsed.options.log_level);
  // RocksDB makes files that others may read; the data folder may be older than this rule.
  umask(S_IRWXG | S_IRWXO);
  // Blocked before any thread is made, so that only sigwait gets them.
  const sigset_t signals = HandledSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  auto server = records::services::StartServer(parsed.options);
  if (!server.ok()) {
    Log(LogLevel::kError, "not_started", {{"why", std::string(server.status().message())}});
    std::fprintf(stderr, "recordsd: %s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  Log(LogLevel::kInfo, "serving",
      {{"listen", parsed.options.listen},
       {"port", std::to_string((*server)->port())},
       {"services_port", std::to_string((*server)->services_port())},
       {"metrics", parsed.options.metrics},
       {"data", parsed.options.data_folder}});
  ServeUntilStopped(**server, signals);
  server->reset();
  Log(LogLevel::kInfo, "stopped");
  return 0;
}
