#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/eventstore/log_fixture.h"

// What the killed child appends and its parent expects: everything follows from the request's
// number.
namespace records::eventstore::testing_support {

inline constexpr uint32_t kKillThreads = 4;
inline constexpr uint32_t kKillPartitions = 4;

// One acknowledgement, as it goes through the pipe.
struct Acknowledgement {
  uint32_t request = 0;
  uint32_t partition = 0;
  uint64_t sequence = 0;
  uint32_t count = 0;
  uint32_t repeated = 0;
};

inline std::string KillFacts(uint32_t request, uint32_t index) {
  return absl::StrCat("request ", request, " event ", index, std::string(request % 700, '.'));
}

inline uint32_t KillCount(uint32_t request) { return 1 + request % 4; }

// An append of one to four events to two streams of a root.
inline Append KillRequest(uint32_t request) {
  const RootId root = RootIn(request % kKillPartitions, 1 + request % 5);
  std::vector<NewEvent> events;
  for (uint32_t i = 0; i < KillCount(request); ++i) {
    events.push_back(
        MakeEvent(Stream(root, i % 2 == 0 ? "" : "notes"), {.facts = KillFacts(request, i)}));
  }
  return WithRequest(AppendOf(std::move(events)), request);
}

inline LogOptions KillOptions(const std::string& folder) {
  LogOptions options;
  options.data_dir = folder;
  options.partition_count = kKillPartitions;
  options.disk_reserve_bytes = 0;
  options.disk_floor_bytes = 0;
  return options;
}

}  // namespace records::eventstore::testing_support
