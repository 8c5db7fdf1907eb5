#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "tools/bench/bars.h"
#include "tools/bench/process.h"

namespace records::bench {

// perf record on a process, while this stands, into PROFILE_FOLDER/NAME.perf. Nothing without
// --profile. Slows what it looks at, so figures of such a run are not to be compared.
class Profile {
 public:
  Profile(const BenchOptions& options, const std::string& name, pid_t pid);
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

 private:
  std::unique_ptr<Process> perf_;
};

}  // namespace records::bench
