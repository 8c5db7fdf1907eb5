#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "eventstore/rocks_storage.h"
#include "rocksdb/options.h"

// Private to rocks_storage.cc: RocksDB's options and errors, each chosen for a reason.
namespace records::eventstore::internal {

// Translates. A message of RocksDB names files and offsets, never keys or values.
absl::Status FromRocks(const rocksdb::Status& status);

rocksdb::DBOptions MakeDbOptions(const RocksStorageOptions& options);
rocksdb::ColumnFamilyOptions MakeTableOptions(const RocksTable& table,
                                              const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace records::eventstore::internal
