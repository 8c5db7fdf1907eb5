#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/log.h"
#include "eventstore/storage.h"

namespace records::projections {

// The storage of a view holds one table of the runner (checkpoints, parked roots), then the view's
// own in the order of Projection::tables(). This is the view's table number `index`, from 0.
constexpr eventstore::Table ViewTable(size_t index) { return eventstore::Table{index + 1}; }

// The changes that a fold makes: puts and deletes on the view's own tables, read back at once,
// written later in one storage batch together with the checkpoint.
//
// Not thread-safe. Must not outlive its storage. Holds what was put in memory until it is taken.
class ViewBatch {
 public:
  explicit ViewBatch(const eventstore::Storage& storage) : storage_(storage) {}

  // Returns the value as this batch left it, or nullopt. Fails as the storage does.
  [[nodiscard]] absl::StatusOr<std::optional<std::string>> Get(eventstore::Table table,
                                                               absl::string_view key) const;

  void Put(eventstore::Table table, absl::string_view key, std::string value);
  void Delete(eventstore::Table table, absl::string_view key);

  // Visits the rows whose key begins with `prefix`, in the order of keys, as this batch left them,
  // until `visit` returns false. `visit` must not change the batch. Fails as the storage does.
  [[nodiscard]] absl::Status ScanPrefix(
      eventstore::Table table, absl::string_view prefix,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> visit) const;

  // For the runner: changes since the last Keep() or Discard() are kept, or are as if never made.
  void Keep();
  void Discard();

  // For the runner: appends what was kept to `out`, each key once, and starts anew.
  void MoveKeptInto(eventstore::StorageBatch& out);

  // For the runner: bytes of keys and values kept so far.
  size_t kept_bytes() const { return kept_bytes_; }

  // For the runner: the first error of the storage, which is the view's fault and not the event's.
  const absl::Status& storage_error() const { return storage_error_; }

 private:
  using RowKey = std::pair<size_t, std::string>;                     // table index, key
  using Rows = absl::btree_map<RowKey, std::optional<std::string>>;  // nullopt: deleted

  // The batch's own word on a row, if it has one.
  const std::optional<std::string>* Find(const RowKey& key) const;

  const eventstore::Storage& storage_;
  Rows kept_;
  Rows pending_;
  size_t kept_bytes_ = 0;
  mutable absl::Status storage_error_;
};

// A view as a pure fold over the log: the same events in the same order always give the same rows.
//
// Events of one root come in order; of different roots, in any. So rows of different roots must be
// independent of each other. Thread-safe: one projection may feed several runners (a rebuild runs
// beside the live one).
class Projection {
 public:
  virtual ~Projection() = default;

  // Name of the view, [a-z-]+: "timeline".
  virtual std::string name() const = 0;

  // Goes up whenever Apply() would give other rows for the same events. Each version has tables of
  // its own.
  virtual uint32_t version() const = 0;

  // Names of the tables it needs, [a-z-]+; ViewTable(i) is the i-th.
  virtual std::vector<std::string> tables() const = 0;

  // The clear types of the events that Apply() may do something with; empty: any. Others pass
  // without being parsed, and without a write of the view.
  virtual std::vector<std::string> types() const { return {}; }

  // Whether an event ends its root, so that Apply() deletes all rows of it: an erasure. It is
  // folded even where the root is parked, and unparks it; the bytes of the rows leave the files
  // after it.
  virtual bool EndsRoot(const eventstore::StoredEvent&) const { return false; }

  // Folds one event: reads and changes rows through `batch`, and nothing else: no clock, no
  // randomness, no I/O of its own. It may open the fold part of its own view, and no other part.
  //   OK            folded, or nothing of this view's concern
  //   kUnavailable  not now (the key store does not answer): the runner tries the same event again
  //   other errors  the event cannot be folded: its changes are dropped and its root is parked
  [[nodiscard]] virtual absl::Status Apply(const eventstore::StoredEvent& event,
                                           ViewBatch& batch) const = 0;
};

// Names of all tables that the storage of this view is opened with: the runner's, then the view's,
// each carrying the version ("entries-v1").
std::vector<std::string> StorageTables(const Projection& projection);

}  // namespace records::projections
