#include "tests/faults/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace records::faults {
namespace {

// In the child of a fork.
[[noreturn]] void Execute(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execv(arguments[0], arguments.data());
  _exit(127);
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

}  // namespace

ServerProcess::~ServerProcess() {
  if (child_ > 0) End(SIGKILL);
}

void ServerProcess::Start(const std::vector<std::string>& words, const std::string& log) {
  child_ = fork();
  if (child_ < 0) std::abort();
  if (child_ > 0) return;
  const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (file < 0 || dup2(file, STDOUT_FILENO) < 0 || dup2(file, STDERR_FILENO) < 0) _exit(126);
  Execute(words);
}

bool ServerProcess::IsRunning() {
  if (child_ > 0 && waitpid(child_, nullptr, WNOHANG) == child_) child_ = -1;
  return child_ > 0;
}

int ServerProcess::End(int signal) {
  int status = 0;
  kill(child_, signal);
  waitpid(child_, &status, 0);
  child_ = -1;
  return status;
}

Ran RunToItsEnd(const std::vector<std::string>& words) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    if (dup2(ends[1], STDOUT_FILENO) < 0) _exit(126);
    Execute(words);
  }
  close(ends[1]);
  Ran ran;
  char buffer[4096];
  for (ssize_t size = 0; (size = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    ran.out.append(buffer, static_cast<size_t>(size));
  }
  close(ends[0]);
  waitpid(child, &ran.status, 0);
  return ran;
}

int FreePort() {
  const int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (bind(one, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(one, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  close(one);
  return ntohs(address.sin_port);
}

bool Listens(int port) {
  const int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  const int result = connect(one, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  close(one);
  return result == 0;
}

}  // namespace records::faults
