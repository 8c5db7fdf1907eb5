#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace records::bench {

// A folder below TMPDIR that is removed with everything in it when this ends.
class TemporaryFolder {
 public:
  static absl::StatusOr<std::unique_ptr<TemporaryFolder>> Make(const std::string& below);
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}
  const std::filesystem::path path_;
};

// Processor time that a process has used so far, user and system; zero: there is none.
absl::Duration CpuTimeOf(pid_t pid);

// A program that runs beside this one, in a process group of its own: ^C reaches this process only,
// which then ends the program. It dies with the thread that started it, however that ends.
//
// Not thread-safe. The destructor kills.
class Process {
 public:
  // Starts command[0] with its output and errors appended to `output`.
  static absl::StatusOr<std::unique_ptr<Process>> Start(const std::vector<std::string>& command,
                                                        const std::filesystem::path& output);
  ~Process();

  // Waits until the output holds `text` and returns the line with it. kDeadlineExceeded;
  // kUnavailable: the program ended.
  absl::StatusOr<std::string> WaitForOutput(const std::string& text, absl::Duration patience);

  // Sends SIGTERM and waits. An error when it does not end with code 0 in time.
  absl::Status Stop(absl::Duration patience);

  // Waits for the end. An error when the code is not 0.
  absl::Status Wait(absl::Duration patience);

  // Processor time used so far, user and system.
  absl::Duration CpuTime() const { return CpuTimeOf(pid_); }
  // Resident memory now.
  uint64_t ResidentBytes() const;
  // Of it, what is no file's: heap and stacks.
  uint64_t HeapBytes() const;

  pid_t pid() const { return pid_; }

 private:
  Process(pid_t pid, std::filesystem::path output) : pid_(pid), output_(std::move(output)) {}
  bool HasEnded();
  std::string OutputTail() const;

  pid_t pid_;
  std::filesystem::path output_;
  bool ended_ = false;
  int wait_status_ = 0;
};

}  // namespace records::bench
