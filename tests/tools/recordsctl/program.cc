#include "tests/tools/recordsctl/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace records::tools {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);

std::string MakeFolder() {
  std::string path = testing::TempDir() + "recordsctl_XXXXXX";
  if (mkdtemp(path.data()) == nullptr) std::abort();
  return path;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

void Redirect(const std::string& path, int flags, int to) {
  const int fd = open(path.c_str(), flags, 0600);
  if (fd < 0 || dup2(fd, to) < 0) _exit(126);
  close(fd);
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, const std::string& input)
    : folder_(MakeFolder()) {
  std::ofstream(folder_ + "/in", std::ios::binary) << input;
  std::ofstream(folder_ + "/out");
  std::ofstream(folder_ + "/err");
  std::vector<char*> argv = {const_cast<char*>(RECORDSCTL_PATH)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const std::string home = "HOME=" + folder_;
  char* environment[] = {const_cast<char*>(home.c_str()), const_cast<char*>("TZ=UTC"), nullptr};
  pid_ = fork();
  if (pid_ == 0) {
    Redirect(folder_ + "/in", O_RDONLY, STDIN_FILENO);
    Redirect(folder_ + "/out", O_WRONLY | O_APPEND, STDOUT_FILENO);
    Redirect(folder_ + "/err", O_WRONLY | O_APPEND, STDERR_FILENO);
    execve(argv[0], argv.data(), environment);
    _exit(127);
  }
}

Program::~Program() {
  if (!ended_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

int Program::Wait() {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!ended_ && absl::Now() < deadline) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      ended_ = true;
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else {
      absl::SleepFor(absl::Milliseconds(5));  // lint: allow(sleep) polls for the end of a process
    }
  }
  return code_;
}

bool Program::WaitFor(const std::string& text, bool in_error) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    const std::string content = in_error ? err() : out();
    if (content.find(text) != std::string::npos) return true;
    absl::SleepFor(absl::Milliseconds(5));  // lint: allow(sleep) polls a file of another process
  }
  return false;
}

bool Program::WaitForOutput(const std::string& text) { return WaitFor(text, false); }
bool Program::WaitForError(const std::string& text) { return WaitFor(text, true); }

void Program::Signal(int signal) { kill(pid_, signal); }

std::string Program::out() const { return ReadAll(folder_ + "/out"); }
std::string Program::err() const { return ReadAll(folder_ + "/err"); }

TestFolder::TestFolder() : path_(MakeFolder()) {}

TestFolder::~TestFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TestFolder::path(const std::string& name) const {
  return name.empty() ? path_ : path_ + "/" + name;
}

std::string TestFolder::Write(const std::string& name, const std::string& content,
                              mode_t mode) const {
  std::ofstream(path(name), std::ios::binary) << content;
  chmod(path(name).c_str(), mode);
  return path(name);
}

std::string TestFolder::Read(const std::string& name) const { return ReadAll(path(name)); }

}  // namespace records::tools
