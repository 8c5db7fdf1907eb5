// A member of a view that is shared out, in a process that can be killed. It prints "ready" once so
// many partitions as it is told are its own and answer. Told "settle" and the head of each
// partition on one line of its standard input it waits until these have come there, prints each
// with a digest of its rows, and how many events it has folded since it began, and ends. Arguments:
// address, prefix, folder, name, instance, log, partitions.

#include <cstdio>
#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "tests/projections/shared_member.h"
#include "tests/projections/shared_rows.h"

namespace {

using namespace records::projections;  // NOLINT(build/namespaces)
using records::eventstore::KafkaSettings;
using records::eventstore::Position;
using records::eventstore::StoreId;

constexpr absl::Duration kPatience = absl::Minutes(3);
constexpr uint32_t kPartitionsMax = 64;

// The partitions that it has, once these are so many and answer; fewer: they are not in time.
std::set<uint32_t> WaitForShare(SharedMember& member, size_t share) {
  const absl::Time deadline = absl::Now() + kPatience;
  std::set<uint32_t> held;
  while (held.size() < share && absl::Now() < deadline) {
    for (uint32_t i = 0; i < kPartitionsMax; ++i) {
      if (member.membership().Holds(i)) held.insert(i);
    }
    std::this_thread::yield();
  }
  std::erase_if(held, [&](uint32_t i) { return !member.view().WaitUntilReady(i, deadline).ok(); });
  return held;
}

int Settle(SharedMember& member, const std::set<uint32_t>& held, std::istream& heads) {
  const absl::Time deadline = absl::Now() + kPatience;
  uint64_t sequence = 0;
  for (uint32_t partition = 0; heads >> sequence; ++partition) {
    if (!held.contains(partition)) continue;
    const auto digest = DigestAt(member.view(), {partition, sequence}, deadline);
    if (!digest.ok()) {
      std::fprintf(stderr, "%s\n", digest.status().ToString().c_str());
      return 3;
    }
    std::printf("%u %s\n", partition, digest->c_str());
  }
  uint64_t folded = 0;
  for (const PartitionStatus& status : member.view().GetStatus()) {
    folded += status.view.runner.events_folded;
  }
  std::printf("folded %lu\n", static_cast<unsigned long>(folded));
  std::fflush(stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) return 2;
  const NoteProjection notes;
  SharedMember member(notes, {.settings = *KafkaSettings::FromAddress(argv[1]),
                              .prefix = argv[2],
                              .folder = argv[3],
                              .name = argv[4],
                              .instance = argv[5],
                              .log = *StoreId::FromHex(argv[6])});
  const std::set<uint32_t> held = WaitForShare(member, std::strtoul(argv[7], nullptr, 10));
  std::printf("ready\n");
  std::fflush(stdout);
  std::string line;
  std::getline(std::cin, line);
  std::istringstream words(line);
  std::string word;
  words >> word;
  return word == "settle" ? Settle(member, held, words) : 2;
}
