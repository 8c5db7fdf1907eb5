#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "eventstore/checkpoint_signer.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

// A signed note of the largest log has some 8 KiB.
constexpr size_t kFileBytesMax = size_t{64} << 10;

absl::Status Failed(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

absl::StatusOr<std::string> ReadWhole(int file, const std::string& path) {
  std::string content(kFileBytesMax, '\0');
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t count = read(file, content.data() + size, content.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed("cannot read", path);
    if (count == 0) {
      content.resize(size);
      return content;
    }
    size += count;
  }
  return absl::DataLossError(absl::StrCat(path, " is too long"));
}

absl::Status WriteWhole(int file, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t count = write(file, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Failed("cannot write", path);
    content.remove_prefix(count);
  }
  if (PLANTED_BUG("checkpoint-unsynced")) return absl::OkStatus();
  if (fsync(file) != 0) return Failed("cannot sync", path);
  return absl::OkStatus();
}

class PosixCheckpointFiles final : public CheckpointFiles {
 public:
  explicit PosixCheckpointFiles(std::string folder) : folder_(std::move(folder)) {}

  absl::StatusOr<SecretBytes> ReadKey() override {
    ASSIGN_OR_RETURN(std::string seed, Read("checkpoint.key", true));
    if (seed.size() != kEd25519KeySize) {
      WipeString(seed);
      return absl::DataLossError("checkpoint.key does not hold a key: restore it");
    }
    return SecretBytes::TakeFrom(seed);
  }
  absl::Status WriteKey(const SecretBytes& seed) override {
    return Write("checkpoint.key", seed.view());
  }
  absl::StatusOr<std::string> ReadLatest() override { return Read("checkpoint.latest", false); }
  absl::Status WriteLatest(const std::string& note) override {
    return Write("checkpoint.latest", note);
  }

 private:
  absl::StatusOr<std::string> Read(const std::string& name, bool secret) const {
    const std::string path = folder_ + "/" + name;
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return Failed("cannot open", path);
    const absl::Cleanup closer = [file] { close(file); };
    struct stat about {};
    if (fstat(file, &about) != 0) return Failed("cannot examine", path);
    if (secret && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " can be read by others: chmod 600 it"));
    }
    return ReadWhole(file, path);
  }

  // A new file takes the old one's place in one step.
  absl::Status Write(const std::string& name, absl::string_view content) const {
    const std::string path = folder_ + "/" + name;
    const std::string fresh = path + ".new";
    const int file = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return Failed("cannot create", fresh);
    absl::Status written = WriteWhole(file, content, fresh);
    if (close(file) != 0 && written.ok()) written = Failed("cannot close", fresh);
    RETURN_IF_ERROR(written);
    if (rename(fresh.c_str(), path.c_str()) != 0) return Failed("cannot rename", fresh);
    return SyncFolder();
  }

  absl::Status SyncFolder() const {
    const int folder = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return Failed("cannot open", folder_);
    const absl::Cleanup closer = [folder] { close(folder); };
    if (fsync(folder) != 0) return Failed("cannot sync", folder_);
    return absl::OkStatus();
  }

  const std::string folder_;
};

class CheckpointFilesInMemory final : public CheckpointFiles {
 public:
  absl::StatusOr<SecretBytes> ReadKey() override {
    absl::MutexLock lock(&mutex_);
    if (seed_.empty()) return absl::NotFoundError("no checkpoint.key");
    return SecretBytes::CopyOf(seed_.view());
  }
  absl::Status WriteKey(const SecretBytes& seed) override {
    absl::MutexLock lock(&mutex_);
    seed_ = SecretBytes::CopyOf(seed.view());
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> ReadLatest() override {
    absl::MutexLock lock(&mutex_);
    if (!latest_) return absl::NotFoundError("no checkpoint.latest");
    return *latest_;
  }
  absl::Status WriteLatest(const std::string& note) override {
    absl::MutexLock lock(&mutex_);
    latest_ = note;
    return absl::OkStatus();
  }

 private:
  absl::Mutex mutex_;
  SecretBytes seed_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::string> latest_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<CheckpointFiles> OpenCheckpointFiles(std::string data_dir) {
  return std::make_unique<PosixCheckpointFiles>(std::move(data_dir));
}

std::unique_ptr<CheckpointFiles> MemoryCheckpointFiles() {
  return std::make_unique<CheckpointFilesInMemory>();
}

}  // namespace records::eventstore
