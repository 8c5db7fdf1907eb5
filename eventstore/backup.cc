#include "eventstore/backup.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "eventstore/anchor.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/event_log.h"
#include "eventstore/internal/rocks_options.h"
#include "eventstore/planted_bug.h"
#include "eventstore/signed_note.h"
#include "eventstore/status_macros.h"
#include "rocksdb/env.h"

namespace records::eventstore {
namespace {

constexpr char kStagingFolder[] = "backup.staging";

std::string Unfinished(const std::string& name) {
  return absl::StrCat(".", name, kUnfinishedBackupSuffix);
}

// Events and access traces that an anchor tells of.
void SetPosition(const LogAnchor& anchor, BackupManifest& manifest) {
  const size_t partitions = anchor.trees.size() / 2;
  manifest.log = anchor.store;
  manifest.events = manifest.access = 0;
  for (size_t i = 0; i < anchor.trees.size(); ++i) {
    (i < partitions ? manifest.events : manifest.access) += anchor.trees[i].size;
  }
  manifest.head = MakeCheckpoint(anchor.store, anchor.trees).root;
  manifest.key_store_sequence = anchor.key_store_sequence;
  manifest.erasure_ledger = {anchor.erasure_ledger_size, anchor.erasure_ledger_head};
}

// Every folder that one of the files lies in.
std::set<std::string> FoldersOf(const std::vector<std::string>& files) {
  std::set<std::string> folders;
  for (const std::string& file : files) {
    const size_t slash = file.rfind('/');
    if (slash != std::string::npos) folders.insert(file.substr(0, slash));
  }
  return folders;
}

std::optional<BackupManifest> ReadManifest(rocksdb::Env& env, const std::string& folder) {
  const auto note =
      ReadWholeFile(env, absl::StrCat(folder, "/", kBackupManifestFile), kBackupManifestBytesMax);
  if (!note.ok()) return std::nullopt;
  absl::StatusOr<BackupManifest> manifest = DecodeSignedManifest(*note);
  if (!manifest.ok()) return std::nullopt;
  return *std::move(manifest);
}

}  // namespace

Backups::Backups(EventLog& log, KeyStore& keys, BackupOptions options)
    : log_(log),
      keys_(keys),
      options_(std::move(options)),
      env_(options_.env != nullptr ? *options_.env : *rocksdb::Env::Default()) {}

std::string Backups::staging() const {
  return absl::StrCat(options_.data_dir, "/", kStagingFolder);
}

absl::Status Backups::CleanUp() {
  RETURN_IF_ERROR(RemoveFolderAt(env_, staging()));
  const std::string& log = options_.log_folder;
  const std::string& keys = options_.keys_folder;
  if (!log.empty()) RETURN_IF_ERROR(SettleUnfinished(log, keys));
  return keys.empty() ? absl::OkStatus() : SettleUnfinished(keys, log);
}

absl::Status Backups::SettleUnfinished(const std::string& folder, const std::string& other) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(env_, folder));
  for (const std::string& unfinished : names) {
    absl::string_view name = unfinished;
    if (!absl::ConsumePrefix(&name, ".") || !absl::ConsumeSuffix(&name, kUnfinishedBackupSuffix)) {
      continue;
    }
    const std::string half = absl::StrCat(folder, "/", unfinished);
    ASSIGN_OR_RETURN(const bool is_taken, FileIsThere(env_, absl::StrCat(folder, "/", name)));
    RETURN_IF_ERROR(!is_taken && WasPublished(half, absl::StrCat(other, "/", name))
                        ? Publish(folder, std::string(name))
                        : RemoveFolderAt(env_, half));
  }
  return absl::OkStatus();
}

bool Backups::WasPublished(const std::string& half, const std::string& other_half) const {
  const std::optional<BackupManifest> one = ReadManifest(env_, half);
  const std::optional<BackupManifest> other = ReadManifest(env_, other_half);
  return one && other && one->part != other->part && one->name == other->name &&
         one->log == other->log && one->created_at == other->created_at;
}

absl::Status Backups::CheckFolders() const {
  if (options_.log_folder.empty() || options_.keys_folder.empty()) {
    return absl::FailedPreconditionError(
        "this server was not told where backups go: start it with --backup-log-folder and "
        "--backup-keys-folder, best on two other disks");
  }
  for (const std::string& folder : {options_.log_folder, options_.keys_folder}) {
    ASSIGN_OR_RETURN(const bool is_there, FileIsThere(env_, folder));
    if (is_there) continue;
    return absl::FailedPreconditionError(absl::StrCat("the folder of backups ", folder,
                                                      " is not there: make it, or mount its disk"));
  }
  return absl::OkStatus();
}

