#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rocksdb/db.h"
#include "rocksdb/iterator.h"
#include "tools/recordsctl/verify/finding.h"

namespace records::tools::verify {

// One RocksDB of a data folder, open for reading. Takes no lock and writes nothing, not even
// RocksDB's own log. It holds what the files said at one instant: of a store that a server has
// open, a prefix of its batches, and later ones do not show.
//
// Not thread-safe.
class StoreReader {
 public:
  struct Options {
    std::string data_dir;
    std::string folder;  // in data_dir, such as "log"
    std::set<std::string> tables;
  };

  // Opens strictly: a write-ahead log that is not whole is told (torn_log()), a missing or damaged
  // file is a finding, and then the result is null. An error means that it could not be looked at.
  static absl::StatusOr<std::unique_ptr<StoreReader>> Open(const Options& options,
                                                           Findings& findings);
  ~StoreReader();
  StoreReader(const StoreReader&) = delete;
  StoreReader& operator=(const StoreReader&) = delete;

  // Whether another process has it open.
  bool is_live() const { return is_live_; }

  // What RocksDB said about the end of a write-ahead log that it cut; empty when all was whole.
  // Whether anything that counts was cut, the anchor knows.
  const std::string& torn_log() const { return torn_log_; }

  // Null when the table is not there. Checksums are verified.
  std::unique_ptr<rocksdb::Iterator> NewIterator(const std::string& table) const;
  absl::StatusOr<std::optional<std::string>> Get(const std::string& table,
                                                 absl::string_view key) const;

  // Reads every block of every table file; names each that is damaged or missing.
  void CheckFiles(Findings& findings) const;

  // Adds what ended a walk before its end.
  void AddReadError(const rocksdb::Status& status, const Place& place, Findings& findings) const;

 private:
  explicit StoreReader(const Options& options);

  rocksdb::Status TryOpen(bool strict);
  rocksdb::Status OpenAtOneInstant();
  rocksdb::Status ReadTableNames(Findings& findings);
  std::string Fingerprint() const;
  // Each table file that is there, also those that no longer count: for a store that does not open.
  void CheckFilesOfFolder(Findings& findings) const;
  void CheckFile(const std::string& name, Findings& findings) const;
  std::string Explain(const rocksdb::Status& status) const;
  void Close();

  const Options options_;
  const std::string path_;
  bool is_live_ = false;
  std::string torn_log_;
  std::vector<std::string> families_;
  std::unique_ptr<rocksdb::DB> db_;
  std::map<std::string, rocksdb::ColumnFamilyHandle*> handles_;
};

// Whether a RocksDB's lock is held by another process.
bool IsLocked(const std::string& path);

}  // namespace records::tools::verify
