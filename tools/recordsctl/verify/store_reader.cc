#include "tools/recordsctl/verify/store_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "rocksdb/env.h"
#include "rocksdb/sst_file_reader.h"
#include "tools/recordsctl/verify/anchor_reader.h"

namespace records::tools::verify {
namespace {

constexpr size_t kCurrentFileBytesMax = 4096;
// A flush or a compaction of a running server may come between, each time.
constexpr int kOpeningsMax = 10;

// Keeps what RocksDB says about parts of a log that it drops, which its status does not always
// name, and writes no file.
class DropCollector final : public rocksdb::Logger {
 public:
  DropCollector() : rocksdb::Logger(rocksdb::InfoLogLevel::INFO_LEVEL) {}

  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    char line[1024];
    std::vsnprintf(line, sizeof(line), format, arguments);
    if (dropped_.empty() && absl::StrContains(line, "dropping")) {
      dropped_ = std::string(absl::StripAsciiWhitespace(line));
    }
  }
  const std::string& dropped() const { return dropped_; }

 private:
  std::string dropped_;
};

rocksdb::ReadOptions Strictly() {
  rocksdb::ReadOptions how;
  how.verify_checksums = true;
  how.total_order_seek = true;
  how.fill_cache = false;
  how.readahead_size = size_t{2} << 20;
  return how;
}

bool IsDenied(const rocksdb::Status& status) {
  return absl::StrContains(status.ToString(), "Permission denied");
}

}  // namespace

bool IsLocked(const std::string& path) {
  const int file = open((path + "/LOCK").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const absl::Cleanup closer = [file] { close(file); };
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

StoreReader::StoreReader(const Options& options)
    : options_(options), path_(options.data_dir + "/" + options.folder) {}

StoreReader::~StoreReader() { Close(); }

void StoreReader::Close() {
  for (const auto& [name, handle] : handles_) db_->DestroyColumnFamilyHandle(handle);
  handles_.clear();
  db_.reset();
}

std::string StoreReader::Explain(const rocksdb::Status& status) const {
  // Paths from the data folder on. RocksDB looks for a missing table file under its old name last.
  return absl::StrReplaceAll(status.ToString(), {{options_.data_dir + "/", ""}, {".ldb", ".sst"}});
}

absl::StatusOr<std::unique_ptr<StoreReader>> StoreReader::Open(const Options& options,
                                                               Findings& findings) {
  std::unique_ptr<StoreReader> reader(new StoreReader(options));
  if (!std::filesystem::exists(reader->path_ + "/CURRENT")) {
    findings.Add(Code::kFileDamaged, In(options.folder + "/CURRENT"),
                 "the file is missing, and with it the whole database");
    return nullptr;
  }
  reader->is_live_ = IsLocked(reader->path_);
  rocksdb::Status status = reader->ReadTableNames(findings);
  if (status.ok()) status = reader->OpenAtOneInstant();
  if (status.ok()) return reader;
  const std::string why = reader->Explain(status);
  if (IsDenied(status)) {
    return absl::PermissionDeniedError(
        absl::StrCat("the store cannot be read: ", why, ". Run it as the user of the server"));
  }
  if (!status.IsCorruption() && !status.IsIOError() && !status.IsPathNotFound()) {
    return absl::FailedPreconditionError(absl::StrCat("the store cannot be opened: ", why));
  }
  reader->CheckFilesOfFolder(findings);
  findings.Add(Code::kFileDamaged, In(options.folder),
               absl::StrCat("RocksDB cannot open it: ", why));
  return nullptr;
}

rocksdb::Status StoreReader::ReadTableNames(Findings& findings) {
  const rocksdb::Status status =
      rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), path_, &families_);
  if (!status.ok()) return status;
  const std::set<std::string> present(families_.begin(), families_.end());
  for (const std::string& table : options_.tables) {
    if (present.contains(table)) continue;
    findings.Add(Code::kFileDamaged, In(absl::StrCat(options_.folder, ", table ", table)),
                 "the table is missing");
  }
  for (const std::string& table : families_) {
    if (table == rocksdb::kDefaultColumnFamilyName || options_.tables.contains(table)) continue;
    findings.Add(Code::kUnexpectedRow, In(absl::StrCat(options_.folder, ", table ", table)),
                 "the format has no such table");
  }
  return status;
}

