#include "eventstore/anchor_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "eventstore/planted_bug.h"
#include "eventstore/status_macros.h"

namespace records::eventstore {
namespace {

absl::Status LastError(absl::string_view what) {
  return absl::ErrnoToStatus(errno, absl::StrCat("anchor file: ", what));
}

// Calls a system call again for as long as a signal interrupts it.
template <typename Call>
auto Uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;

  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }

 private:
  int number_;
};

Descriptor OpenDescriptor(const std::string& path, int flags) {
  constexpr mode_t kOwnerOnly = 0600;
  return Descriptor(
      Uninterrupted([&] { return open(path.c_str(), flags | O_CLOEXEC, kOwnerOnly); }));
}

class PosixFile final : public AnchorFile {
 public:
  explicit PosixFile(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

  absl::StatusOr<std::string> Read(uint64_t offset, size_t size) override {
    std::string bytes(size, '\0');
    size_t done = 0;
    while (done < size) {
      const ssize_t count = Uninterrupted([&] {
        return pread(descriptor_.get(), bytes.data() + done, size - done,
                     static_cast<off_t>(offset + done));
      });
      if (count < 0) return LastError("reading failed");
      if (count == 0) break;
      done += static_cast<size_t>(count);
    }
    bytes.resize(done);
    return bytes;
  }

  absl::Status Write(uint64_t offset, absl::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = Uninterrupted([&] {
        return pwrite(descriptor_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      });
      if (count < 0) return LastError("writing failed");
      bytes.remove_prefix(static_cast<size_t>(count));
      offset += static_cast<size_t>(count);
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    // Never repeated: after a failed sync the kernel may drop the pages and report success.
    if (fdatasync(descriptor_.get()) != 0) return LastError("syncing failed");
    return absl::OkStatus();
  }

 private:
  const Descriptor descriptor_;
};

absl::Status SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor descriptor = OpenDescriptor(folder, O_RDONLY | O_DIRECTORY);
  if (!descriptor.valid()) return LastError("opening the folder failed");
  if (fsync(descriptor.get()) != 0) return LastError("syncing the folder failed");
  return absl::OkStatus();
}

class PosixFiles final : public AnchorFiles {
 public:
  absl::StatusOr<std::unique_ptr<AnchorFile>> Open(const std::string& path,
                                                   Access access) override {
    Descriptor descriptor = OpenDescriptor(path, access == Access::kReadOnly ? O_RDONLY : O_RDWR);
    if (!descriptor.valid()) return LastError("opening failed");
    return std::make_unique<PosixFile>(std::move(descriptor));
  }

  absl::Status Create(const std::string& path, absl::string_view content) override {
    // A name of its own until all is on the disk; a crash may leave it, and the next creation takes
    // it.
    const std::string draft = path + ".new";
    unlink(draft.c_str());
    const absl::Cleanup remove_draft = [&draft] { unlink(draft.c_str()); };
    {
      Descriptor descriptor = OpenDescriptor(draft, O_RDWR | O_CREAT | O_EXCL);
      if (!descriptor.valid()) return LastError("creating failed");
      PosixFile file(std::move(descriptor));
      RETURN_IF_ERROR(file.Write(0, content));
      RETURN_IF_ERROR(file.Sync());
    }
    // Unlike rename(), link() never replaces a file.
    if (link(draft.c_str(), path.c_str()) != 0) return LastError("naming failed");
    if (PLANTED_BUG("new-anchor-name-unsynced")) return absl::OkStatus();
    return SyncFolderOf(path);
  }
};

}  // namespace

AnchorFiles& PosixAnchorFiles() {
  static PosixFiles files;
  return files;
}

}  // namespace records::eventstore
