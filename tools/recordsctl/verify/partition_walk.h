#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tools/recordsctl/verify/event_decoder.h"
#include "tools/recordsctl/verify/finding.h"
#include "tools/recordsctl/verify/format.h"
#include "tools/recordsctl/verify/record_sorter.h"
#include "tools/recordsctl/verify/store_reader.h"
#include "tools/recordsctl/verify/tree_builder.h"

namespace records::tools::verify {

// Rows that the events imply, to be compared with the tables. An id is followed by its place.
inline constexpr size_t kPlaceSize = 1 + 2 + 8;
using IdSorter = RecordSorter<kIdSize + kPlaceSize>;
using StreamSorter = RecordSorter<kStreamKeySize + 8>;
using RequestSorter = RecordSorter<kRequestKeySize + kRequestValueSize>;

struct ImpliedRows {
  explicit ImpliedRows(size_t memory_bytes)
      : ids(memory_bytes / 4), streams(memory_bytes * 3 / 8), requests(memory_bytes * 3 / 8) {}

  IdSorter ids;
  StreamSorter streams;
  RequestSorter requests;
};

// A certificate of an erasure that stands in the log.
struct CertificateRow {
  uint32_t partition = 0;
  uint64_t sequence = 0;
  DecodedErasure erasure;
};

// What the walk of a partition found out about its tree.
struct TreeResult {
  Ledger ledger = Ledger::kEvents;
  uint32_t partition = 0;
  uint64_t size = 0;                 // the last sequence
  bool has_all_events = true;        // else there are no roots
  bool tiles_are_equal = true;       // the stored tiles are those of the events
  uint64_t unsearched_erasures = 0;  // certificates that say no byte string was searched for
  Hash root{};
  struct Mark {
    Hash root{};
    bool ends_append = true;
  };
  // At the sizes that were asked for, as far as it came.
  std::map<uint64_t, Mark> marks;
};

// Reads the events of one partition, in order, and checks each against the format, its neighbours
// and the stored tiles. Needs the memory of one event and one tree path, whatever the length, and a
// row for each certificate.
//
// Not thread-safe. What it is given must outlive it.
class PartitionWalk {
 public:
  struct Setting {
    Ledger ledger = Ledger::kEvents;
    uint32_t partition = 0;
    uint32_t partition_count = 0;
    // Sizes at which the root is wanted.
    const std::set<uint64_t>* marks = nullptr;
    const StoreReader* store = nullptr;
    ImpliedRows* rows = nullptr;
    std::vector<CertificateRow>* certificates = nullptr;
    Findings* findings = nullptr;
  };

  explicit PartitionWalk(const Setting& setting);

  // An error is no damage: the walk could not go on.
  absl::Status OnRow(absl::string_view key, absl::string_view value);
  TreeResult Finish();

 private:
  struct OpenAppend {
    std::string request_key;
    std::string digest;
    uint64_t first = 0;
    uint64_t next_index = 0;
    uint64_t count = 0;
    uint64_t bytes = 0;
  };

  Place Here() const { return At(setting_.ledger, setting_.partition, result_.size); }
  void Add(Code code, std::string message);
  bool TakeSequence(absl::string_view key);
  absl::Status CheckEvent(absl::string_view value);
  void CheckPlace(const DecodedEvent& event);
  void CheckAppend(const DecodedEvent& event, size_t bytes);
  void BeginAppend(const DecodedEvent& event, size_t bytes);
  void EndBrokenAppend();
  void CheckCertificate(const DecodedEvent& event);
  void CheckTime(const DecodedEvent& event);
  absl::Status AddRows(const DecodedEvent& event);
  void CheckTile(const TileName& name, absl::string_view bytes);
  void LoseTrack();

  const Setting setting_;
  TreeResult result_;
  TreeBuilder tree_;
  std::optional<OpenAppend> append_;
  // After an event that is missing or unreadable the next may stand anywhere in its append.
  bool append_may_begin_anywhere_ = false;
  std::optional<DecodedEvent> previous_;  // times and precision only
  int64_t latest_us_ = 0;
};

}  // namespace records::tools::verify
