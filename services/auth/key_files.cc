#include "services/auth/key_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "eventstore/status_macros.h"

namespace records::services {
namespace {

// Closes its descriptor.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

absl::Status SystemError(const char* action, const std::filesystem::path& path) {
  const std::string text = absl::StrCat(action, " ", path.string(), ": ", strerror(errno));
  return errno == ENOENT ? absl::NotFoundError(text) : absl::UnavailableError(text);
}

absl::StatusOr<std::string> ReadAll(int descriptor, const std::filesystem::path& path) {
  std::string content;
  char buffer[4096];
  while (true) {
    const ssize_t size = read(descriptor, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return SystemError("cannot read", path);
    if (size == 0) return content;
    content.append(buffer, static_cast<size_t>(size));
    if (content.size() > kKeyFileBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat(path.string(), " is longer than 1 MiB"));
    }
  }
}

absl::Status CheckIsFile(const struct stat& status, const std::filesystem::path& path) {
  if (S_ISREG(status.st_mode)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path.string(), " is not a regular file"));
}

absl::Status CheckIsSecret(const struct stat& status, const std::filesystem::path& path,
                           mode_t forbidden_mode) {
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path.string(), " belongs to another user. Make it yours: chown it."));
  }
  if ((status.st_mode & forbidden_mode) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path.string(), " can be read by others. Replace the key, then run: chmod 600 ",
                     path.string()));
  }
  return absl::OkStatus();
}

absl::Status WriteAll(int descriptor, absl::string_view content,
                      const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t size = write(descriptor, content.data(), content.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return SystemError("cannot write", path);
    content.remove_prefix(static_cast<size_t>(size));
  }
  if (fsync(descriptor) != 0) return SystemError("cannot sync", path);
  return absl::OkStatus();
}

// Gives the finished file its name. link() never replaces, rename() always does.
absl::Status Publish(const std::string& temporary, const std::filesystem::path& path,
                     bool replace) {
  if (replace) {
    if (rename(temporary.c_str(), path.c_str()) != 0) return SystemError("cannot rename", path);
    return absl::OkStatus();
  }
  if (link(temporary.c_str(), path.c_str()) == 0) return absl::OkStatus();
  if (errno == EEXIST) return absl::AlreadyExistsError(absl::StrCat(path.string(), " is there"));
  return SystemError("cannot create", path);
}

absl::Status SyncFolder(const std::filesystem::path& folder) {
  const File file(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0 || fsync(file.get()) != 0) return SystemError("cannot sync", folder);
  return absl::OkStatus();
}

absl::Status FillAndPublish(int descriptor, const std::string& temporary, absl::string_view content,
                            mode_t mode, const std::filesystem::path& path, bool replace) {
  if (fchmod(descriptor, mode) != 0) return SystemError("cannot set the mode of", path);
  RETURN_IF_ERROR(WriteAll(descriptor, content, path));
  RETURN_IF_ERROR(Publish(temporary, path, replace));
  return SyncFolder(path.parent_path());
}

}  // namespace

absl::StatusOr<std::string> ReadKeyFile(const std::filesystem::path& path) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (file.get() < 0 || fstat(file.get(), &status) != 0) return SystemError("cannot open", path);
  RETURN_IF_ERROR(CheckIsFile(status, path));
  return ReadAll(file.get(), path);
}

absl::StatusOr<std::string> ReadSecretFile(const std::filesystem::path& path,
                                           const SecretFileRule& rule) {
  const int links = rule.follow_links ? 0 : O_NOFOLLOW;
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | links));
  struct stat status {};
  if (file.get() < 0 && errno == ELOOP) {
    return absl::FailedPreconditionError(
        absl::StrCat(path.string(), " is a symbolic link. Put the file itself there."));
  }
  if (file.get() < 0 || fstat(file.get(), &status) != 0) return SystemError("cannot open", path);
  RETURN_IF_ERROR(CheckIsFile(status, path));
  RETURN_IF_ERROR(CheckIsSecret(status, path, rule.forbidden_mode));
  return ReadAll(file.get(), path);
}

absl::Status WriteKeyFile(const std::filesystem::path& path, absl::string_view content, mode_t mode,
                          bool replace) {
  std::string temporary = absl::StrCat(path.string(), ".XXXXXX");
  const File file(mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600 from the first instant
  if (file.get() < 0) return SystemError("cannot create a file beside", path);
  const absl::Status status = FillAndPublish(file.get(), temporary, content, mode, path, replace);
  unlink(temporary.c_str());  // gone already after a rename
  return status;
}

}  // namespace records::services
