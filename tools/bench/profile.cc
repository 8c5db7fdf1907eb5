#include "tools/bench/profile.h"

#include <signal.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace records::bench {
namespace {

constexpr char kPerf[] = "/usr/bin/perf";
// Not a divisor of anything that a server does at a fixed rate.
constexpr char kSamplesPerSecond[] = "499";
constexpr absl::Duration kPatience = absl::Minutes(1);

}  // namespace

Profile::Profile(const BenchOptions& options, const std::string& name, pid_t pid) {
  if (options.profile_folder.empty()) return;
  const std::filesystem::path folder = options.profile_folder;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  auto perf = Process::Start({kPerf, "record", "-q", "-F", kSamplesPerSecond, "-g", "-p",
                              absl::StrCat(pid), "-o", folder / absl::StrCat(name, ".perf")},
                             folder / "perf.log");
  if (perf.ok()) perf_ = *std::move(perf);
}

Profile::~Profile() {
  if (perf_ == nullptr) return;
  // perf writes its file at SIGINT, and then ends by that signal: no error.
  kill(perf_->pid(), SIGINT);
  (void)perf_->Wait(kPatience);
}

}  // namespace records::bench
