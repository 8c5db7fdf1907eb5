#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace records::tools {

// A run of the real recordsctl.
//
// Its output goes to files in a folder of its own, removed at the end. Not thread-safe.
class Program {
 public:
  // Starts it with `arguments`, `input` on standard input, and a home of its own.
  explicit Program(const std::vector<std::string>& arguments, const std::string& input = "");
  ~Program();

  // Waits until it ends and returns its exit code; -1 when it does not end in a minute.
  int Wait();

  // Waits until its output holds `text`; false when it ends, or a minute passes, before.
  bool WaitForOutput(const std::string& text);
  bool WaitForError(const std::string& text);

  void Signal(int signal);

  std::string out() const;
  std::string err() const;

 private:
  bool WaitFor(const std::string& text, bool in_error);

  std::string folder_;
  pid_t pid_ = -1;
  int code_ = -1;
  bool ended_ = false;
};

// A folder for a test, removed with everything in it at the end.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();

  // Writes a file in it and returns its path.
  std::string Write(const std::string& name, const std::string& content, mode_t mode = 0600) const;
  std::string Read(const std::string& name) const;
  std::string path(const std::string& name = "") const;

 private:
  std::string path_;
};

}  // namespace records::tools
