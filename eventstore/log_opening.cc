#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/internal/event_log_impl.h"
#include "eventstore/log_start.h"
#include "eventstore/log_tables.h"
#include "eventstore/planted_bug.h"
#include "eventstore/restore_marker.h"
#include "eventstore/rocks_storage.h"
#include "eventstore/status_macros.h"
#include "rocksdb/env.h"

// Opening: the careful start over files, and the making of a new log.
namespace records::eventstore {
namespace {

using internal::EventLogImpl;
using internal::LogParts;
using internal::StoreStateRelay;

// Keeps other processes, and this one, from opening a folder twice.
class FolderLock {
 public:
  static absl::StatusOr<std::shared_ptr<void>> Take(rocksdb::Env* env, const std::string& folder) {
    rocksdb::FileLock* lock = nullptr;
    if (!env->LockFile(folder + "/log.lock", &lock).ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the data folder ", folder,
                       " is open in another process. Stop that one, or use another folder."));
    }
    return std::shared_ptr<void>(
        lock, [env](void* taken) { env->UnlockFile(static_cast<rocksdb::FileLock*>(taken)); });
  }
};

absl::Status SyncFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const absl::Cleanup closer = [folder] { close(folder); };
  if (fsync(folder) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot sync ", path));
  return absl::OkStatus();
}

absl::Status MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot make the data folder ", path));
}

// What lies in the folder of the store.
struct FolderContent {
  bool empty = true;      // or absent
  bool has_data = false;  // files in which events may be
};

absl::StatusOr<FolderContent> Examine(const std::string& path) {
  FolderContent content;
  std::error_code error;
  std::filesystem::directory_iterator file(path, error);
  if (error == std::errc::no_such_file_or_directory) return content;
  for (; !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    content.empty = false;
    const std::string name = file->path().filename();
    if (absl::EndsWith(name, ".sst") || absl::EndsWith(name, ".log")) content.has_data = true;
  }
  if (error) return absl::UnavailableError(absl::StrCat("cannot read ", path));
  return content;
}

bool IsNew(const LogAnchor& anchor) {
  return std::all_of(anchor.trees.begin(), anchor.trees.end(),
                     [](const TreeHead& tree) { return tree.size == 0; });
}

absl::StatusOr<LogAnchor> NewAnchor(const LogOptions& options) {
  if (options.partition_count == 0 || options.partition_count > kPartitionsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a log has 1 to ", kPartitionsMax, " partitions"));
  }
  LogAnchor anchor;
  ASSIGN_OR_RETURN(anchor.store, StoreId::Generate(*options.random));
  anchor.trees.resize(2 * size_t{options.partition_count});
  return anchor;
}

absl::Status WriteMeta(Storage& storage, const LogAnchor& anchor, const Clock& clock) {
  StorageBatch batch;
  PutMeta({anchor.store, static_cast<uint32_t>(anchor.trees.size() / 2),
           static_cast<uint64_t>(absl::ToUnixMicros(clock.Now()))},
          batch);
  return storage.Write(batch, Storage::Durability::kSynced);
}

absl::StatusOr<LogAnchor> ReadOrMakeAnchor(AnchorFiles& files, const std::string& path,
                                           bool may_make, const LogOptions& options) {
  const absl::StatusOr<AnchorReading> reading = Anchor::Read(files, path);
  if (reading.ok()) return DecodeLogAnchor(reading->payload);
  if (absl::IsDataLoss(reading.status())) {
    return absl::DataLossError(absl::StrCat(
        kLogAnchorFile, " is damaged: ", reading.status().message(),
        ". Nothing was changed. Restore it and the folder log from the newest backup."));
  }
  if (!absl::IsNotFound(reading.status())) return reading.status();
  if (!may_make) {
    return absl::DataLossError(
        absl::StrCat(kLogAnchorFile,
                     " is missing, and without it nobody can tell whether the log is whole. "
                     "Nothing was changed. Restore it from where the folder log came from."));
  }
  ASSIGN_OR_RETURN(const LogAnchor anchor, NewAnchor(options));
  ASSIGN_OR_RETURN(const std::string payload, EncodeLogAnchor(anchor));
  RETURN_IF_ERROR(Anchor::Create(files, path, payload));
  return anchor;
}

absl::Status Damaged(const absl::Status& found) {
  return absl::DataLossError(
      absl::StrCat("the folder log is damaged: ", found.message(),
                   ". Nothing was changed. Restore the folder, whole, from a backup that is as new "
                   "as log.anchor."));
}

