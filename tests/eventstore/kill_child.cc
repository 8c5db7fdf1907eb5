// Appends under load from several threads and writes what was acknowledged to a pipe, until it is
// killed. Arguments: data folder, number of the pipe's file, first request of each thread.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/eventstore/kill_requests.h"

namespace {

using namespace records::eventstore;                   // NOLINT(build/namespaces)
using namespace records::eventstore::testing_support;  // NOLINT(build/namespaces)

// Thread t makes the requests that are t mod the number of threads, one after the other.
void AppendForEver(EventLog& log, int pipe, uint32_t first) {
  for (uint32_t request = first;; request += kKillThreads) {
    const auto appended = log.AppendAndWait(KillRequest(request));
    if (!appended.ok()) {
      std::fprintf(stderr, "append: %s\n", appended.status().ToString().c_str());
      std::_Exit(4);
    }
    const Acknowledgement told{request, appended->first.partition, appended->first.sequence,
                               appended->count, appended->repeated};
    // Shorter than PIPE_BUF: written as a whole or not at all.
    if (write(pipe, &told, sizeof(told)) != sizeof(told)) std::_Exit(5);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 + static_cast<int>(kKillThreads)) return 2;
  const auto log = OpenLog(KillOptions(argv[1]));
  if (!log.ok()) {
    std::fprintf(stderr, "open: %s\n", log.status().ToString().c_str());
    return 3;
  }
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kKillThreads; ++t) {
    const auto first = static_cast<uint32_t>(std::strtoul(argv[3 + t], nullptr, 10));
    threads.emplace_back(AppendForEver, std::ref(**log), std::atoi(argv[2]), first);
  }
  for (std::thread& thread : threads) thread.join();
}
