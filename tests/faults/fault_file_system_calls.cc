#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "tests/faults/fault_file_system.h"
#include "tests/faults/system_calls.h"

// The calls of a FaultFileSystem.
namespace records::faults {
namespace {

ssize_t Fail(int error) {
  errno = error;
  return -1;
}

// The bytes of an open file, which may be open for writing only.
std::string ContentOf(int file) {
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const int reader = system_calls::Open(AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC, 0);
  if (reader < 0) std::abort();
  std::string content;
  std::array<char, 65536> piece;
  ssize_t count = 0;
  while ((count = syscall(SYS_read, reader, piece.data(), piece.size())) > 0) {
    content.append(piece.data(), static_cast<size_t>(count));
  }
  system_calls::Close(reader);
  return content;
}

}  // namespace

std::optional<FaultFileSystem::Place> FaultFileSystem::Locate(int folder, const char* path) {
  const std::filesystem::path given(path);
  NodePointer node = top_;
  std::filesystem::path rest;
  if (given.is_absolute()) {
    rest = given.lexically_normal().lexically_relative(folder_);
    if (rest.empty() || *rest.begin() == "..") return std::nullopt;
  } else {
    Descriptor* const start = folder == AT_FDCWD ? nullptr : Find(folder);
    if (start == nullptr) return std::nullopt;
    node = start->node;
    rest = given.lexically_normal();
  }
  Place place{.node = node};
  for (const auto& part : rest) {
    if (part.empty() || part == ".") continue;
    if (place.node == nullptr || !place.node->is_folder) return std::nullopt;
    place.folder = place.node;
    place.name = part;
    const auto found = place.folder->names.find(place.name);
    place.node = found == place.folder->names.end() ? nullptr : found->second;
  }
  if (Ignored(place.name)) return std::nullopt;
  return place;
}

FaultFileSystem::Descriptor* FaultFileSystem::Find(int file) {
  const auto found = descriptors_.find(file);
  if (found == descriptors_.end()) return nullptr;
  // A number may have been closed and given anew behind our back.
  struct stat about {};
  if (fstat(file, &about) == 0 && about.st_ino == found->second.node->number &&
      about.st_dev == found->second.node->device) {
    return &found->second;
  }
  descriptors_.erase(found);
  return nullptr;
}

bool FaultFileSystem::Tracks(int file) {
  const std::lock_guard lock(mutex_);
  return Find(file) != nullptr;
}

FaultFileSystem::Outcome FaultFileSystem::Open(int folder, const char* path, int flags,
                                               mode_t mode) {
  const std::lock_guard lock(mutex_);
  const std::optional<Place> place = Locate(folder, path);
  if (!place.has_value()) return std::nullopt;
  if (place->node == nullptr && (flags & O_CREAT) == 0) return std::nullopt;
  return OpenAt(*place, folder, path, flags, mode);
}

FaultFileSystem::Outcome FaultFileSystem::OpenAt(const Place& place, int folder, const char* path,
                                                 int flags, mode_t mode) {
  const bool creates = place.node == nullptr;
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  // A disk that has failed still gives what was read before.
  if (!crashed_ || writes) {
    const Verdict verdict = Judge(creates ? Operation::kCreate : Operation::kOpen, path);
    if (verdict.error != 0) return Fail(verdict.error);
  }
  const int file = system_calls::Open(folder, path, flags, mode);
  if (file < 0) return file;
  NodePointer node = place.node;
  if (creates) {
    node = std::make_shared<Node>();
    struct stat about {};
    if (fstat(file, &about) != 0) return Fail(errno);
    node->mode = about.st_mode & 07777;
    node->device = about.st_dev;
    node->number = about.st_ino;
    Change({{place.folder, place.name, node}});
  } else if ((flags & O_TRUNC) != 0) {
    node->Shortened(0);
  }
  descriptors_[file] = {std::move(node), path, writes};
  return file;
}

FaultFileSystem::Outcome FaultFileSystem::Close(int file) {
  const std::lock_guard lock(mutex_);
  Descriptor* const known = Find(file);
  if (known == nullptr) return std::nullopt;
  const bool writable = known->writable;
  descriptors_.erase(file);
  if (!writable) return std::nullopt;
  const Verdict verdict = Judge(Operation::kClose);
  // Linux closes the file even when it says that it could not.
  const int result = system_calls::Close(file);
  return verdict.error != 0 ? Fail(verdict.error) : result;
}

FaultFileSystem::Outcome FaultFileSystem::Read(int file) {
  const std::lock_guard lock(mutex_);
  if (Find(file) == nullptr) return std::nullopt;
  ++reads_;
  if (plan_.fault != Fault::kReadError || fired_ || reads_ < plan_.at) return std::nullopt;
  fired_ = true;
  return Fail(EIO);
}

FaultFileSystem::Outcome FaultFileSystem::Write(int file, const void* bytes, size_t size,
                                                std::optional<off_t> at) {
  const std::lock_guard lock(mutex_);
  Descriptor* const known = Find(file);
  if (known == nullptr) return std::nullopt;
  const Verdict verdict = Judge(Operation::kWrite, known->path);
  if (known->node.get() == written_short_) went_on_ = true;
  if (plan_.fault == Fault::kShortWrite && verdict.share.has_value()) {
    written_short_ = known->node.get();
  }
  size_t part = size;
  if (verdict.share.has_value()) part = static_cast<size_t>(*verdict.share * size);
  if (verdict.error != 0 && part == 0) return Fail(verdict.error);
  if (verdict.error != 0 && !verdict.share.has_value()) return Fail(verdict.error);
  // A caller that is told of no byte at all would think that it is to blame.
  if (!verdict.crash_after && part == 0 && size > 0) part = 1;
  const ssize_t done = at.has_value() ? system_calls::WriteAt(file, bytes, part, *at)
                                      : system_calls::Write(file, bytes, part);
  if (done > 0) {
    const auto end = at.has_value() ? *at + done : lseek(file, 0, SEEK_CUR);
    known->node->Wrote(static_cast<uint64_t>(end - done), static_cast<uint64_t>(end));
  }
  if (!verdict.crash_after) return done;
  crashed_ = true;
  return Fail(EIO);
}

FaultFileSystem::Outcome FaultFileSystem::Truncate(int file, off_t size) {
  const std::lock_guard lock(mutex_);
  Descriptor* const known = Find(file);
  if (known == nullptr) return std::nullopt;
  const Verdict verdict = Judge(Operation::kTruncate, known->path);
  if (verdict.error != 0) return Fail(verdict.error);
  const int result = system_calls::Truncate(file, size);
  if (result == 0) known->node->Shortened(static_cast<uint64_t>(size));
  return result;
}

FaultFileSystem::Outcome FaultFileSystem::Sync(int file) {
  const std::lock_guard lock(mutex_);
  Descriptor* const known = Find(file);
  if (known == nullptr) return std::nullopt;
  Node& node = *known->node;
  const Verdict verdict =
      Judge(node.is_folder ? Operation::kFolderSync : Operation::kSync, known->path);
  if (verdict.lie) return 0;
  if (verdict.error != 0) {
    if (!crashed_) node.SyncFailed();
    return Fail(verdict.error);
  }
  if (!node.is_folder) {
    node.Synced(ContentOf(file));
    return 0;
  }
  std::vector<std::vector<NameChange>> later;
  for (std::vector<NameChange>& changes : pending_) {
    bool here = false;
    for (const NameChange& change : changes) here = here || change.folder == known->node;
    if (!here) {
      later.push_back(std::move(changes));
      continue;
    }
    PutOnDisk(changes);
  }
  pending_ = std::move(later);
  return 0;
}

FaultFileSystem::Outcome FaultFileSystem::RangeSync(int file, off_t size) {
  const std::lock_guard lock(mutex_);
  Descriptor* const known = Find(file);
  // Of no bytes: RocksDB asks whether the system can do it at all.
  if (known == nullptr || size == 0) return std::nullopt;
  const Verdict verdict = Judge(Operation::kRangeSync, known->path);
  // It makes nothing durable: neither the file's length nor the disk's cache (sync_file_range(2)).
  return verdict.error != 0 ? Fail(verdict.error) : 0;
}

void FaultFileSystem::KeepContent(const Place& place, int folder, const char* path) {
  if (place.node == nullptr || place.node->is_folder) return;
  const int file = system_calls::Open(folder, path, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return;
  place.node->last_content = ContentOf(file);
  system_calls::Close(file);
}

FaultFileSystem::Outcome FaultFileSystem::Rename(const char* from, const char* to) {
  const std::lock_guard lock(mutex_);
  const std::optional<Place> source = Locate(AT_FDCWD, from);
  const std::optional<Place> target = Locate(AT_FDCWD, to);
  if (!source.has_value() || !target.has_value() || source->node == nullptr) return std::nullopt;
  const Verdict verdict = Judge(Operation::kRename, to);
  if (verdict.error != 0) return Fail(verdict.error);
  KeepContent(*target, AT_FDCWD, to);
  const int result = system_calls::Rename(from, to);
  if (result == 0) {
    Change({{source->folder, source->name, nullptr}, {target->folder, target->name, source->node}});
  }
  return result;
}

FaultFileSystem::Outcome FaultFileSystem::Link(const char* from, const char* to) {
  const std::lock_guard lock(mutex_);
  const std::optional<Place> source = Locate(AT_FDCWD, from);
  const std::optional<Place> target = Locate(AT_FDCWD, to);
  if (!source.has_value() || !target.has_value() || source->node == nullptr) return std::nullopt;
  const Verdict verdict = Judge(Operation::kLink, to);
  if (verdict.error != 0) return Fail(verdict.error);
  const int result = system_calls::Link(from, to);
  if (result == 0) Change({{target->folder, target->name, source->node}});
  return result;
}

FaultFileSystem::Outcome FaultFileSystem::Delete(int folder, const char* path, bool is_folder) {
  const std::lock_guard lock(mutex_);
  const std::optional<Place> place = Locate(folder, path);
  if (!place.has_value() || place->node == nullptr || place->folder == nullptr) return std::nullopt;
  const Verdict verdict =
      Judge(is_folder ? Operation::kDeleteFolder : Operation::kDelete, place->name);
  if (verdict.error != 0) return Fail(verdict.error);
  const int flags = is_folder ? AT_REMOVEDIR : 0;
  KeepContent(*place, folder, path);
  const int result = system_calls::Unlink(folder, path, flags);
  if (result == 0) Change({{place->folder, place->name, nullptr}});
  return result;
}

FaultFileSystem::Outcome FaultFileSystem::MakeFolder(const char* path, mode_t mode) {
  const std::lock_guard lock(mutex_);
  const std::optional<Place> place = Locate(AT_FDCWD, path);
  if (!place.has_value() || place->folder == nullptr || place->node != nullptr) {
    return std::nullopt;
  }
  const Verdict verdict = Judge(Operation::kMakeFolder, path);
  if (verdict.error != 0) return Fail(verdict.error);
  const int result = system_calls::MakeFolder(path, mode);
  if (result != 0) return result;
  auto node = std::make_shared<Node>();
  struct stat about {};
  if (stat(path, &about) != 0) return Fail(errno);
  node->is_folder = true;
  node->mode = about.st_mode & 07777;
  node->device = about.st_dev;
  node->number = about.st_ino;
  Change({{place->folder, place->name, node}});
  return 0;
}

}  // namespace records::faults
