#include "tests/simulation/follow_checker.h"

#include "absl/strings/str_cat.h"

namespace records::simulation {
namespace {

constexpr char kName[] = "follow";

}  // namespace

void FollowChecker::Took(const eventstore::FollowMessage& message, Report& report) {
  const uint64_t checkpoint = message.checkpoint.sequence;
  if (checkpoint < checkpoint_) {
    report.Broken(kName,
                  absl::StrCat("the checkpoint went back from ", checkpoint_, " to ", checkpoint));
  }
  if (message.kind == eventstore::FollowMessage::Kind::kEvent) {
    const uint64_t sequence = message.event.position.sequence;
    if (sequence <= checkpoint_) {
      report.Broken(kName,
                    absl::StrCat("event ", sequence, " came after checkpoint ", checkpoint_));
    }
    if (!types_.empty() && !types_.contains(message.event.event.type())) {
      report.Broken(kName, absl::StrCat("event ", sequence, " was not asked for"));
    }
    delivered_.push_back(sequence);
  }
  checkpoint_ = checkpoint;
}

void FollowChecker::Check(const LogSnapshot& snapshot, Report& report) const {
  std::vector<uint64_t> expected;
  for (const auto& event : snapshot.Events(partition_)) {
    if (event.position.sequence > checkpoint_) break;
    if (types_.empty() || types_.contains(event.event.type())) {
      expected.push_back(event.position.sequence);
    }
  }
  if (expected == delivered_) return;
  report.Broken(kName,
                absl::StrCat("partition ", partition_, " to ", checkpoint_, ": ", delivered_.size(),
                             " events were delivered, ", expected.size(), " stand there"));
}

}  // namespace records::simulation
