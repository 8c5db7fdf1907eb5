#include "eventstore/internal/read_backup.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/backup_files.h"
#include "eventstore/crypto.h"
#include "eventstore/status_macros.h"
#include "rocksdb/env.h"

namespace records::eventstore::internal {

absl::Status Damaged(absl::string_view folder, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the backup ", folder, " is damaged: ", what,
                                          ". Nothing was restored. Use another backup."));
}

absl::StatusOr<ReadBackup> ReadOneBackup(rocksdb::Env& env, const std::string& folder,
                                         BackupPart part) {
  ReadBackup backup{folder};
  if (absl::EndsWith(folder, kUnfinishedBackupSuffix)) {
    return Damaged(folder, "it was never finished");
  }
  ASSIGN_OR_RETURN(const bool is_there, FileIsThere(env, folder));
  if (!is_there) return absl::NotFoundError(absl::StrCat("there is no backup ", folder));
  const auto note =
      ReadWholeFile(env, absl::StrCat(folder, "/", kBackupManifestFile), kBackupManifestBytesMax);
  if (absl::IsNotFound(note.status())) return Damaged(folder, "it has no backup.manifest");
  RETURN_IF_ERROR(note.status());
  backup.note = *note;
  const auto manifest = DecodeSignedManifest(backup.note);
  if (absl::IsDataLoss(manifest.status())) return Damaged(folder, manifest.status().message());
  RETURN_IF_ERROR(manifest.status());
  backup.manifest = *manifest;
  if (backup.manifest.part != part) {
    return absl::FailedPreconditionError(absl::StrCat(folder, " is a backup of the ",
                                                      NameOf(backup.manifest.part), ", not of the ",
                                                      NameOf(part)));
  }
  const auto list =
      ReadWholeFile(env, absl::StrCat(folder, "/", kBackupFilesFile), kBackupFilesBytesMax);
  if (absl::IsNotFound(list.status())) return Damaged(folder, "it has no backup.files");
  RETURN_IF_ERROR(list.status());
  if (Sha256(*list) != backup.manifest.files_sha256) {
    return Damaged(folder, "backup.files is not that of its manifest");
  }
  auto files = DecodeBackupFiles(*list);
  if (!files.ok()) return Damaged(folder, files.status().message());
  backup.files = *std::move(files);
  return backup;
}

}  // namespace records::eventstore::internal
