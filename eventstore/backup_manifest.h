#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventstore/backup_files.h"
#include "eventstore/erasure_head.h"
#include "eventstore/ids.h"
#include "eventstore/merkle.h"

namespace records::eventstore {

// Files of a backup beside those that it copies (FORMAT.md, Backups).
inline constexpr char kBackupManifestFile[] = "backup.manifest";
inline constexpr char kBackupFilesFile[] = "backup.files";
inline constexpr char kSealedCheckpointKeyFile[] = "checkpoint.key.sealed";

// What the checkpoint key of a backup is sealed for (KeyStore::SealToken()).
inline constexpr char kCheckpointKeyLabel[] = "records backup checkpoint key v1";
// Ends the name of a backup that is being made, or was cut short.
inline constexpr char kUnfinishedBackupSuffix[] = ".unfinished";

// Longest manifest, and longest list of files: some 100,000 of them.
inline constexpr size_t kBackupManifestBytesMax = size_t{64} << 10;
inline constexpr size_t kBackupFilesBytesMax = size_t{16} << 20;

// A backup is of the log or of the keys, never of both: each is worth nothing without the other.
enum class BackupPart { kLog, kKeys };

// "log" or "keys".
absl::string_view NameOf(BackupPart part);

// What a backup says of itself. A value type.
struct BackupManifest {
  BackupPart part = BackupPart::kLog;
  std::string name;
  absl::Time created_at;  // whole seconds
  StoreId log;
  // The position: events and access traces in the log backup of this run, and the root over all its
  // trees as its checkpoint has it.
  uint64_t events = 0;
  uint64_t access = 0;
  Hash head{};
  // Of the log: how far the key store must have come at least. Of the keys: how far it has come.
  uint64_t key_store_sequence = 0;
  uint32_t master_key_generation = 0;
  ErasureHead erasure_ledger;
  // Of the list of files: how many, their bytes, and SHA-256 of the list itself.
  uint64_t files = 0;
  uint64_t bytes = 0;
  Digest files_sha256{};

  friend bool operator==(const BackupManifest&, const BackupManifest&) = default;
};

// The text of a manifest, to be signed.
std::string EncodeBackupManifest(const BackupManifest& manifest);
// kDataLoss: not what EncodeBackupManifest() returns. kFailedPrecondition: of another version.
[[nodiscard]] absl::StatusOr<BackupManifest> DecodeBackupManifest(absl::string_view text);

// Reads a manifest from its signed note; the signature is the caller's to verify.
[[nodiscard]] absl::StatusOr<BackupManifest> DecodeSignedManifest(absl::string_view note);

// The list of files, as sha256sum writes and checks it.
std::string EncodeBackupFiles(const std::vector<BackupFile>& files);
// The sizes are not in it. kDataLoss: not such a list, or a name that leads out of the folder.
[[nodiscard]] absl::StatusOr<std::vector<BackupFile>> DecodeBackupFiles(absl::string_view text);

// Whether `name` may name a backup: 1 to 64 of a-z, 0-9 and hyphen, not a hyphen first.
bool IsBackupName(absl::string_view name);

}  // namespace records::eventstore
