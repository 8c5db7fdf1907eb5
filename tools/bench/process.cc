#include "tools/bench/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace records::bench {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(5);
constexpr size_t kTailBytes = 2000;

std::string ReadWhole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A line of proc(5) status that is in kB.
uint64_t StatusBytes(pid_t pid, absl::string_view name) {
  const std::string status = ReadWhole(absl::StrCat("/proc/", pid, "/status"));
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (!absl::ConsumePrefix(&line, name)) continue;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipWhitespace());
    uint64_t kibibytes = 0;
    if (!words.empty() && absl::SimpleAtoi(words[0], &kibibytes)) return kibibytes * 1024;
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TemporaryFolder>> TemporaryFolder::Make(const std::string& below) {
  std::string name = (std::filesystem::path(below) / "records-bench-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot make a folder below ", below));
  }
  return std::unique_ptr<TemporaryFolder>(new TemporaryFolder(name));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const std::vector<std::string>& command,
                                                        const std::filesystem::path& output) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int file = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return absl::UnavailableError(absl::StrCat("cannot write ", output.string()));
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(file);
  if (pid < 0) return absl::UnavailableError(absl::StrCat("cannot start ", command[0]));
  return std::unique_ptr<Process>(new Process(pid, output));
}

Process::~Process() {
  if (HasEnded()) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, &wait_status_, 0);
}

bool Process::HasEnded() {
  if (!ended_ && waitpid(pid_, &wait_status_, WNOHANG) == pid_) ended_ = true;
  return ended_;
}

std::string Process::OutputTail() const {
  const std::string text = ReadWhole(output_);
  return text.size() <= kTailBytes ? text : text.substr(text.size() - kTailBytes);
}

absl::StatusOr<std::string> Process::WaitForOutput(const std::string& text,
                                                   absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  while (true) {
    const bool ended = HasEnded();
    for (absl::string_view line : absl::StrSplit(ReadWhole(output_), '\n')) {
      if (absl::StrContains(line, text)) return std::string(line);
    }
    if (ended) return absl::UnavailableError(absl::StrCat("a program ended: ", OutputTail()));
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat("waited in vain for '", text, "'"));
    }
    absl::SleepFor(kPoll);
  }
}

absl::Status Process::Stop(absl::Duration patience) {
  if (!HasEnded()) kill(pid_, SIGTERM);
  return Wait(patience);
}

absl::Status Process::Wait(absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  while (!HasEnded()) {
    if (absl::Now() >= deadline) return absl::DeadlineExceededError("a program does not end");
    absl::SleepFor(kPoll);
  }
  if (WIFEXITED(wait_status_) && WEXITSTATUS(wait_status_) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("a program failed: ", OutputTail()));
}

absl::Duration CpuTimeOf(pid_t pid) {
  // proc(5): after the name in brackets, utime and stime are fields 14 and 15, in clock ticks.
  const std::string stat = ReadWhole(absl::StrCat("/proc/", pid, "/stat"));
  const size_t bracket = stat.rfind(')');
  if (bracket == std::string::npos) return absl::ZeroDuration();
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(bracket + 2), ' ');
  int64_t user = 0, system = 0;
  if (fields.size() < 13 || !absl::SimpleAtoi(fields[11], &user) ||
      !absl::SimpleAtoi(fields[12], &system)) {
    return absl::ZeroDuration();
  }
  return absl::Seconds(1) * static_cast<double>(user + system) /
         static_cast<double>(sysconf(_SC_CLK_TCK));
}

uint64_t Process::ResidentBytes() const { return StatusBytes(pid_, "VmRSS:"); }

uint64_t Process::HeapBytes() const { return StatusBytes(pid_, "RssAnon:"); }

}  // namespace records::bench
