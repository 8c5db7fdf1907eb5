#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventstore/crypto.h"

namespace rocksdb {
class Env;
}

// Whole files of backups, through RocksDB's port to the disk, so that its faults can be injected.
// Thread-safe. No name that is given out is absolute.
namespace records::eventstore {

// Told now and then how many bytes more are copied; false ends the copying with kCancelled.
using CopyProgress = absl::FunctionRef<bool(uint64_t bytes)>;

// A file of a backup, and what it must hold.
struct BackupFile {
  std::string name;  // below the folder: "log/000012.sst"
  uint64_t bytes = 0;
  Digest sha256{};

  friend bool operator==(const BackupFile&, const BackupFile&) = default;
};

// The files below `folder`, in all its folders, sorted by name. kNotFound: there is no folder.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> ListFilesBelow(rocksdb::Env& env,
                                                                      const std::string& folder);

[[nodiscard]] absl::StatusOr<bool> FileIsThere(rocksdb::Env& env, const std::string& path);

// The size of a file, bytes.
[[nodiscard]] absl::StatusOr<uint64_t> FileBytes(rocksdb::Env& env, const std::string& path);

// Makes a folder; OK when it is there. Its name is durable with SyncFolder() of the one above.
[[nodiscard]] absl::Status MakeFolderAt(rocksdb::Env& env, const std::string& path);

// Makes the names in a folder durable.
[[nodiscard]] absl::Status SyncFolderAt(rocksdb::Env& env, const std::string& path);

// Copies the file `name` of folder `from` into folder `to`, makes its content durable and says what
// was copied. kCancelled: `progress` ended it.
[[nodiscard]] absl::StatusOr<BackupFile> CopyFileDurably(rocksdb::Env& env, const std::string& from,
                                                         const std::string& to,
                                                         const std::string& name,
                                                         CopyProgress progress);

// Writes a file and makes its content durable.
[[nodiscard]] absl::Status WriteFileDurably(rocksdb::Env& env, const std::string& path,
                                            absl::string_view content);

// Reads a whole file. kNotFound; kResourceExhausted: it is longer than `bytes_max`.
[[nodiscard]] absl::StatusOr<std::string> ReadWholeFile(rocksdb::Env& env, const std::string& path,
                                                        size_t bytes_max);

// Removes a folder with all that is in it; OK when there is none.
[[nodiscard]] absl::Status RemoveFolderAt(rocksdb::Env& env, const std::string& path);

// The names in a folder, sorted; none when there is no folder.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> NamesIn(rocksdb::Env& env,
                                                               const std::string& folder);

}  // namespace records::eventstore
