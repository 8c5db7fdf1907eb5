#include "tests/simulation/view_checker.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "eventstore/memory_storage.h"
#include "eventstore/status_macros.h"

namespace records::simulation {
namespace {

std::vector<std::pair<std::string, std::string>> Rows(const eventstore::Storage& storage,
                                                      eventstore::Table table) {
  std::vector<std::pair<std::string, std::string>> rows;
  const auto cursor = storage.NewCursor(table);
  for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
    rows.emplace_back(cursor->key(), cursor->value());
  }
  return rows;
}

absl::Status FoldInto(const LogSnapshot& snapshot, const projections::Projection& projection,
                      Applied applied, eventstore::Storage& storage) {
  projections::ViewBatch batch(storage);
  for (uint32_t partition = 0; partition < snapshot.partition_count; ++partition) {
    for (const auto& event : snapshot.Events(partition)) {
      if (event.position.sequence > applied(partition)) break;
      RETURN_IF_ERROR(projection.Apply(event, batch));
      batch.Keep();
    }
  }
  eventstore::StorageBatch changes;
  batch.MoveKeptInto(changes);
  return storage.Write(changes, eventstore::Storage::Durability::kUnsynced);
}

}  // namespace

void CheckView(const LogSnapshot& snapshot, const projections::Projection& projection,
               const eventstore::Storage& view, Applied applied, Report& report) {
  const std::string name = "view " + projection.name();
  for (uint32_t partition = 0; partition < snapshot.partition_count; ++partition) {
    if (applied(partition) <= snapshot.Events(partition).size()) continue;
    report.Broken(name, absl::StrCat("partition ", partition, " is ahead of the log"));
  }
  eventstore::MemoryStorage fresh(projections::StorageTables(projection).size());
  if (const absl::Status folded = FoldInto(snapshot, projection, applied, fresh); !folded.ok()) {
    report.Broken(name, absl::StrCat("a fresh fold fails: ", folded.message()));
    return;
  }
  for (size_t table = 0; table < projection.tables().size(); ++table) {
    if (Rows(view, projections::ViewTable(table)) == Rows(fresh, projections::ViewTable(table))) {
      continue;
    }
    report.Broken(name, absl::StrCat("table ", projection.tables()[table],
                                     " has other rows than a fresh fold"));
  }
}

}  // namespace records::simulation