absl::Status Backups::CheckFree(const std::string& name) const {
  for (const std::string& folder : {options_.log_folder, options_.keys_folder}) {
    ASSIGN_OR_RETURN(const bool is_there, FileIsThere(env_, absl::StrCat(folder, "/", name)));
    if (is_there) {
      return absl::AlreadyExistsError("there is a backup of that name; none is ever overwritten");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<MadeBackups> Backups::Create(const std::string& name,
                                            absl::FunctionRef<bool(const BackupProgress&)> go_on) {
  if (!IsBackupName(name)) {
    return absl::InvalidArgumentError("a name of a backup is 1 to 64 of a-z, 0-9 and hyphen");
  }
  RETURN_IF_ERROR(CheckFolders());
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(busy_, true)) {
      return absl::AbortedError("a backup is being made: one at a time");
    }
  }
  const absl::Cleanup no_longer_busy = [this] {
    absl::MutexLock lock(&mutex_);
    busy_ = false;
  };
  absl::StatusOr<MadeBackups> made = CreateAlone(name, go_on);
  // Of one that failed nothing stays: the copies of keys among it would outlive an erasure.
  const absl::Status cleaned = CleanUp();
  if (cleaned.ok() || made.ok()) return cleaned.ok() ? std::move(made) : cleaned;
  return absl::Status(made.status().code(),
                      absl::StrCat(made.status().message(),
                                   "; what it left could not be settled: ", cleaned.message(),
                                   ". The next start of the server tries again"));
}

absl::StatusOr<MadeBackups> Backups::CreateAlone(
    const std::string& name, absl::FunctionRef<bool(const BackupProgress&)> go_on) {
  RETURN_IF_ERROR(CheckFree(name));
  RETURN_IF_ERROR(CleanUp());
  RETURN_IF_ERROR(MakeFolderAt(env_, staging()));
  BackupManifest manifest{
      .name = name,
      .created_at = absl::FromUnixSeconds(absl::ToUnixSeconds(options_.clock->Now()))};
  const bool keys_first = PLANTED_BUG("backup-keys-first");
  if (keys_first) RETURN_IF_ERROR(StageKeys(manifest));
  RETURN_IF_ERROR(StageLog(manifest));
  BackupManifest of_log = manifest;
  // The keys after the log: what an event is sealed under was durable before the event was.
  if (!keys_first) RETURN_IF_ERROR(StageKeys(manifest));
  manifest.part = BackupPart::kKeys;
  of_log.master_key_generation = manifest.master_key_generation;
  MadeBackups made;
  ASSIGN_OR_RETURN(made.log, CopyOut(absl::StrCat(staging(), "/log"), std::move(of_log), go_on));
  ASSIGN_OR_RETURN(made.keys,
                   CopyOut(absl::StrCat(staging(), "/keys"), std::move(manifest), go_on));
  // A rotation meanwhile has destroyed the master key that the copy opens with.
  if (keys_.GetStatus().master_key_generation != made.keys.manifest.master_key_generation) {
    return absl::AbortedError(
        "the master key was rotated while the backup was made, which ended it: make another one");
  }
  RETURN_IF_ERROR(PublishBoth(name));
  return made;
}

absl::Status Backups::StageLog(BackupManifest& manifest) {
  const std::string folder = absl::StrCat(staging(), "/log");
  RETURN_IF_ERROR(MakeFolderAt(env_, folder));
  ASSIGN_OR_RETURN(const LogCopy copy, log_.CopyTo(folder));
  ASSIGN_OR_RETURN(const LogAnchor anchor, DecodeLogAnchor(copy.anchor));
  SetPosition(anchor, manifest);
  return absl::OkStatus();
}

absl::Status Backups::StageKeys(BackupManifest& manifest) {
  const std::string folder = absl::StrCat(staging(), "/keys");
  RETURN_IF_ERROR(MakeFolderAt(env_, folder));
  ASSIGN_OR_RETURN(const KeyStoreCopy copy, keys_.CopyTo(folder));
  manifest.key_store_sequence = copy.sequence;
  manifest.master_key_generation = copy.master_key_generation;
  manifest.erasure_ledger = copy.erasures;
  // The key that signs checkpoints goes with the keys, and opens with them only.
  ASSIGN_OR_RETURN(const SecretBytes seed, OpenCheckpointFiles(options_.data_dir)->ReadKey());
  ASSIGN_OR_RETURN(const std::string sealed, keys_.SealToken(kCheckpointKeyLabel, "", seed.view()));
  return WriteFileDurably(env_, absl::StrCat(folder, "/", kSealedCheckpointKeyFile), sealed);
}

absl::StatusOr<MadeBackup> Backups::CopyOut(const std::string& staged, BackupManifest manifest,
                                            absl::FunctionRef<bool(const BackupProgress&)> go_on) {
  const std::string& home =
      manifest.part == BackupPart::kLog ? options_.log_folder : options_.keys_folder;
  const std::string folder = absl::StrCat(home, "/", Unfinished(manifest.name));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFilesBelow(env_, staged));
  BackupProgress progress{.part = manifest.part};
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const uint64_t bytes, FileBytes(env_, absl::StrCat(staged, "/", name)));
    progress.bytes_total += bytes;
  }
  if (!go_on(progress)) return absl::CancelledError("stopped as asked");
  RETURN_IF_ERROR(MakeFolderAt(env_, folder));
  const std::set<std::string> folders = FoldersOf(names);
  for (const std::string& name : folders) {
    RETURN_IF_ERROR(MakeFolderAt(env_, absl::StrCat(folder, "/", name)));
  }
  std::vector<BackupFile> files;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(BackupFile file,
                     CopyFileDurably(env_, staged, folder, name, [&](uint64_t bytes) {
                       progress.bytes_done += bytes;
                       return go_on(progress);
                     }));
    manifest.bytes += file.bytes;
    files.push_back(std::move(file));
  }
  const std::string list = EncodeBackupFiles(files);
  manifest.files = files.size();
  manifest.files_sha256 = Sha256(list);
  RETURN_IF_ERROR(WriteFileDurably(env_, absl::StrCat(folder, "/", kBackupFilesFile), list));
  ASSIGN_OR_RETURN(const std::string note, log_.SignText(EncodeBackupManifest(manifest)));
  RETURN_IF_ERROR(WriteFileDurably(env_, absl::StrCat(folder, "/", kBackupManifestFile), note));
  for (const std::string& name : folders) {
    RETURN_IF_ERROR(SyncFolderAt(env_, absl::StrCat(folder, "/", name)));
  }
  RETURN_IF_ERROR(SyncFolderAt(env_, folder));
  return MadeBackup{absl::StrCat(home, "/", manifest.name), std::move(manifest), Sha256(note)};
}

