#include "eventstore/restore.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/anchor.h"
#include "eventstore/backup_files.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/erasure_replay.h"
#include "eventstore/event_log.h"
#include "eventstore/internal/read_backup.h"
#include "eventstore/internal/rocks_options.h"
#include "eventstore/kept_checkpoint.h"
#include "eventstore/key_store_open.h"
#include "eventstore/log_tail.h"
#include "eventstore/master_keys.h"
#include "eventstore/planted_bug.h"
#include "eventstore/restore_marker.h"
#include "eventstore/signed_note.h"
#include "eventstore/status_macros.h"
#include "rocksdb/env.h"

namespace records::eventstore {
namespace {

using internal::Damaged;
using internal::ReadBackup;

// What lies in a folder that a restore may use.
absl::Status CheckTarget(rocksdb::Env& env, const std::string& to) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(env, to));
  if (names.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool is_marked,
                   FileIsThere(env, absl::StrCat(to, "/", kRestoreMarkerFile)));
  if (is_marked) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(to, " is not empty: a restore never overwrites. Name a new folder."));
}

// A path without links and dots, as far as it is there.
absl::StatusOr<std::filesystem::path> Plain(const std::string& path) {
  std::error_code error;
  auto plain = std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot examine ", path));
  return plain;
}

// A restore that was cut short is begun anew in an emptied folder: nothing that it needs is there.
absl::Status CheckApart(const RestoreOptions& options) {
  ASSIGN_OR_RETURN(const std::filesystem::path to, Plain(options.to));
  for (const std::string* path : {&options.master_key_file, &options.erasure_ledger,
                                  &options.log_backup, &options.keys_backup}) {
    ASSIGN_OR_RETURN(const std::filesystem::path plain, Plain(*path));
    if (std::mismatch(to.begin(), to.end(), plain.begin(), plain.end()).first != to.end()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(*path, " lies in ", options.to,
                     ", which a restore empties before it begins: move it elsewhere"));
  }
  return absl::OkStatus();
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string NameIn(const std::string& folder, absl::string_view name) {
  return absl::StrCat(folder, "/", name);
}

// One restore, step by step.
class Restoring {
 public:
  explicit Restoring(const RestoreOptions& options)
      : options_(options), env_(options.env != nullptr ? *options.env : *rocksdb::Env::Default()) {}

  absl::StatusOr<Restored> Run();

 private:
  absl::Status ReadBackups();
  absl::Status CheckMasterKey();
  absl::Status EmptyTarget();
  absl::Status Mark();
  absl::Status Fill();
  absl::Status CopyFiles(const ReadBackup& backup, absl::string_view left_out);
  absl::Status CopyOne(const ReadBackup& backup, const BackupFile& file);
  absl::StatusOr<std::string> ReadListed(const ReadBackup& backup, const std::string& name);
  absl::Status OpenKeys();
  absl::Status VerifySignatures(const NoteVerifier& verifier);
  absl::Status ReadLedger(const Ed25519PrivateKey& key);
  absl::Status DestroyErased();
  absl::Status WriteLogAnchor();
  absl::Status StartOnce();
  absl::Status TakeTail(SteppedLog& log);
  absl::Status Unmark();

  const RestoreOptions& options_;
  rocksdb::Env& env_;
  ReadBackup log_;
  ReadBackup keys_;
  uint64_t bytes_done_ = 0;
  std::unique_ptr<KeyStore> store_;
  ErasureLedgerContent ledger_;
  std::vector<TreeHead> checkpoint_;  // of options_.checkpoint
  Restored restored_;
};

absl::Status Restoring::ReadBackups() {
  ASSIGN_OR_RETURN(log_, internal::ReadOneBackup(env_, options_.log_backup, BackupPart::kLog));
  ASSIGN_OR_RETURN(keys_, internal::ReadOneBackup(env_, options_.keys_backup, BackupPart::kKeys));
  if (log_.manifest.log != keys_.manifest.log) {
    return absl::FailedPreconditionError("the two backups are of two logs");
  }
  if (keys_.manifest.key_store_sequence < log_.manifest.key_store_sequence) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the backup of the keys is older than that of the log: it stands at change ",
        keys_.manifest.key_store_sequence, ", and the log needs ", log_.manifest.key_store_sequence,
        ". Use the keys' backup of the same name, or a newer one."));
  }
  return absl::OkStatus();
}