// Holds a store against its anchor. nullopt: the store was never finished.
absl::StatusOr<std::optional<LogState>> CheckStore(const Storage& storage,
                                                   const LogAnchor& anchor) {
  const absl::StatusOr<std::optional<LogMeta>> reading = ReadMeta(storage);
  if (absl::IsDataLoss(reading.status())) return Damaged(reading.status());
  RETURN_IF_ERROR(reading.status());
  const std::optional<LogMeta>& meta = *reading;
  if (!meta) {
    if (IsNew(anchor)) return std::nullopt;
    return absl::DataLossError(
        "the folder log holds no log, but log.anchor knows of one. Nothing was changed. Restore "
        "the "
        "folder log from a backup that is as new as log.anchor.");
  }
  absl::StatusOr<LogState> state = LoadLogState(storage, *meta);
  if (absl::IsDataLoss(state.status())) return Damaged(state.status());
  RETURN_IF_ERROR(state.status());
  RETURN_IF_ERROR(CheckAgainstAnchor(storage, *state, anchor));
  return state;
}

RocksStorageOptions StoreOptions(const LogOptions& options, RocksMode mode) {
  RocksStorageOptions how;
  how.path = options.data_dir + "/log";
  how.tables = LogTables();
  how.mode = mode;
  how.block_cache_bytes = options.block_cache_bytes;
  how.write_ahead_log_bytes_max = options.write_ahead_log_bytes_max;
  how.env = options.env;
  return how;
}

// Opens the store read-only and checks it. nullopt: it was never finished, and holds nothing.
absl::StatusOr<std::optional<LogState>> CheckFolder(const LogOptions& options,
                                                    const LogAnchor& anchor) {
  const std::string path = options.data_dir + "/log";
  ASSIGN_OR_RETURN(const bool exists, RocksStoreExists(options.env, path));
  if (!exists) {
    ASSIGN_OR_RETURN(const FolderContent content, Examine(path));
    if (IsNew(anchor) && !content.has_data) return std::nullopt;
    return absl::DataLossError(absl::StrCat(
        "the file CURRENT of the store ", path,
        " is missing. Nothing was changed. Restore the folder, whole, from a backup that is as new "
        "as log.anchor."));
  }
  if (IsNew(anchor)) {
    ASSIGN_OR_RETURN(const bool finished, RocksStoreHasTables(options.env, path, LogTables()));
    if (!finished) return std::nullopt;
  }
  const RocksMode mode =
      PLANTED_BUG("write-before-check") ? RocksMode::kWrite : RocksMode::kReadOnly;
  const auto store = RocksStorage::Open(StoreOptions(options, mode));
  if (absl::IsDataLoss(store.status())) return Damaged(store.status());
  RETURN_IF_ERROR(store.status());
  return CheckStore(**store, anchor);
}

// A batch that a crash left without its anchor is about to be shown, so the anchor comes first.
absl::Status AnchorWhatIsThere(const LogState& state, const AppendGuard* guard, LogParts& parts) {
  for (size_t i = 0; i < state.trees.size(); ++i) {
    parts.anchored.trees[i] = {state.trees[i].size(), state.trees[i].Root()};
  }
  if (guard != nullptr) parts.anchored.key_store_sequence = guard->Sequence();
  ASSIGN_OR_RETURN(const std::string payload, EncodeLogAnchor(parts.anchored));
  return parts.anchor->Write(payload);
}

// Carries on with a store that is open for writing and agrees with its anchor.
absl::StatusOr<std::unique_ptr<EventLogImpl>> Start(LogParts parts, std::optional<LogState> checked,
                                                    AnchorFiles& anchor_files,
                                                    const std::string& anchor_path,
                                                    CheckpointFiles& checkpoint_files,
                                                    const LogOptions& options) {
  if (!checked) {
    RETURN_IF_ERROR(WriteMeta(*parts.storage, parts.anchored, *options.clock));
    ASSIGN_OR_RETURN(checked, CheckStore(*parts.storage, parts.anchored));
  }
  RETURN_IF_ERROR(CheckSizes(*parts.storage, *checked));
  if (options.guard != nullptr && options.guard->Sequence() < parts.anchored.key_store_sequence) {
    return absl::DataLossError(absl::StrCat(
        "the key store stands at ", options.guard->Sequence(), " but the log knows it at ",
        parts.anchored.key_store_sequence, ": it is an old copy. Restore the newest key store."));
  }
  ASSIGN_OR_RETURN(parts.signer,
                   CheckpointSigner::Open(checkpoint_files, checked->store, *options.random));
  RETURN_IF_ERROR(
      CheckAgainstCheckpoint(*parts.storage, *checked, parts.signer->latest_at_start()));
  ASSIGN_OR_RETURN(parts.anchor, Anchor::Open(anchor_files, anchor_path));
  RETURN_IF_ERROR(AnchorWhatIsThere(*checked, options.guard, parts));
  return std::make_unique<EventLogImpl>(std::move(parts), *std::move(checked), options);
}

