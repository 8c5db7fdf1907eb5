#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/head_board.h"
#include "eventstore/limits.h"
#include "eventstore/log.h"
#include "eventstore/log_format.h"
#include "eventstore/recent_map.h"
#include "eventstore/storage.h"

namespace records::eventstore {

// What a filter of clear types lets through; empty: all.
class TypeFilter {
 public:
  explicit TypeFilter(std::vector<std::string> types) : types_(std::move(types)) {}

  // kDataLoss: the bytes are not a serialised event.
  absl::StatusOr<bool> Passes(absl::string_view stored_event) const;

 private:
  std::vector<std::string> types_;
};

// Some events of a partition, and how far was looked.
struct PartitionPage {
  std::vector<StoredEvent> events;
  uint64_t next_sequence = 0;  // where the next page starts, in the direction of the read
  bool at_end = false;         // nothing was left within the head
};

// Reads what the board shows, and checks that each event stands where it belongs. For the meaning
// of each method see EventLog.
//
// Thread-safe. Storage and board must outlive it.
class LogReader {
 public:
  LogReader(const Storage& storage, const HeadBoard& board)
      : storage_(storage), board_(board), existing_(kKnownStreamsMax) {}

  // As EventLog::ReadPartition(), but looks at no more than kReadEventsMax events for a page.
  absl::StatusOr<PartitionPage> ReadPage(Ledger ledger, Position from, ReadDirection direction,
                                         ReadLimits limits, const TypeFilter& filter) const;

  absl::StatusOr<std::vector<StoredEvent>> ReadPartition(
      Ledger ledger, Position from, ReadDirection direction, ReadLimits limits,
      const std::vector<std::string>& types) const;
  absl::StatusOr<StoredEvent> ReadAt(Ledger ledger, Position position) const;
  absl::StatusOr<std::vector<StoredEvent>> ReadStream(Ledger ledger, const StreamName& stream,
                                                      Revision from, ReadDirection direction,
                                                      ReadLimits limits) const;
  absl::StatusOr<std::vector<StoredEvent>> ReadRoot(Ledger ledger, const RootId& root,
                                                    uint64_t after_sequence,
                                                    ReadLimits limits) const;
  absl::StatusOr<std::optional<Revision>> StreamHead(Ledger ledger, const StreamName& stream) const;
  absl::StatusOr<bool> StreamExists(Ledger ledger, const StreamName& stream) const;
  absl::StatusOr<std::optional<std::vector<StoredEvent>>> FindRequest(const RequestKey& key) const;

  // kInvalidArgument: the log has no such partition.
  absl::Status CheckPartition(uint32_t partition) const;

 private:
  absl::StatusOr<StoredEvent> ReadChecked(Ledger ledger, Position position,
                                          const StreamName* stream) const;

  const Storage& storage_;
  const HeadBoard& board_;

  mutable absl::Mutex existing_mutex_;
  mutable RecentMap<StreamKey, bool> existing_ ABSL_GUARDED_BY(existing_mutex_);  // all true
};

}  // namespace records::eventstore
