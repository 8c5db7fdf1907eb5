#include "tools/recordsctl/verify/table_checks.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::tools::verify {
namespace {

absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

template <size_t kSize>
absl::string_view ToView(const std::array<uint8_t, kSize>& record) {
  return {reinterpret_cast<const char*>(record.data()), record.size()};
}

// Ledger, partition and sequence as they stand behind an id or a request key.
Place PlaceOf(absl::string_view place) {
  const auto ledger = static_cast<uint8_t>(place[0]);
  return {ledger > 1 ? std::nullopt : std::optional<Ledger>(static_cast<Ledger>(ledger)),
          static_cast<uint32_t>(ReadBigEndian(place.substr(1, 2))),
          ReadBigEndian(place.substr(3, 8)),
          {}};
}

Place WithTable(Place place, const std::string& table) {
  place.file = absl::StrCat("table ", table);
  return place;
}

// What to do with the rows of a table that has one row for each key that the events imply.
struct RowRules {
  std::string table;
  size_t key_size = 0;
  size_t value_size = 0;
  // The place of a row, from key and value of the sizes above.
  std::function<Place(absl::string_view key, absl::string_view value)> place;
  // Two events imply one key.
  std::function<void(const Place& first, const Place& second)> on_repeat;
  // Sees each implied row once, in order.
  std::function<void(absl::string_view key, const Place& place)> on_row;
};

class RowMatcher {
 public:
  RowMatcher(const RowRules& rules, rocksdb::Iterator& rows, Findings& findings)
      : rules_(rules), rows_(rows), findings_(findings) {
    rows_.SeekToFirst();
  }

  void Match(absl::string_view key, absl::string_view value) {
    while (rows_.Valid() && ToView(rows_.key()) < key) TakeExtra();
    const Place place = WithTable(rules_.place(key, value), rules_.table);
    if (!rows_.Valid() || ToView(rows_.key()) != key) {
      if (rows_.status().ok()) {
        findings_.Add(Code::kIndexRowMissing, place, "the row of this event is missing");
      }
      return;
    }
    if (ToView(rows_.value()) != value) {
      findings_.Add(Code::kIndexRowWrong, place, "the row of this event leads elsewhere");
    }
    rows_.Next();
  }

  void Finish() {
    while (rows_.Valid()) TakeExtra();
  }

 private:
  void TakeExtra() {
    const absl::string_view key = ToView(rows_.key());
    const absl::string_view value = ToView(rows_.value());
    if (key.size() != rules_.key_size || value.size() != rules_.value_size) {
      findings_.Add(Code::kUnexpectedRow, In(absl::StrCat("table ", rules_.table)),
                    "a row whose key or value has a wrong length");
    } else {
      findings_.Add(Code::kIndexRowExtra, WithTable(rules_.place(key, value), rules_.table),
                    "a row that no event stands for");
    }
    rows_.Next();
  }

  const RowRules& rules_;
  rocksdb::Iterator& rows_;
  Findings& findings_;
};

template <size_t kSize>
absl::Status MatchRows(const StoreReader& store, const RowRules& rules,
                       RecordSorter<kSize>& implied, Findings& findings) {
  const std::unique_ptr<rocksdb::Iterator> rows = store.NewIterator(rules.table);
  if (rows == nullptr) return absl::OkStatus();
  RowMatcher matcher(rules, *rows, findings);
  std::array<uint8_t, kSize> record{};
  std::array<uint8_t, kSize> before{};
  bool found = true;
  for (bool is_first = true;; is_first = false) {
    RETURN_IF_ERROR(implied.Next(&record, &found));
    if (!found) break;
    const absl::string_view key = ToView(record).substr(0, rules.key_size);
    const absl::string_view value = ToView(record).substr(rules.key_size);
    const Place place = rules.place(key, value);
    if (!is_first && ToView(before).substr(0, rules.key_size) == key) {
      rules.on_repeat(rules.place(key, ToView(before).substr(rules.key_size)), place);
      continue;
    }
    rules.on_row(key, place);
    matcher.Match(key, value);
    before = record;
  }
  matcher.Finish();
  store.AddReadError(rows->status(), In(absl::StrCat("table ", rules.table)), findings);
  return absl::OkStatus();
}

// Revisions in the order of streams: each stream from 0, dense, in the order of its events.
class RevisionCheck {
 public:
  explicit RevisionCheck(Findings& findings) : findings_(findings) {}

