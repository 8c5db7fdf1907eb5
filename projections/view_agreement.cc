// Holds the copy that is to answer next against the one that answers.

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "eventstore/clock.h"
#include "eventstore/status_macros.h"
#include "projections/view.h"

namespace records::projections {

using eventstore::Position;

namespace {

// How long the copy that answers may be held up to meet the next one: both have only a few events
// to fold until they are level.
constexpr absl::Duration kMeetMax = absl::Seconds(5);

}  // namespace

absl::StatusOr<RowComparison> View::CompareOnce(ViewCopy& next, const GoOn& go_on) {
  const std::shared_ptr<ViewCopy> before = live();
  ViewSnapshot now, then;
  {
    const absl::Cleanup resume = [&] {
      before->runner->Resume();
      next.runner->Resume();
    };
    // The one that answers stands still last.
    const absl::Time deadline = eventstore::SystemClock().Now() + kMeetMax;
    absl::Status met = next.runner->PauseAt({}, deadline);
    if (met.ok()) met = before->runner->PauseAt({}, deadline);
    Heads level;
    for (const uint32_t partition : Partitions()) {
      const Position one = before->runner->AppliedPosition(partition);
      const Position other = next.runner->AppliedPosition(partition);
      level.push_back(one.sequence > other.sequence ? one : other);
    }
    if (met.ok()) met = next.runner->PauseAt(level, deadline);
    if (met.ok()) met = before->runner->PauseAt(level, deadline);
    if (!met.ok()) return RowComparison{.problem = met};
    const size_t tables = StorageTables(projection_).size();
    now = SnapshotOf(*before->storage, tables);
    then = SnapshotOf(*next.storage, tables);
  }
  return CompareRows(now, then, [&] { return GoesOn(next, go_on); });
}

absl::StatusOr<std::optional<RowComparison>> View::CompareCopies(ViewCopy& next,
                                                                 absl::Time deadline,
                                                                 const GoOn& go_on) {
  RETURN_IF_ERROR(GoesOn(next, go_on));
  if (next.id.version != live()->id.version) return std::nullopt;
  ASSIGN_OR_RETURN(RowComparison found, CompareOnce(next, go_on));
  // Where keys ended meanwhile the copies differ until both have folded that end.
  if (found.problem.ok() && found.different > 0) {
    RETURN_IF_ERROR(CatchUp(next, LogHeads(), deadline, go_on));
    ASSIGN_OR_RETURN(found, CompareOnce(next, go_on));
  }
  const size_t parked = live()->runner->ParkedRoots().size();
  if (found.problem.ok() && found.different > 0 && parked > 0) {
    found.problem = absl::FailedPreconditionError(
        absl::StrCat("the copy before lacks rows of ", parked, " roots that it could not fold"));
  }
  return found;
}

}  // namespace records::projections
