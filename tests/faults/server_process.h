#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace records::faults {

// A program of ours as a child process, or none. Killed at destruction.
//
// Not thread-safe.
class ServerProcess {
 public:
  ServerProcess() = default;
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Starts `words`; what it prints is added to the file `log`. REQUIRES: none is running.
  void Start(const std::vector<std::string>& words, const std::string& log);

  // Whether it runs still.
  bool IsRunning();

  // Sends a signal and waits for the end. Returns the wait status.
  int End(int signal);

 private:
  pid_t child_ = -1;
};

// Runs a program to its end; returns its wait status, and what it printed to standard output.
struct Ran {
  int status = 0;
  std::string out;
};
Ran RunToItsEnd(const std::vector<std::string>& words);

// A TCP port of the loopback that is free now.
int FreePort();

// Whether somebody takes connections at that port of the loopback, now.
bool Listens(int port);

}  // namespace records::faults
