#include "tests/simulation/sequence_checker.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace records::simulation {
namespace {

using eventstore::StoredEvent;

constexpr char kName[] = "sequences";

std::string Place(const StoredEvent& event) {
  return absl::StrCat(event.position.partition, "/", event.position.sequence);
}

bool EndsAppend(const StoredEvent& stored) {
  return stored.event.append().index() + 1 == stored.event.append().count();
}

// `before`: its neighbour; nullptr: it is the first.
void CheckAppend(const StoredEvent* before, const StoredEvent& stored,
                 std::set<std::string>& request_keys, Report& report) {
  const records::log::v1::Append& append = stored.event.append();
  if (append.index() >= append.count()) {
    report.Broken(kName, absl::StrCat(Place(stored), " is beyond the end of its append"));
  }
  if (append.index() == 0) {
    if (before != nullptr && !EndsAppend(*before)) {
      report.Broken(kName, absl::StrCat(Place(*before), " is the end of an append cut short"));
    }
    if (!append.request_key().empty() && !request_keys.insert(append.request_key()).second) {
      report.Broken(kName, absl::StrCat(Place(stored), " has a request key for the second time"));
    }
    return;
  }
  if (before == nullptr || before->event.append().index() + 1 != append.index() ||
      before->event.append().count() != append.count() ||
      before->event.append().request_key() != append.request_key()) {
    report.Broken(kName, absl::StrCat(Place(stored), " stands apart from its append"));
  }
}

void CheckTree(const std::vector<StoredEvent>& events, std::set<std::string>& request_keys,
               Report& report) {
  std::map<std::string, uint64_t> next_revision;
  int64_t recorded = INT64_MIN;
  for (size_t i = 0; i < events.size(); ++i) {
    const StoredEvent& stored = events[i];
    const records::log::v1::Event& event = stored.event;
    if (stored.position.sequence != i + 1) {
      report.Broken(kName, absl::StrCat("position ", i + 1, " holds ", Place(stored)));
    }
    uint64_t& revision = next_revision[event.stream().SerializeAsString()];
    if (event.revision() != revision) {
      report.Broken(kName, absl::StrCat(Place(stored), " has revision ", event.revision(),
                                        ", its stream stood at ", revision));
    }
    ++revision;
    if (event.time_precision() == records::log::v1::TIME_PRECISION_UNSPECIFIED) {
      if (event.recorded_at_us() < recorded) {
        report.Broken(kName, absl::StrCat(Place(stored), " was recorded before its neighbour"));
      }
      recorded = event.recorded_at_us();
    }
    const StoredEvent* const before = i == 0 ? nullptr : &events[i - 1];
    CheckAppend(before, stored, request_keys, report);
  }
  if (!events.empty() && !EndsAppend(events.back())) {
    report.Broken(kName, absl::StrCat(Place(events.back()), " is the end of an append cut short"));
  }
}

}  // namespace

void CheckSequences(const LogSnapshot& snapshot, Report& report) {
  std::set<std::string> request_keys;
  for (const auto& tree : snapshot.trees) CheckTree(tree, request_keys, report);
}

}  // namespace records::simulation