absl::StatusOr<std::unique_ptr<EventLogImpl>> OpenFolder(LogOptions options) {
  if (options.env == nullptr) options.env = rocksdb::Env::Default();
  AnchorFiles& anchor_files =
      options.anchor_files != nullptr ? *options.anchor_files : PosixAnchorFiles();
  const std::string anchor_path = absl::StrCat(options.data_dir, "/", kLogAnchorFile);
  RETURN_IF_ERROR(MakeFolder(options.data_dir));
  if (!options.is_restoring) {
    RETURN_IF_ERROR(CheckRestoreFinished(options.env, options.data_dir));
  }
  LogParts parts;
  ASSIGN_OR_RETURN(parts.folder_lock, FolderLock::Take(options.env, options.data_dir));
  ASSIGN_OR_RETURN(const FolderContent content, Examine(options.data_dir + "/log"));
  ASSIGN_OR_RETURN(parts.anchored,
                   ReadOrMakeAnchor(anchor_files, anchor_path, content.empty, options));
  ASSIGN_OR_RETURN(std::optional<LogState> checked, CheckFolder(options, parts.anchored));

  parts.relay = std::make_shared<StoreStateRelay>();
  RocksStorageOptions how = StoreOptions(options, checked ? RocksMode::kWrite : RocksMode::kCreate);
  how.on_background_state = [relay = parts.relay](const absl::Status& status) {
    relay->Report(status);
  };
  ASSIGN_OR_RETURN(std::unique_ptr<RocksStorage> database, RocksStorage::Open(std::move(how)));
  parts.database = database.get();
  parts.owned_storage = std::move(database);
  parts.storage = parts.owned_storage.get();
  parts.anchor_files = &anchor_files;
  if (!checked) {
    RETURN_IF_ERROR(SyncFolder(options.data_dir));
    RETURN_IF_ERROR(SyncFolder(options.data_dir + "/.."));
  }
  parts.owned_space = std::make_unique<FileSystemSpace>(options.data_dir);
  parts.space = options.disk_space != nullptr ? options.disk_space : parts.owned_space.get();
  parts.owned_checkpoint_files = OpenCheckpointFiles(options.data_dir);
  CheckpointFiles& checkpoint_files = *parts.owned_checkpoint_files;
  return Start(std::move(parts), std::move(checked), anchor_files, anchor_path, checkpoint_files,
               options);
}

absl::StatusOr<std::unique_ptr<EventLogImpl>> OpenOn(const MemoryLogFiles& files,
                                                     const LogOptions& options) {
  LogParts parts;
  parts.relay = std::make_shared<StoreStateRelay>();
  parts.storage = files.storage;
  parts.space = options.disk_space;
  ASSIGN_OR_RETURN(const std::optional<LogMeta> meta, ReadMeta(*files.storage));
  ASSIGN_OR_RETURN(parts.anchored,
                   ReadOrMakeAnchor(*files.anchor_files, std::string(kLogAnchorFile),
                                    !meta.has_value(), options));
  ASSIGN_OR_RETURN(std::optional<LogState> checked, CheckStore(*files.storage, parts.anchored));
  return Start(std::move(parts), std::move(checked), *files.anchor_files,
               std::string(kLogAnchorFile), *files.checkpoint_files, options);
}

SteppedLog StepsOf(std::unique_ptr<EventLogImpl> log) {
  SteppedLog stepped{.log = nullptr, .steps = log.get(), .writer = log.get()};
  stepped.log = std::move(log);
  return stepped;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventLog>> OpenLog(LogOptions options) {
  return OpenFolder(std::move(options));
}

absl::StatusOr<SteppedLog> OpenLogForRestore(LogOptions options) {
  options.is_restoring = true;
  options.own_threads = false;
  ASSIGN_OR_RETURN(std::unique_ptr<EventLogImpl> log, OpenFolder(std::move(options)));
  return StepsOf(std::move(log));
}

absl::StatusOr<std::unique_ptr<EventLog>> OpenLogOn(MemoryLogFiles files, LogOptions options) {
  return OpenOn(files, options);
}

absl::StatusOr<SteppedLog> OpenSteppedLogOn(MemoryLogFiles files, LogOptions options) {
  options.own_threads = false;
  ASSIGN_OR_RETURN(std::unique_ptr<EventLogImpl> log, OpenOn(files, options));
  return StepsOf(std::move(log));
}

}  // namespace records::eventstore
