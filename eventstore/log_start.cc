#include "eventstore/log_start.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventstore/internal/big_endian.h"
#include "eventstore/limits.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"
#include "eventstore/tree_reader.h"

namespace records::eventstore {
namespace {

// More findings than this do not help an operator.
constexpr size_t kFindingsMax = 4;

Ledger LedgerOf(size_t tree, uint32_t partition_count) {
  return tree < partition_count ? Ledger::kEvents : Ledger::kAccess;
}

std::string TreeName(size_t tree, uint32_t partition_count) {
  return absl::StrCat("partition ", tree % partition_count, " of ",
                      LedgerName(LedgerOf(tree, partition_count)));
}

absl::Status RowMissing(Ledger ledger, Position position, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the log is damaged at ", Describe(ledger, position),
                                          ": ", what, " is missing"));
}

absl::StatusOr<uint64_t> LastSequence(const Storage& storage, Ledger ledger, uint32_t partition) {
  std::string prefix;
  internal::AppendBigEndian(prefix, static_cast<uint16_t>(partition));
  ASSIGN_OR_RETURN(const auto last, storage.LastWithPrefix(EventTable(ledger), prefix));
  if (!last) return 0;
  ASSIGN_OR_RETURN(const Position position, DecodeEventKey(last->key));
  return position.sequence;
}

// The latest recorded_at of a partition: that of its last event; where that is cut to the day, of
// the last events that may tell more.
absl::StatusOr<absl::Time> LastRecorded(const Storage& storage, Ledger ledger, uint32_t partition,
                                        uint32_t partition_count, uint64_t last) {
  absl::Time latest = absl::InfinitePast();
  for (uint64_t sequence = last; sequence > 0 && last - sequence < kTileWidth; --sequence) {
    const Position position{partition, sequence};
    ASSIGN_OR_RETURN(auto bytes, storage.Get(EventTable(ledger), EventKey(position)));
    if (!bytes) return RowMissing(ledger, position, "the event");
    ASSIGN_OR_RETURN(const StoredEvent stored,
                     DecodeStoredEvent(ledger, position, partition_count, *std::move(bytes)));
    latest = std::max(latest, absl::FromUnixMicros(stored.event.recorded_at_us()));
    if (stored.event.time_precision() != records::log::v1::TIME_PRECISION_DAY) break;
  }
  return latest;
}

// The rows that the batch of a partition's last event wrote beside it. Tables that come back from a
// disk to different points (one was flushed, the write-ahead log of the others ends early) differ
// there first.
absl::Status CheckRowsBesideLast(const Storage& storage, Ledger ledger, Position last,
                                 uint32_t partition_count) {
  if (last.sequence == 0 || PLANTED_BUG("tables-not-compared")) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto bytes, storage.Get(EventTable(ledger), EventKey(last)));
  if (!bytes) return RowMissing(ledger, last, "the event");
  ASSIGN_OR_RETURN(const StoredEvent stored,
                   DecodeStoredEvent(ledger, last, partition_count, *std::move(bytes)));
  ASSIGN_OR_RETURN(const StreamName stream, StreamOf(stored.event));
  const std::string in_stream =
      StreamRowKey(StreamKeyOf(ledger, stream), Revision{stored.event.revision()});
  ASSIGN_OR_RETURN(const auto sequence, storage.Get(kStreamsTable, in_stream));
  if (sequence != EncodeSequence(last.sequence)) {
    return RowMissing(ledger, last, "the row of its stream");
  }
  const records::log::v1::Append& append = stored.event.append();
  if (append.request_key().empty()) return absl::OkStatus();
  const Position first{last.partition, last.sequence - append.index()};
  ASSIGN_OR_RETURN(const auto request, storage.Get(kRequestsTable, append.request_key()));
  if (request != EncodeRequestRow({ledger, first})) {
    return RowMissing(ledger, last, "the row of its request");
  }
  return absl::OkStatus();
}