  void OnRow(absl::string_view key, const Place& place) {
    const absl::string_view stream = key.substr(0, kStreamPrefixSize);
    const uint64_t revision = ReadBigEndian(key.substr(kStreamPrefixSize));
    if (stream != stream_) {
      stream_ = std::string(stream);
      next_ = 0;
      last_sequence_ = 0;
    }
    if (revision != next_) {
      findings_.Add(Code::kRevisionGap, place,
                    absl::StrCat("it has revision ", revision, " of its stream, where ", next_,
                                 " should come: an event of the stream is missing"));
    } else if (*place.sequence < last_sequence_) {
      findings_.Add(Code::kRevisionGap, place,
                    absl::StrCat("revision ", revision, " of its stream stands before revision ",
                                 revision - 1));
    }
    next_ = revision + 1;
    last_sequence_ = *place.sequence;
  }

 private:
  Findings& findings_;
  std::string stream_;
  uint64_t next_ = 0;
  uint64_t last_sequence_ = 0;
};

// All rows of `meta`, which are few.
absl::StatusOr<std::map<std::string, std::string>> ReadAllMeta(const StoreReader& store,
                                                               Findings& findings) {
  constexpr size_t kRowsMax = 64;
  std::map<std::string, std::string> rows;
  const std::unique_ptr<rocksdb::Iterator> row = store.NewIterator("meta");
  if (row == nullptr) return rows;
  for (row->SeekToFirst(); row->Valid() && rows.size() < kRowsMax; row->Next()) {
    rows[row->key().ToString()] = row->value().ToString();
  }
  store.AddReadError(row->status(), In("table meta"), findings);
  return rows;
}

}  // namespace

absl::StatusOr<std::optional<LogMeta>> ReadMeta(const StoreReader& store, Findings& findings) {
  using Rows = std::map<std::string, std::string>;
  ASSIGN_OR_RETURN(const Rows rows, ReadAllMeta(store, findings));
  const std::pair<const char*, size_t> known[] = {
      {"format_version", 4}, {"store_id", kIdSize}, {"partition_count", 4}, {"created_at_us", 8}};
  bool is_whole = true;
  for (const auto& [name, size] : known) {
    const auto row = rows.find(name);
    if (row != rows.end() && row->second.size() == size) continue;
    findings.Add(Code::kMeta, In(absl::StrCat("table meta, row ", name)),
                 row == rows.end() ? "the row is missing" : "the row has a wrong length");
    is_whole = false;
  }
  if (rows.size() > std::size(known)) {
    findings.Add(Code::kUnexpectedRow, In("table meta"), "it has rows that the format does not");
  }
  if (!is_whole) return std::nullopt;
  if (const uint64_t version = ReadBigEndian(rows.at("format_version"));
      version != kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the log has format version ", version, ", this program reads ",
                     kFormatVersion, ": use the recordsctl of the server's version"));
  }
  const uint64_t partition_count = ReadBigEndian(rows.at("partition_count"));
  if (partition_count == 0 || partition_count > kPartitionsMax) {
    findings.Add(Code::kMeta, In("table meta, row partition_count"),
                 absl::StrCat(partition_count, " partitions; 1 to ", kPartitionsMax));
    return std::nullopt;
  }
  return LogMeta{rows.at("store_id"), static_cast<uint32_t>(partition_count),
                 ReadBigEndian(rows.at("created_at_us"))};
}

void CheckDefaultTable(const StoreReader& store, Findings& findings) {
  const std::unique_ptr<rocksdb::Iterator> row = store.NewIterator("default");
  if (row == nullptr) return;
  row->SeekToFirst();
  if (row->Valid()) {
    findings.Add(Code::kUnexpectedRow, In("table default"), "it has rows and must be empty");
  }
  store.AddReadError(row->status(), In("table default"), findings);
}