absl::Status Restoring::CheckMasterKey() {
  ASSIGN_OR_RETURN(const std::optional<MasterKeys> masters,
                   MasterKeyFile(options_.master_key_file).Load());
  if (!masters.has_value()) {
    return absl::NotFoundError(absl::StrCat("there is no master key ", options_.master_key_file));
  }
  const uint32_t needed = keys_.manifest.master_key_generation;
  if (std::any_of(masters->begin(), masters->end(),
                  [needed](const MasterKey& key) { return key.generation == needed; })) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "MASTER_KEY_ENDED: the backup of the keys was made under generation ", needed,
      " of the master key, and ", options_.master_key_file, " holds generation ",
      masters->back().generation,
      ". A rotation ends the backups that were made before it: use one that was made after."));
}

absl::Status Restoring::EmptyTarget() {
  RETURN_IF_ERROR(CheckTarget(env_, options_.to));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(env_, options_.to));
  for (const std::string& name : names) {
    // The mark goes last: until then the folder is not taken for a store.
    if (name == kRestoreMarkerFile) continue;
    const std::string path = NameIn(options_.to, name);
    bool is_folder = false;
    RETURN_IF_ERROR(internal::FromRocks(env_.IsDirectory(path, &is_folder)));
    RETURN_IF_ERROR(is_folder ? RemoveFolderAt(env_, path)
                              : internal::FromRocks(env_.DeleteFile(path)));
  }
  return absl::OkStatus();
}

absl::Status Restoring::Mark() {
  RETURN_IF_ERROR(MakeFolderAt(env_, options_.to));
  RETURN_IF_ERROR(SyncFolderAt(env_, ParentOf(options_.to)));
  RETURN_IF_ERROR(WriteFileDurably(
      env_, NameIn(options_.to, kRestoreMarkerFile),
      "A restore is under way here, or was cut short. Run it again; nothing else may use this "
      "folder.\n"));
  return SyncFolderAt(env_, options_.to);
}

absl::Status Restoring::CopyOne(const ReadBackup& backup, const BackupFile& file) {
  const uint64_t total = log_.manifest.bytes + keys_.manifest.bytes;
  absl::StatusOr<BackupFile> copied =
      CopyFileDurably(env_, backup.folder, options_.to, file.name, [&](uint64_t bytes) {
        bytes_done_ += bytes;
        return options_.go_on(bytes_done_, total);
      });
  if (absl::IsNotFound(copied.status())) {
    return Damaged(backup.folder, absl::StrCat(file.name, " is missing"));
  }
  RETURN_IF_ERROR(copied.status());
  if (copied->sha256 == file.sha256 || PLANTED_BUG("restore-without-digests")) {
    return absl::OkStatus();
  }
  return Damaged(backup.folder, absl::StrCat(file.name, " is not as it was written"));
}

absl::Status Restoring::CopyFiles(const ReadBackup& backup, absl::string_view left_out) {
  std::string folder;
  for (const BackupFile& file : backup.files) {
    if (file.name == left_out) continue;
    const std::string parent = ParentOf(file.name);
    if (parent != "." && parent != folder) {
      folder = parent;
      RETURN_IF_ERROR(MakeFolderAt(env_, NameIn(options_.to, folder)));
    }
    RETURN_IF_ERROR(CopyOne(backup, file));
  }
  return folder.empty() ? absl::OkStatus() : SyncFolderAt(env_, NameIn(options_.to, folder));
}

// A file of the backup that its list knows, whole.
absl::StatusOr<std::string> Restoring::ReadListed(const ReadBackup& backup,
                                                  const std::string& name) {
  const auto listed = std::find_if(backup.files.begin(), backup.files.end(),
                                   [&](const BackupFile& file) { return file.name == name; });
  if (listed == backup.files.end()) {
    return Damaged(backup.folder, absl::StrCat(name, " is not in its list"));
  }
  const auto content = ReadWholeFile(env_, NameIn(backup.folder, name), kBackupManifestBytesMax);
  if (absl::IsNotFound(content.status())) {
    return Damaged(backup.folder, absl::StrCat(name, " is missing"));
  }
  RETURN_IF_ERROR(content.status());
  if (Sha256(*content) != listed->sha256) {
    return Damaged(backup.folder, absl::StrCat(name, " is not as it was written"));
  }
  return *content;
}