std::string StoreReader::Fingerprint() const {
  const absl::StatusOr<std::string> current = ReadFile(path_ + "/CURRENT", kCurrentFileBytesMax);
  if (!current.ok()) return "";
  const std::string manifest = absl::StrCat(path_, "/", absl::StripAsciiWhitespace(*current));
  std::error_code error;
  return absl::StrCat(*current, std::filesystem::file_size(manifest, error));
}

// A running server changes its manifest whenever files come or go. While it stays as it was, the
// files that were opened and the write-ahead logs that were read belong together.
rocksdb::Status StoreReader::OpenAtOneInstant() {
  rocksdb::Status status;
  for (int i = 0; i < kOpeningsMax; ++i) {
    const std::string before = Fingerprint();
    Close();
    torn_log_.clear();
    status = TryOpen(/*strict=*/true);
    if (status.IsCorruption()) {
      const std::string strict = torn_log_;
      const std::string why = Explain(status);
      status = TryOpen(/*strict=*/false);
      torn_log_ = absl::StrCat(why, strict.empty() ? "" : "; ", strict);
    }
    if (!is_live_ || (status.ok() && before == Fingerprint())) return status;
  }
  return status;
}

rocksdb::Status StoreReader::TryOpen(bool strict) {
  const auto collector = std::make_shared<DropCollector>();
  rocksdb::DBOptions db_options;
  db_options.info_log = collector;
  db_options.paranoid_checks = true;
  db_options.wal_recovery_mode = strict ? rocksdb::WALRecoveryMode::kAbsoluteConsistency
                                        : rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  db_options.track_and_verify_wals_in_manifest = true;
  db_options.verify_sst_unique_id_in_manifest = true;
  // All files are opened at once: one that is missing is found here, and one that a running server
  // removes later stays readable.
  db_options.max_open_files = -1;
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& family : families_) {
    descriptors.emplace_back(family, rocksdb::ColumnFamilyOptions());
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::OpenForReadOnly(db_options, path_, descriptors, &handles, &db);
  torn_log_ = absl::StrReplaceAll(collector->dropped(), {{options_.data_dir + "/", ""}});
  if (!status.ok()) return status;
  db_.reset(db);
  for (size_t i = 0; i < handles.size(); ++i) handles_[families_[i]] = handles[i];
  return status;
}

std::unique_ptr<rocksdb::Iterator> StoreReader::NewIterator(const std::string& table) const {
  const auto handle = handles_.find(table);
  if (handle == handles_.end()) return nullptr;
  return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(Strictly(), handle->second));
}

absl::StatusOr<std::optional<std::string>> StoreReader::Get(const std::string& table,
                                                            absl::string_view key) const {
  const auto handle = handles_.find(table);
  if (handle == handles_.end()) return std::nullopt;
  rocksdb::ReadOptions how;
  how.verify_checksums = true;
  std::string value;
  const rocksdb::Status status =
      db_->Get(how, handle->second, rocksdb::Slice(key.data(), key.size()), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return absl::DataLossError(Explain(status));
  return value;
}

void StoreReader::CheckFiles(Findings& findings) const {
  std::vector<rocksdb::LiveFileMetaData> files;
  db_->GetLiveFilesMetaData(&files);
  for (const rocksdb::LiveFileMetaData& file : files) CheckFile(file.name, findings);
}

void StoreReader::CheckFilesOfFolder(Findings& findings) const {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    const std::string name = absl::StrCat("/", entry.path().filename().string());
    if (absl::EndsWith(name, ".sst")) CheckFile(name, findings);
  }
}

void StoreReader::CheckFile(const std::string& name, Findings& findings) const {
  rocksdb::Options options;
  options.info_log = std::make_shared<DropCollector>();
  rocksdb::SstFileReader reader(options);
  rocksdb::Status status = reader.Open(path_ + name);
  if (status.ok()) status = reader.VerifyChecksum(Strictly());
  // A running server removes files when it has merged them.
  const bool may_be_gone = is_live_ && !std::filesystem::exists(path_ + name);
  if (status.ok() || may_be_gone) return;
  findings.Add(Code::kFileDamaged, In(options_.folder + name),
               absl::StrCat("the file is damaged: ", Explain(status)));
}

void StoreReader::AddReadError(const rocksdb::Status& status, const Place& place,
                               Findings& findings) const {
  if (status.ok()) return;
  findings.Add(Code::kFileDamaged, place,
               absl::StrCat("the walk ended before the end: ", Explain(status)));
}

}  // namespace records::tools::verify