absl::Status CheckIds(ImpliedRows& rows, Findings& findings) {
  RETURN_IF_ERROR(rows.ids.Finish());
  IdSorter::Record record{};
  IdSorter::Record before{};
  bool found = true;
  for (bool is_first = true;; is_first = false) {
    RETURN_IF_ERROR(rows.ids.Next(&record, &found));
    if (!found) return absl::OkStatus();
    if (!is_first && std::equal(record.begin(), record.begin() + kIdSize, before.begin())) {
      findings.Add(
          Code::kDuplicateId, PlaceOf(ToView(record).substr(kIdSize)),
          absl::StrCat("it has the id of ", Describe(PlaceOf(ToView(before).substr(kIdSize))),
                       ": an event was copied"));
    }
    before = record;
  }
}

absl::Status CheckStreams(const StoreReader& store, uint32_t partition_count, ImpliedRows& rows,
                          Findings& findings) {
  RETURN_IF_ERROR(rows.streams.Finish());
  RevisionCheck revisions(findings);
  RowRules rules{.table = "streams", .key_size = kStreamKeySize, .value_size = 8};
  rules.place = [partition_count](absl::string_view key, absl::string_view value) {
    const auto ledger = static_cast<uint8_t>(key[kStreamPrefixSize - 1]);
    return Place{ledger > 1 ? std::nullopt : std::optional<Ledger>(static_cast<Ledger>(ledger)),
                 PartitionOf(key, partition_count),
                 ReadBigEndian(value),
                 {}};
  };
  rules.on_repeat = [&findings](const Place& first, const Place& second) {
    findings.Add(Code::kRevisionGap, second,
                 absl::StrCat("it has the stream and revision of ", Describe(first)));
  };
  rules.on_row = [&revisions](absl::string_view key, const Place& place) {
    revisions.OnRow(key, place);
  };
  return MatchRows(store, rules, rows.streams, findings);
}

absl::Status CheckRequests(const StoreReader& store, ImpliedRows& rows, Findings& findings) {
  RETURN_IF_ERROR(rows.requests.Finish());
  RowRules rules{.table = "requests", .key_size = kRequestKeySize, .value_size = kRequestValueSize};
  rules.place = [](absl::string_view, absl::string_view value) { return PlaceOf(value); };
  rules.on_repeat = [&findings](const Place& first, const Place& second) {
    findings.Add(Code::kIndexRowWrong, second,
                 absl::StrCat("it has the request key of ", Describe(first),
                              ": one request was carried out twice"));
  };
  rules.on_row = [](absl::string_view, const Place&) {};
  return MatchRows(store, rules, rows.requests, findings);
}

void CheckTiles(const StoreReader& store, uint32_t partition_count,
                const std::vector<TreeResult>& trees, Findings& findings) {
  const std::unique_ptr<rocksdb::Iterator> row = store.NewIterator("tree");
  if (row == nullptr) return;
  for (row->SeekToFirst(); row->Valid(); row->Next()) {
    const absl::string_view key = ToView(row->key());
    const uint64_t ledger = ReadBigEndian(key.substr(0, 1));
    const uint64_t partition = ReadBigEndian(key.substr(0, 3)) & 0xffff;
    if (key.size() != kTileKeySize || row->value().size() != kTileSize || ledger > 1 ||
        partition >= partition_count) {
      findings.Add(Code::kUnexpectedRow, In("table tree"), "a row that is no tile of this log");
      continue;
    }
    const uint64_t level = ReadBigEndian(key.substr(3, 1));
    const uint64_t index = ReadBigEndian(key.substr(4));
    const uint64_t size = trees[ledger * partition_count + partition].size;
    const uint64_t complete = level < 7 ? size >> (8 * (level + 1)) : 0;
    if (index < complete) continue;
    findings.Add(Code::kTileExtra,
                 At(static_cast<Ledger>(ledger), static_cast<uint32_t>(partition)),
                 absl::StrCat("tile {", level, ", ", index, "} is there, but the tree of ", size,
                              " events has no such tile: events are missing at the end"));
  }
  store.AddReadError(row->status(), In("table tree"), findings);
}

}  // namespace records::tools::verify
