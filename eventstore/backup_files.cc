#include "eventstore/backup_files.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "eventstore/internal/rocks_options.h"
#include "eventstore/status_macros.h"
#include "rocksdb/env.h"

namespace records::eventstore {
namespace {

using internal::FromRocks;

constexpr size_t kPieceBytes = size_t{1} << 20;
// Folders in folders: a backup has one level.
constexpr int kDepthMax = 4;

absl::Status In(const rocksdb::Status& status, absl::string_view doing, const std::string& path) {
  if (status.ok()) return absl::OkStatus();
  const absl::Status plain = FromRocks(status);
  if (status.IsNotFound() || status.IsPathNotFound()) {
    return absl::NotFoundError(absl::StrCat("cannot ", doing, " ", path, ": it is not there"));
  }
  return absl::Status(plain.code(),
                      absl::StrCat("cannot ", doing, " ", path, ": ", plain.message()));
}

rocksdb::EnvOptions PlainFiles() {
  rocksdb::EnvOptions options;
  options.use_mmap_reads = false;
  options.use_mmap_writes = false;
  return options;
}

absl::StatusOr<std::unique_ptr<rocksdb::WritableFile>> Create(rocksdb::Env& env,
                                                              const std::string& path) {
  std::unique_ptr<rocksdb::WritableFile> file;
  RETURN_IF_ERROR(In(env.NewWritableFile(path, &file, PlainFiles()), "make", path));
  return file;
}

absl::Status Finish(rocksdb::WritableFile& file, const std::string& path) {
  RETURN_IF_ERROR(In(file.Flush(), "write", path));
  // Never repeated: after a failed sync the kernel may drop the pages and report success.
  RETURN_IF_ERROR(In(file.Fsync(), "sync", path));
  return In(file.Close(), "close", path);
}

struct Child {
  std::string name;
  std::string path;
  bool is_folder = false;
};

// What lies in a folder that is itself `depth` folders deep.
absl::StatusOr<std::vector<Child>> ChildrenOf(rocksdb::Env& env, const std::string& folder,
                                              int depth) {
  if (depth > kDepthMax) {
    return absl::FailedPreconditionError(absl::StrCat(folder, " has too many folders in folders"));
  }
  std::vector<std::string> names;
  RETURN_IF_ERROR(In(env.GetChildren(folder, &names), "list", folder));
  std::vector<Child> children;
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    Child child{.name = name, .path = absl::StrCat(folder, "/", name)};
    RETURN_IF_ERROR(In(env.IsDirectory(child.path, &child.is_folder), "examine", child.path));
    children.push_back(std::move(child));
  }
  return children;
}

absl::Status ListBelow(rocksdb::Env& env, const std::string& folder, const std::string& prefix,
                       int depth, std::vector<std::string>& files) {
  ASSIGN_OR_RETURN(const std::vector<Child> children, ChildrenOf(env, folder, depth));
  for (const auto& [name, path, is_folder] : children) {
    if (is_folder) {
      RETURN_IF_ERROR(ListBelow(env, path, absl::StrCat(prefix, name, "/"), depth + 1, files));
    } else {
      files.push_back(prefix + name);
    }
  }
  return absl::OkStatus();
}

absl::Status RemoveBelow(rocksdb::Env& env, const std::string& folder, int depth) {
  ASSIGN_OR_RETURN(const std::vector<Child> children, ChildrenOf(env, folder, depth));
  for (const auto& [name, path, is_folder] : children) {
    RETURN_IF_ERROR(is_folder ? RemoveBelow(env, path, depth + 1)
                              : In(env.DeleteFile(path), "remove", path));
  }
  return In(env.DeleteDir(folder), "remove", folder);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListFilesBelow(rocksdb::Env& env,
                                                        const std::string& folder) {
  std::vector<std::string> files;
  RETURN_IF_ERROR(ListBelow(env, folder, "", 0, files));
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<bool> FileIsThere(rocksdb::Env& env, const std::string& path) {
  const rocksdb::Status status = env.FileExists(path);
  if (status.IsNotFound()) return false;
  RETURN_IF_ERROR(In(status, "examine", path));
  return true;
}

absl::StatusOr<uint64_t> FileBytes(rocksdb::Env& env, const std::string& path) {
  uint64_t bytes = 0;
  RETURN_IF_ERROR(In(env.GetFileSize(path, &bytes), "examine", path));
  return bytes;
}

absl::Status MakeFolderAt(rocksdb::Env& env, const std::string& path) {
  return In(env.CreateDirIfMissing(path), "make", path);
}

absl::Status SyncFolderAt(rocksdb::Env& env, const std::string& path) {
  std::unique_ptr<rocksdb::Directory> folder;
  RETURN_IF_ERROR(In(env.NewDirectory(path, &folder), "open", path));
  return In(folder->Fsync(), "sync", path);
}

absl::StatusOr<BackupFile> CopyFileDurably(rocksdb::Env& env, const std::string& from,
                                           const std::string& to, const std::string& name,
                                           CopyProgress progress) {
  const std::string source = absl::StrCat(from, "/", name);
  const std::string target = absl::StrCat(to, "/", name);
  std::unique_ptr<rocksdb::SequentialFile> input;
  RETURN_IF_ERROR(In(env.NewSequentialFile(source, &input, PlainFiles()), "open", source));
  ASSIGN_OR_RETURN(const std::unique_ptr<rocksdb::WritableFile> output, Create(env, target));
  BackupFile copied{name};
  Sha256Stream hash;
  std::string piece(kPieceBytes, '\0');
  while (true) {
    rocksdb::Slice read;
    RETURN_IF_ERROR(In(input->Read(piece.size(), &read, piece.data()), "read", source));
    if (read.empty()) break;
    hash.Update({read.data(), read.size()});
    RETURN_IF_ERROR(In(output->Append(read), "write", target));
    copied.bytes += read.size();
    if (!progress(read.size())) return absl::CancelledError("stopped as asked");
  }
  RETURN_IF_ERROR(Finish(*output, target));
  copied.sha256 = hash.Finish();
  return copied;
}

absl::Status WriteFileDurably(rocksdb::Env& env, const std::string& path,
                              absl::string_view content) {
  ASSIGN_OR_RETURN(const std::unique_ptr<rocksdb::WritableFile> file, Create(env, path));
  RETURN_IF_ERROR(In(file->Append({content.data(), content.size()}), "write", path));
  return Finish(*file, path);
}

absl::StatusOr<std::string> ReadWholeFile(rocksdb::Env& env, const std::string& path,
                                          size_t bytes_max) {
  std::unique_ptr<rocksdb::SequentialFile> file;
  RETURN_IF_ERROR(In(env.NewSequentialFile(path, &file, PlainFiles()), "open", path));
  std::string content;
  std::string piece(size_t{64} << 10, '\0');
  while (true) {
    rocksdb::Slice read;
    RETURN_IF_ERROR(In(file->Read(piece.size(), &read, piece.data()), "read", path));
    if (read.empty()) return content;
    content.append(read.data(), read.size());
    if (content.size() > bytes_max) {
      return absl::ResourceExhaustedError(absl::StrCat(path, " is too long"));
    }
  }
}

absl::Status RemoveFolderAt(rocksdb::Env& env, const std::string& path) {
  ASSIGN_OR_RETURN(const bool is_there, FileIsThere(env, path));
  return is_there ? RemoveBelow(env, path, 0) : absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> NamesIn(rocksdb::Env& env, const std::string& folder) {
  ASSIGN_OR_RETURN(const bool is_there, FileIsThere(env, folder));
  std::vector<std::string> names;
  if (!is_there) return names;
  RETURN_IF_ERROR(In(env.GetChildren(folder, &names), "list", folder));
  std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace records::eventstore