absl::Status Backups::Publish(const std::string& folder, const std::string& name) {
  RETURN_IF_ERROR(internal::FromRocks(env_.RenameFile(absl::StrCat(folder, "/", Unfinished(name)),
                                                      absl::StrCat(folder, "/", name))));
  return SyncFolderAt(env_, folder);
}

// Both are whole on the disk. The first name decides: after a crash between the two CleanUp() gives
// the other half its name.
absl::Status Backups::PublishBoth(const std::string& name) {
  absl::Status published = Publish(options_.keys_folder, name);
  if (published.ok()) published = Publish(options_.log_folder, name);
  if (published.ok()) return published;
  // It is said to have failed: unless the disk refuses that too, neither keeps the name.
  for (const std::string& folder : {options_.log_folder, options_.keys_folder}) {
    const std::string path = absl::StrCat(folder, "/", name);
    const absl::StatusOr<bool> is_there = FileIsThere(env_, path);
    if (is_there.ok() && !*is_there) continue;
    const absl::Status withdrawn =
        internal::FromRocks(env_.RenameFile(path, absl::StrCat(folder, "/", Unfinished(name))));
    if (!withdrawn.ok()) break;
  }
  return published;
}

absl::StatusOr<std::vector<ListedBackup>> Backups::List() const {
  RETURN_IF_ERROR(CheckFolders());
  std::map<std::string, ListedBackup> found;
  ASSIGN_OR_RETURN(const std::vector<std::string> logs, NamesIn(env_, options_.log_folder));
  ASSIGN_OR_RETURN(const std::vector<std::string> keys, NamesIn(env_, options_.keys_folder));
  for (const std::string& name : logs) {
    if (!IsBackupName(name)) continue;
    found[name].log = ReadManifest(env_, absl::StrCat(options_.log_folder, "/", name));
  }
  for (const std::string& name : keys) {
    if (!IsBackupName(name)) continue;
    found[name].keys = ReadManifest(env_, absl::StrCat(options_.keys_folder, "/", name));
  }
  std::vector<ListedBackup> listed;
  for (auto& [name, backup] : found) {
    backup.name = name;
    listed.push_back(std::move(backup));
  }
  return listed;
}

}  // namespace records::eventstore
