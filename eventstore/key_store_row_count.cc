#include "eventstore/key_store_row_count.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

absl::StatusOr<uint64_t> RowsOf(const Storage& storage, Table table,
                                const std::atomic<bool>* cancelled) {
  uint64_t found = 0;
  const std::unique_ptr<Cursor> cursor = storage.NewCursor(table);
  for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
    ++found;
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
      return absl::CancelledError("the key store is closed");
    }
  }
  RETURN_IF_ERROR(cursor->status());
  return found;
}

}  // namespace

absl::Status CountRows(const Storage& storage, const RowCounts& expected,
                       absl::Span<const Table> tables, const std::atomic<bool>* cancelled) {
  for (const Table table : tables) {
    const uint64_t wanted = expected[table.index];
    ASSIGN_OR_RETURN(const uint64_t found, RowsOf(storage, table, cancelled));
    if (found == wanted || PLANTED_BUG("rows-not-counted")) continue;
    const std::string wrong = found < wanted
                                  ? absl::StrCat(wanted - found, " missing: restore a backup")
                                  : absl::StrCat(found - wanted, " too many: ended ones came back");
    return absl::DataLossError(absl::StrCat("the key store is damaged: its table ",
                                            KeyStoreTableName(table), " has ", found,
                                            " rows, its state says ", wanted, ": ", wrong));
  }
  return absl::OkStatus();
}

RowCount::RowCount(const Storage& storage, const RowCounts& expected,
                   std::function<void(const absl::Status&)> on_fatal)
    : thread_([this, &storage, expected, on_fatal = std::move(on_fatal)] {
        result_ = CountRows(storage, expected, {kKeysTable, kDirectoryTable}, &cancelled_);
        finished_.Notify();
        if (on_fatal && !result_.ok() && !absl::IsCancelled(result_)) on_fatal(result_);
      }) {}

RowCount::~RowCount() {
  cancelled_ = true;
  if (thread_.joinable()) thread_.join();
}

absl::Status RowCount::Wait() const {
  if (PLANTED_BUG("count-not-waited-for")) return absl::OkStatus();
  finished_.WaitForNotification();
  return result_;
}

}  // namespace records::eventstore
