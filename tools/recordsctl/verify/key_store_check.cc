#include "tools/recordsctl/verify/key_store_check.h"

#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"
#include "tools/recordsctl/verify/anchor_reader.h"
#include "tools/recordsctl/verify/store_reader.h"

namespace records::tools::verify {
namespace {

constexpr char kFolder[] = "keys";
constexpr char kAnchorFile[] = "keys.anchor";
constexpr char kMasterKeyFile[] = "master.key";
// Sequence, hash, hash before, numbers of rows in keys, directory and fences.
constexpr size_t kStateSize = 8 + 2 * kHashSize + 3 * 8;
// Format version, id.
constexpr size_t kStoreRowSize = 4 + kIdSize;
// Generation of the master key, nonce, tag: what sealing adds to a row.
constexpr size_t kSealSize = 4 + 12 + 16;
constexpr size_t kKeyRowSize = kSealSize + 32 + kIdSize + 48 + 8;
constexpr size_t kFenceRowSize = kSealSize + kIdSize;
constexpr size_t kDirectoryRowUnit = 128;

struct State {
  uint64_t sequence = 0;
  std::string hash;
  std::string hash_before;
  uint64_t keys = 0;
  uint64_t directory = 0;
  uint64_t fences = 0;
};

std::optional<std::string> ReadRow(const StoreReader& store, const char* row, size_t size,
                                   Findings& findings) {
  const absl::StatusOr<std::optional<std::string>> value = store.Get("meta", row);
  const Place place = In(absl::StrCat(kFolder, ", table meta, row ", row));
  if (!value.ok()) {
    findings.Add(Code::kFileDamaged, place, std::string(value.status().message()));
  } else if (!value->has_value()) {
    findings.Add(Code::kKeyStore, place, "the row is missing");
  } else if ((*value)->size() != size) {
    findings.Add(Code::kKeyStore, place, "the row has a wrong length");
  } else {
    return *value;
  }
  return std::nullopt;
}

std::optional<State> ReadState(const StoreReader& store, Findings& findings) {
  const std::optional<std::string> row = ReadRow(store, "state", kStateSize, findings);
  if (!row) return std::nullopt;
  const auto number = [&](size_t which) {
    return ReadBigEndian(row->substr(8 + 2 * kHashSize + 8 * which, 8));
  };
  return State{ReadBigEndian(row->substr(0, 8)),
               row->substr(8, kHashSize),
               row->substr(8 + kHashSize, kHashSize),
               number(0),
               number(1),
               number(2)};
}

// Nullopt: a finding says why. `both_valid`: whether neither of its copies is damaged.
std::optional<KeyStoreAnchor> ReadKeyAnchor(const std::string& data_dir, Findings& findings,
                                            bool* both_valid) {
  const absl::StatusOr<AnchorReading> reading = ReadAnchor(data_dir + "/" + kAnchorFile);
  absl::Status status = reading.status();
  if (reading.ok()) {
    absl::StatusOr<KeyStoreAnchor> anchor = ParseKeyStoreAnchor(reading->payload);
    *both_valid = reading->both_copies_valid;
    if (anchor.ok()) return *anchor;
    status = anchor.status();
  }
  findings.Add(Code::kAnchorDamaged, In(kAnchorFile),
               absl::IsNotFound(status) ? "the file is missing" : std::string(status.message()));
  return std::nullopt;
}

// The state must be that of the first anchor or later, and at most one batch later than the second.
void CompareWithAnchors(const State& state, const KeyStoreAnchor& before,
                        const KeyStoreAnchor& after, Findings& findings) {
  const Place place = In(kFolder);
  if (state.sequence < before.sequence) {
    findings.Add(Code::kShorterThanAnchor, place,
                 absl::StrCat("the key store is at sequence ", state.sequence, ", its anchor at ",
                              before.sequence, ": changes that were acknowledged are missing"));
  } else if (state.sequence > after.sequence + 1) {
    findings.Add(Code::kAnchorBehind, In(kAnchorFile),
                 absl::StrCat("it says sequence ", after.sequence, ", the key store is at ",
                              state.sequence, ", more than one batch on: an old anchor"));
  }
  for (const KeyStoreAnchor* anchor : {&before, &after}) {
    const bool differs =
        (state.sequence == anchor->sequence && state.hash != anchor->hash) ||
        (state.sequence == anchor->sequence + 1 && state.hash_before != anchor->hash);
    if (!differs) continue;
    findings.Add(Code::kRootDiffers, place,
                 absl::StrCat("its chain of batches is not that of its anchor at sequence ",
                              anchor->sequence));
    return;
  }
}

bool IsKeyRow(size_t key, size_t value) { return key == 32 && value == kKeyRowSize; }

bool IsDirectoryRow(size_t key, size_t value) {
  return (key == 32 || key == 16) && value > kSealSize &&
         (value - kSealSize) % kDirectoryRowUnit == 0;
}

bool IsFenceRow(size_t key, size_t value) { return key == 16 && value == kFenceRowSize; }

// Counts the rows of a table, each of which has one of the sizes that the format allows.
uint64_t CountRows(const StoreReader& store, const std::string& table,
                   bool (*is_row)(size_t key, size_t value), Findings& findings) {
  const std::unique_ptr<rocksdb::Iterator> row = store.NewIterator(table);
  if (row == nullptr) return 0;
  const Place place = In(absl::StrCat(kFolder, ", table ", table));
  uint64_t count = 0;
  for (row->SeekToFirst(); row->Valid(); row->Next()) {
    ++count;
    if (is_row(row->key().size(), row->value().size())) continue;
    findings.Add(Code::kKeyStore, place, "a row has a size that none of its rows has");
  }
  store.AddReadError(row->status(), place, findings);
  return count;
}

void CheckRows(const StoreReader& store, const State& state, Report& report) {
  report.keys = CountRows(store, "keys", IsKeyRow, report.findings);
  const uint64_t directory = CountRows(store, "directory", IsDirectoryRow, report.findings);
  const uint64_t fences = CountRows(store, "fences", IsFenceRow, report.findings);
  const auto compare = [&](const char* table, uint64_t rows, uint64_t expected) {
    if (rows == expected) return;
    report.findings.Add(Code::kKeyStore, In(absl::StrCat(kFolder, ", table ", table)),
                        absl::StrCat("it has ", rows, " rows, its state says ", expected));
  };
  compare("keys", report.keys, state.keys);
  compare("directory", directory, state.directory);
  compare("fences", fences, state.fences);
}

void CheckStoreRow(const StoreReader& store, const KeyStoreAnchor& anchor, Findings& findings) {
  const std::optional<std::string> row = ReadRow(store, "store", kStoreRowSize, findings);
  if (!row || row->substr(4) == anchor.store) return;
  findings.Add(Code::kOtherLog, In(kAnchorFile), "it is the anchor of another key store");
}

}  // namespace

absl::Status CheckKeyStore(const std::string& data_dir, std::optional<uint64_t> key_store_sequence,
                           Report& report) {
  if (!std::filesystem::exists(data_dir + "/" + kFolder)) {
    if (std::filesystem::exists(data_dir + "/" + kAnchorFile) ||
        std::filesystem::exists(data_dir + "/" + kMasterKeyFile)) {
      report.findings.Add(Code::kFileDamaged, In(kFolder),
                          "the folder is missing, and its anchor or master key is there");
    }
    return absl::OkStatus();
  }
  report.has_key_store = true;
  bool both_valid = true;
  const std::optional<KeyStoreAnchor> before =
      ReadKeyAnchor(data_dir, report.findings, &both_valid);
  if (before && !both_valid) {
    report.notes.push_back(
        "keys.anchor: one of its two copies is not valid, as after a crash in the midst of a "
        "write; the next start mends it");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> store,
                   StoreReader::Open({.data_dir = data_dir,
                                      .folder = kFolder,
                                      .tables = {"meta", "keys", "directory", "fences"}},
                                     report.findings));
  if (store == nullptr) return absl::OkStatus();
  const std::optional<KeyStoreAnchor> after = ReadKeyAnchor(data_dir, report.findings, &both_valid);
  store->CheckFiles(report.findings);
  const std::optional<State> state = ReadState(*store, report.findings);
  if (!state) return absl::OkStatus();
  report.key_store_sequence = state->sequence;
  if (before && after) {
    report.key_store_erasures = before->erasures;
    CompareWithAnchors(*state, *before, *after, report.findings);
    CheckStoreRow(*store, *after, report.findings);
  }
  CheckRows(*store, *state, report);
  if (key_store_sequence && state->sequence < *key_store_sequence) {
    report.findings.Add(Code::kShorterThanAnchor, In(kFolder),
                        absl::StrCat("the key store is at sequence ", state->sequence,
                                     "; the log was written when it had come to ",
                                     *key_store_sequence, ": it is older than the log"));
  }
  if (!store->torn_log().empty() && !store->is_live()) {
    report.notes.push_back(absl::StrCat(kFolder,
                                        ": a write-ahead log does not end whole, as "
                                        "after a crash (",
                                        store->torn_log(), "); what the anchor says is there"));
  }
  return absl::OkStatus();
}

}  // namespace records::tools::verify
