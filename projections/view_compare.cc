#include "projections/view_compare.h"

#include "absl/strings/match.h"
#include "eventstore/status_macros.h"
#include "projections/view_rows.h"

namespace records::projections {
namespace {

using eventstore::Cursor;
using eventstore::Storage;
using eventstore::Table;

constexpr uint64_t kAskEveryRows = 4'096;

// What a copy keeps of itself. When a checkpoint was written last is not a matter of events alone.
bool IsOfTheCopy(absl::string_view key) {
  return absl::StartsWith(key, kCheckpointPrefix) || key == kRewrittenKey;
}

void PassOwn(size_t table, Cursor& cursor) {
  while (table == kRunnerTable.index && cursor.Valid() && IsOfTheCopy(cursor.key())) cursor.Next();
}

// Below zero: only `one` has its key. Zero: both have it.
int Compare(const Cursor& one, const Cursor& other) {
  if (!other.Valid()) return -1;
  if (!one.Valid()) return 1;
  return one.key().compare(other.key());
}

}  // namespace

ViewSnapshot SnapshotOf(const Storage& storage, size_t tables) {
  ViewSnapshot snapshot;
  for (size_t i = 0; i < tables; ++i) snapshot.push_back(storage.NewCursor(Table{i}));
  return snapshot;
}

absl::StatusOr<RowComparison> CompareRows(const ViewSnapshot& before, const ViewSnapshot& next,
                                          absl::FunctionRef<absl::Status()> go_on) {
  RowComparison found;
  for (size_t table = 0; table < before.size(); ++table) {
    Cursor& left = *before[table];
    Cursor& right = *next[table];
    left.Seek("");
    right.Seek("");
    for (PassOwn(table, left), PassOwn(table, right); left.Valid() || right.Valid();
         PassOwn(table, left), PassOwn(table, right)) {
      // One that is damaged has ended early.
      RETURN_IF_ERROR(right.status());
      if (!left.status().ok()) break;
      const int order = Compare(left, right);
      if (order != 0 || left.value() != right.value()) ++found.different;
      if (order <= 0) left.Next();
      if (order >= 0) right.Next();
      if (++found.rows % kAskEveryRows == 0) RETURN_IF_ERROR(go_on());
    }
    RETURN_IF_ERROR(right.status());
    found.problem.Update(left.status());
  }
  return found;
}

}  // namespace records::projections
