#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <algorithm>
#include <memory>
#include <random>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/bench/load.h"
#include "tools/bench/raw_writes.h"

namespace records::bench {
namespace {

constexpr double kRowsPerEventMin = 0.001;

// A RocksDB with its column families; closes them in order.
struct RawStore {
  std::unique_ptr<rocksdb::DB> database;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  ~RawStore() {
    for (auto* family : families) database->DestroyColumnFamilyHandle(family);
  }
};

absl::StatusOr<std::unique_ptr<RawStore>> OpenRaw(const std::filesystem::path& folder,
                                                  const std::vector<std::string>& names,
                                                  bool read_only) {
  auto store = std::make_unique<RawStore>();
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  rocksdb::DBOptions options;
  options.create_if_missing = !read_only;
  options.create_missing_column_families = !read_only;
  // As the log is written: RocksDB would correct its list of files otherwise, and read-only it ends
  // the process over that.
  options.track_and_verify_wals_in_manifest = read_only;
  rocksdb::DB* database = nullptr;
  const rocksdb::Status opened =
      read_only
          ? rocksdb::DB::OpenForReadOnly(options, folder, families, &store->families, &database)
          : rocksdb::DB::Open(options, folder, families, &store->families, &database);
  if (!opened.ok()) {
    return absl::UnavailableError(absl::StrCat("a reference store: ", opened.ToString()));
  }
  store->database.reset(database);
  return store;
}

std::string KeyOf(std::mt19937_64& random, bool in_order, uint64_t number, size_t size) {
  std::string key = absl::StrCat(absl::Hex(number, absl::kZeroPad16));
  if (!in_order) {
    key.clear();
    while (key.size() < size) key += absl::StrCat(absl::Hex(random(), absl::kZeroPad16));
  }
  key.resize(size, '0');
  return key;
}

}  // namespace

absl::StatusOr<std::vector<TableSizes>> MeasureTables(const std::filesystem::path& data) {
  const std::filesystem::path folder = data / "log";
  std::vector<std::string> names;
  if (!rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), folder, &names).ok()) {
    return absl::NotFoundError("there is no log to measure");
  }
  auto opened = OpenRaw(folder, names, /*read_only=*/true);
  if (!opened.ok()) return opened.status();
  const RawStore& store = **opened;
  std::vector<TableSizes> tables;
  std::vector<double> rows;
  double events = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    double count = 0, key_bytes = 0, value_bytes = 0;
    const std::unique_ptr<rocksdb::Iterator> cursor(
        store.database->NewIterator(rocksdb::ReadOptions(), store.families[i]));
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
      count += 1;
      key_bytes += static_cast<double>(cursor->key().size());
      value_bytes += static_cast<double>(cursor->value().size());
    }
    if (names[i] == "events") events = count;
    rows.push_back(count);
    const double divisor = std::max(count, 1.0);
    tables.push_back({names[i], 0, static_cast<size_t>(key_bytes / divisor),
                      static_cast<size_t>(value_bytes / divisor)});
  }
  if (events == 0) return absl::NotFoundError("there are no events to measure");
  for (size_t i = 0; i < tables.size(); ++i) tables[i].rows_per_event = rows[i] / events;
  std::erase_if(tables,
                [](const TableSizes& table) { return table.rows_per_event < kRowsPerEventMin; });
  return tables;
}

absl::StatusOr<double> WriteRawBatches(const std::filesystem::path& folder,
                                       const std::vector<TableSizes>& tables,
                                       size_t events_per_batch, absl::Duration duration) {
  std::filesystem::remove_all(folder);
  std::vector<std::string> names = {rocksdb::kDefaultColumnFamilyName};
  for (const TableSizes& table : tables) names.push_back(table.name);
  auto opened = OpenRaw(folder, names, /*read_only=*/false);
  if (!opened.ok()) return opened.status();
  const RawStore& store = **opened;
  rocksdb::WriteOptions synced;
  synced.sync = true;
  std::mt19937_64 random(events_per_batch);
  std::vector<double> owed(tables.size(), 0);
  std::vector<std::string> values;
  for (const TableSizes& table : tables) values.emplace_back(table.value_bytes, '\0');
  // Sealed bytes do not compress.
  for (std::string& value : values) {
    for (char& byte : value) byte = static_cast<char>(random());
  }
  uint64_t events = 0;
  const absl::Time start = absl::Now();
  while (absl::Now() < start + duration && !interrupted) {
    rocksdb::WriteBatch batch;
    for (size_t i = 0; i < events_per_batch; ++i, ++events) {
      for (size_t t = 0; t < tables.size(); ++t) {
        // Only events and tiles come in the order of their keys.
        const bool in_order = tables[t].name == "events" || tables[t].name == "tree";
        for (owed[t] += tables[t].rows_per_event; owed[t] >= 1; owed[t] -= 1) {
          batch.Put(store.families[t + 1], KeyOf(random, in_order, events, tables[t].key_bytes),
                    values[t]);
        }
      }
    }
    if (!store.database->Write(synced, &batch).ok()) {
      return absl::UnavailableError("a raw batch failed");
    }
  }
  return static_cast<double>(events) / absl::ToDoubleSeconds(absl::Now() - start);
}

}  // namespace records::bench