// What a tree of the store says against a head that it must have reached; "" when it agrees.
absl::StatusOr<std::string> Compare(const Storage& storage, const LogState& state, size_t tree,
                                    const TreeHead& expected, absl::string_view whose) {
  const uint32_t partitions = state.partition_count;
  const uint64_t size = state.trees[tree].size();
  if (size < expected.size) {
    return absl::StrCat(TreeName(tree, partitions), " ends at sequence ", size, " but ", whose,
                        " says ", expected.size, ": sequences ", size + 1, " to ", expected.size,
                        " are missing");
  }
  TileSource source = OpenTree(storage, LedgerOf(tree, partitions), tree % partitions, size);
  ASSIGN_OR_RETURN(const Hash root, TreeRoot(source, expected.size));
  if (root == expected.root) return std::string();
  return absl::StrCat(TreeName(tree, partitions), ": the first ", expected.size,
                      " events are not those that ", whose, " says: one was changed");
}

absl::Status CompareAll(const Storage& storage, const LogState& state,
                        const std::vector<TreeHead>& expected, absl::string_view whose) {
  if (expected.size() != state.trees.size()) {
    return absl::DataLossError(absl::StrCat(whose, " is of a log with ", expected.size() / 2,
                                            " partitions, this one has ", state.partition_count));
  }
  std::string findings;
  size_t count = 0;
  for (size_t tree = 0; tree < expected.size(); ++tree) {
    ASSIGN_OR_RETURN(const std::string finding,
                     Compare(storage, state, tree, expected[tree], whose));
    if (finding.empty() || ++count > kFindingsMax) continue;
    absl::StrAppend(&findings, findings.empty() ? "" : "; ", finding);
  }
  if (count == 0) return absl::OkStatus();
  if (count > kFindingsMax) absl::StrAppend(&findings, "; and ", count - kFindingsMax, " more");
  return absl::DataLossError(absl::StrCat(
      "the log has lost or changed events. ", findings,
      ". Nothing was changed. Restore the folder log, whole, from a backup that is as new as ",
      whose, "."));
}

}  // namespace

absl::StatusOr<LogState> LoadLogState(const Storage& storage, const LogMeta& meta) {
  LogState state;
  state.store = meta.store;
  state.partition_count = meta.partition_count;
  for (size_t tree = 0; tree < 2 * size_t{meta.partition_count}; ++tree) {
    const Ledger ledger = LedgerOf(tree, meta.partition_count);
    const uint32_t partition = tree % meta.partition_count;
    ASSIGN_OR_RETURN(const uint64_t last, LastSequence(storage, ledger, partition));
    RETURN_IF_ERROR(CheckRowsBesideLast(storage, ledger, {partition, last}, meta.partition_count));
    TileSource source = OpenTree(storage, ledger, partition, last);
    ASSIGN_OR_RETURN(TileWriter writer, TileWriter::Restore(source));
    state.trees.push_back(std::move(writer));
    ASSIGN_OR_RETURN(const absl::Time recorded,
                     LastRecorded(storage, ledger, partition, meta.partition_count, last));
    state.last_recorded = std::max(state.last_recorded, recorded);
  }
  return state;
}

absl::Status CheckAgainstAnchor(const Storage& storage, const LogState& state,
                                const LogAnchor& anchor) {
  if (PLANTED_BUG("anchor-not-compared")) return absl::OkStatus();
  if (anchor.store != state.store) {
    return absl::DataLossError(
        "log.anchor belongs to another log: bring together the files of one data folder");
  }
  RETURN_IF_ERROR(CompareAll(storage, state, anchor.trees, "log.anchor"));
  uint64_t ahead = 0;
  for (size_t i = 0; i < state.trees.size(); ++i) {
    ahead += state.trees[i].size() - anchor.trees[i].size;
  }
  if (ahead <= kBatchEventsMax) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "the log holds ", ahead, " events more than log.anchor says, and a crash leaves ",
      kBatchEventsMax, " at most: log.anchor is old. Restore the newest one."));
}

absl::Status CheckAgainstCheckpoint(const Storage& storage, const LogState& state,
                                    const std::vector<TreeHead>& checkpoint) {
  if (checkpoint.empty()) return absl::OkStatus();
  return CompareAll(storage, state, checkpoint, "checkpoint.latest");
}

absl::Status CheckSizes(const Storage& storage, const LogState& state) {
  for (size_t tree = 0; tree < state.trees.size(); ++tree) {
    ASSIGN_OR_RETURN(
        const uint64_t last,
        LastSequence(storage, LedgerOf(tree, state.partition_count), tree % state.partition_count));
    if (last != state.trees[tree].size()) {
      return absl::DataLossError(
          absl::StrCat(TreeName(tree, state.partition_count), " changed while the log was opened"));
    }
  }
  return absl::OkStatus();
}

}  // namespace records::eventstore