absl::Status Restoring::OpenKeys() {
  RETURN_IF_ERROR(CopyFiles(keys_, kSealedCheckpointKeyFile));
  KeyStoreOptions how;
  how.data_dir = options_.to;
  how.master_key_file = options_.master_key_file;
  how.clock = options_.clock;
  how.random = options_.random;
  how.env = options_.env;
  how.is_restoring = true;
  ASSIGN_OR_RETURN(store_, OpenKeyStore(how));
  if (store_->Sequence() < keys_.manifest.key_store_sequence) {
    return Damaged(keys_.folder, "it is older than its manifest says");
  }
  ASSIGN_OR_RETURN(const std::string sealed, ReadListed(keys_, kSealedCheckpointKeyFile));
  absl::StatusOr<std::string> seed = store_->OpenToken(kCheckpointKeyLabel, "", sealed);
  if (!seed.ok()) return Damaged(keys_.folder, "its checkpoint key does not open with its keys");
  const SecretBytes kept = SecretBytes::TakeFrom(*seed);
  ASSIGN_OR_RETURN(Ed25519PrivateKey key,
                   Ed25519PrivateKey::FromSeed(SecretBytes::CopyOf(kept.view())));
  RETURN_IF_ERROR(ReadLedger(key));
  ASSIGN_OR_RETURN(const NoteVerifier verifier,
                   NoteVerifier::Create(CheckpointOrigin(log_.manifest.log), key.public_key()));
  RETURN_IF_ERROR(VerifySignatures(verifier));
  if (!options_.checkpoint.empty()) {
    ASSIGN_OR_RETURN(checkpoint_,
                     ReadKeptCheckpoint(options_.checkpoint, verifier, log_.manifest.log));
  }
  return OpenCheckpointFiles(options_.to)->WriteKey(kept);
}

// By the key that came with the keys, and so by whoever holds the master key.
absl::Status Restoring::VerifySignatures(const NoteVerifier& verifier) {
  for (const ReadBackup* backup : {&log_, &keys_}) {
    if (OpenNote(backup->note, {verifier}).ok()) continue;
    return Damaged(backup->folder, "its manifest was not signed by the log's own key");
  }
  ASSIGN_OR_RETURN(const std::string note, ReadListed(log_, kLatestCheckpointFile));
  const absl::StatusOr<OpenedNote> opened = OpenNote(note, {verifier});
  if (!opened.ok()) {
    return Damaged(log_.folder, "its checkpoint was not signed by the log's own key");
  }
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, ParseCheckpoint(opened->text));
  if (checkpoint.size == log_.manifest.events + log_.manifest.access &&
      checkpoint.root == log_.manifest.head) {
    return absl::OkStatus();
  }
  return Damaged(log_.folder, "its checkpoint is not that of its manifest");
}

absl::Status Restoring::ReadLedger(const Ed25519PrivateKey& key) {
  std::vector<KnownErasureHead> known = options_.known_erasures;
  known.push_back({log_.folder, log_.manifest.erasure_ledger});
  known.push_back({keys_.folder, keys_.manifest.erasure_ledger});
  ASSIGN_OR_RETURN(ledger_, ReadErasureLedger(PosixAnchorFiles(), options_.erasure_ledger,
                                              log_.manifest.log, key.public_key(), known));
  return absl::OkStatus();
}

absl::Status Restoring::DestroyErased() {
  restored_.erasures = ledger_.records.size();
  restored_.erasure_ledger = ledger_.head();
  store_->SetErasureHead(ledger_.head());
  if (PLANTED_BUG("restore-without-erasures")) return absl::OkStatus();
  ASSIGN_OR_RETURN(const ErasureReplay replay, ReplayErasures(ledger_.records, *store_));
  restored_.erased_anew = replay.subjects;
  return absl::OkStatus();
}

