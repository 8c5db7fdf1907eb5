#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/types/span.h"
#include "eventstore/key_store_rows.h"
#include "eventstore/storage.h"

namespace records::eventstore {

// Counts the rows of `tables`, reading each once. kDataLoss, naming the table: there are fewer or
// more than `expected`, or the walk met damage. A lost row would read as one that was ended, in
// silence, and a lost fence as none. kCancelled: `cancelled` was set; it may be null.
[[nodiscard]] absl::Status CountRows(const Storage& storage, const RowCounts& expected,
                                     absl::Span<const Table> tables,
                                     const std::atomic<bool>* cancelled = nullptr);

// The count of a key store that serves already. What is there opens only in its own place, so it
// needs no count; whoever is about to say that a row is absent, or to change anything, waits for
// the count first. So nothing is told or written that rests on a lost row.
//
// Thread-safe. Ends its thread at destruction. Must not outlive the storage.
class RowCount {
 public:
  // One that was made before: Wait() is OK at once.
  RowCount() { finished_.Notify(); }
  // Counts keys and directory on a thread of its own. `on_fatal` may be null; it is told when the
  // rows are not as many as expected, on that thread. REQUIRES: no row changes before Wait() was
  // OK.
  RowCount(const Storage& storage, const RowCounts& expected,
           std::function<void(const absl::Status&)> on_fatal);
  ~RowCount();

  // Waits for the end of the count. Its error, for ever: see CountRows().
  [[nodiscard]] absl::Status Wait() const;

 private:
  std::atomic<bool> cancelled_{false};
  absl::Status result_;  // before finished_
  absl::Notification finished_;
  std::thread thread_;
};

}  // namespace records::eventstore
