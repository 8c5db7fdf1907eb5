#include "tests/simulation/history_checker.h"

#include "absl/strings/str_cat.h"

namespace records::simulation {

void HistoryChecker::Check(const LogSnapshot& snapshot, Report& report) {
  seen_.resize(snapshot.trees.size());
  for (size_t tree = 0; tree < seen_.size(); ++tree) {
    const auto& events = snapshot.trees[tree];
    std::vector<eventstore::Digest>& seen = seen_[tree];
    if (events.size() < seen.size()) {
      report.Broken("history", absl::StrCat("tree ", tree, " had ", seen.size(), " events, now ",
                                            events.size()));
    }
    for (size_t i = 0; i < events.size(); ++i) {
      const eventstore::Digest digest = eventstore::Sha256({events[i].bytes});
      if (i >= seen.size()) {
        seen.push_back(digest);
      } else if (seen[i] != digest) {
        report.Broken("history", absl::StrCat("event ", i + 1, " of tree ", tree, " has changed"));
      }
    }
  }
}

}  // namespace records::simulation