absl::Status Restoring::WriteLogAnchor() {
  ASSIGN_OR_RETURN(const AnchorReading reading,
                   Anchor::Read(PosixAnchorFiles(), NameIn(log_.folder, kLogAnchorFile)));
  ASSIGN_OR_RETURN(LogAnchor anchor, DecodeLogAnchor(reading.payload));
  anchor.key_store_sequence = store_->Sequence();
  anchor.erasure_ledger_size = restored_.erasure_ledger.size;
  anchor.erasure_ledger_head = restored_.erasure_ledger.hash;
  ASSIGN_OR_RETURN(const std::string payload, EncodeLogAnchor(anchor));
  return Anchor::Create(PosixAnchorFiles(), NameIn(options_.to, kLogAnchorFile), payload);
}

// The log as a start will find it, held against its anchor and its checkpoint.
absl::Status Restoring::StartOnce() {
  LogOptions how;
  how.data_dir = options_.to;
  how.clock = options_.clock;
  how.random = options_.random;
  how.guard = store_.get();
  how.env = options_.env;
  ASSIGN_OR_RETURN(SteppedLog stepped, OpenLogForRestore(how));
  const EventLog& log = *stepped.log;
  uint64_t events = 0;
  for (uint32_t p = 0; p < log.partition_count(); ++p) {
    events += log.Head(Ledger::kEvents, p).sequence;
  }
  if (events != log_.manifest.events) {
    return Damaged(log_.folder, "it does not hold the events that its manifest says");
  }
  if (options_.tail != nullptr) RETURN_IF_ERROR(TakeTail(stepped));
  if (checkpoint_.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(restored_.lost, CompareWithKept(log, checkpoint_));
  return absl::OkStatus();
}

absl::Status Restoring::TakeTail(SteppedLog& log) {
  RestoredTail& tail = restored_.tail.emplace();
  TailOptions how;
  how.inspect = [&](const StoredEvent& event) { return CountKeys(event, *store_, tail.keys); };
  how.go_on = options_.go_on_tail;
  ASSIGN_OR_RETURN(const AppendedTail appended,
                   AppendTail(*options_.tail, *log.log, *log.writer, how));
  tail.was_published = appended.was_published;
  tail.events = appended.events;
  // From now on what came from the topic cannot be lost unseen.
  return log.log->SignedCheckpoint().status();
}

absl::Status Restoring::Fill() {
  RETURN_IF_ERROR(OpenKeys());
  RETURN_IF_ERROR(CopyFiles(log_, kLogAnchorFile));
  RETURN_IF_ERROR(ReadListed(log_, kLogAnchorFile).status());
  RETURN_IF_ERROR(DestroyErased());
  RETURN_IF_ERROR(WriteLogAnchor());
  RETURN_IF_ERROR(StartOnce());
  store_.reset();
  return Unmark();
}

absl::Status Restoring::Unmark() {
  RETURN_IF_ERROR(SyncFolderAt(env_, options_.to));
  RETURN_IF_ERROR(internal::FromRocks(env_.DeleteFile(NameIn(options_.to, kRestoreMarkerFile))));
  return SyncFolderAt(env_, options_.to);
}

absl::StatusOr<Restored> Restoring::Run() {
  RETURN_IF_ERROR(CheckTarget(env_, options_.to));
  RETURN_IF_ERROR(CheckApart(options_));
  ASSIGN_OR_RETURN(const bool has_ledger, FileIsThere(env_, options_.erasure_ledger));
  if (!has_ledger) {
    return absl::NotFoundError(absl::StrCat(
        "there is no erasure ledger ", options_.erasure_ledger,
        ". Without the newest one, what was erased would come back. Nothing was restored."));
  }
  RETURN_IF_ERROR(ReadBackups());
  RETURN_IF_ERROR(CheckMasterKey());
  RETURN_IF_ERROR(EmptyTarget());
  RETURN_IF_ERROR(Mark());
  const absl::Status filled = Fill();
  if (!filled.ok()) {
    // Keys that were erased may lie there: gone again, the mark last.
    store_.reset();
    if (EmptyTarget().ok()) Unmark().IgnoreError();
    return filled;
  }
  restored_.log = log_.manifest;
  restored_.keys = keys_.manifest;
  return restored_;
}

}  // namespace

absl::StatusOr<Restored> Restore(const RestoreOptions& options) { return Restoring(options).Run(); }

}  // namespace records::eventstore
