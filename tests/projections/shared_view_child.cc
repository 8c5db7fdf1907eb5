// A member of a view that is shared out, in a process that can be killed. Told "settle" and the
// head of each partition on one line of its standard input it waits until what it holds has come
// there, prints each partition that it holds with a digest of its rows, and how many events it has
// folded since it began, and ends. Arguments: address, prefix, folder, name, instance, log.

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "absl/time/clock.h"
#include "tests/projections/shared_member.h"
#include "tests/projections/shared_rows.h"

namespace {

using namespace records::projections;  // NOLINT(build/namespaces)
using records::eventstore::KafkaSettings;
using records::eventstore::Position;
using records::eventstore::StoreId;

int Settle(SharedMember& member, std::istream& heads) {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  uint64_t sequence = 0;
  for (uint32_t partition = 0; heads >> sequence; ++partition) {
    if (!member.membership().Holds(partition)) continue;
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
  if (argc != 7) return 2;
  const NoteProjection notes;
  SharedMember member(notes, {.settings = *KafkaSettings::FromAddress(argv[1]),
                              .prefix = argv[2],
                              .folder = argv[3],
                              .name = argv[4],
                              .instance = argv[5],
                              .log = *StoreId::FromHex(argv[6])});
  std::string line;
  std::getline(std::cin, line);
  std::istringstream words(line);
  std::string word;
  words >> word;
  return word == "settle" ? Settle(member, words) : 2;
}
